"""How much is lost where the inputs are a little wrong: noise, holes, another scale, mixed-up categories."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions, encode_target, predict
from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, metric_value
from runtree.evaluation.diagnosis.columns import ColumnValues, read_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Generator = np.random.Generator

ROWS = 2000
NOISE = (0.1, 0.5)  # of each number's standard deviation
SMALL = f"noise of {NOISE[0]} sd"  # what no model may mind; the others say what to watch
SHARE = 0.1  # of the values, where some go missing or are mixed up
SHIFT = 0.5  # standard deviations
SCALE = 1.1
MUCH = 0.1  # of what the model is better than knowing nothing, lost: worth a word
ADVICE = {
    "noise": "hold the model back (a stronger penalty, larger leaves), or measure more exactly",
    "shift": "watch these columns once it serves: it will not say by itself that they have moved",
    "scale": "check units where rows come from: what was learnt holds for those of the train part alone",
}


def robustness_report(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return what the ranked metric becomes under each shift of the inputs of the test part; a loss above 0 is worse.

    A shift that the pipeline cannot take is told with the reason, and value and loss None.
    """
    part = context.reporting_split
    if context.options.diagnose != "full" or part is None:
        return None
    import numpy as np

    chosen = np.unique(context.rows[part][context.sample_rows(part, ROWS)])
    features = context.run.data.features.iloc[chosen]
    columns, _ = read_columns(features)
    if not columns:
        return None
    truth = encode_target(context.run.data.target.iloc[chosen], context.run.data.classes)

    def score(rows: "pd.DataFrame") -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = context.run.model
            return metric_value(
                predict(model[-1], model[:-1].transform(rows), truth, context.run.data.classes), context.metric
            )

    level = score(features)
    found: list[dict[str, Any]] = []
    for name, change in _shifts(columns):
        changed = change(features, np.random.default_rng(context.run.seed))
        try:
            got = score(changed)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            found.append({"shift": name, "metric": context.metric.name, "value": None, "loss": None, "reason": reason})
            continue
        loss = context.gain(level, got)
        found.append({"shift": name, "metric": context.metric.name, "value": got, "loss": loss})
    return found


def _shifts(columns: list[ColumnValues]) -> "Iterator[tuple[str, Callable[[pd.DataFrame, Generator], pd.DataFrame]]]":
    """Yield the name of a shift, and what makes it."""
    numbers = [column.name for column in columns if column.numeric]
    levels = [column.name for column in columns if not column.numeric]
    if numbers:
        for share in NOISE:
            yield f"noise of {share} sd", partial(_moved, names=numbers, noise=share)
        yield f"shift by {SHIFT} sd", partial(_moved, names=numbers, shift=SHIFT)
        yield f"scale times {SCALE}", partial(_moved, names=numbers, scale=SCALE)
    yield f"{SHARE:.0%} missing", partial(_holes, names=[*numbers, *levels])
    if levels:
        yield f"{SHARE:.0%} of categories mixed up", partial(_mixed, names=levels)


def _moved(
    rows: "pd.DataFrame",
    draw: "Generator",
    names: list[str],
    noise: float = 0.0,
    shift: float = 0.0,
    scale: float = 1.0,
) -> "pd.DataFrame":
    new = rows.copy()
    for name in (one for one in rows.columns if str(one) in names):
        values = rows[name].to_numpy(dtype=float, na_value=float("nan"))
        spread = float(rows[name].astype(float).std())
        new[name] = values * scale + spread * (noise * draw.standard_normal(len(values)) + shift)
    return new


def _holes(rows: "pd.DataFrame", draw: "Generator", names: list[str]) -> "pd.DataFrame":
    new = rows.copy()
    for name in (one for one in rows.columns if str(one) in names):
        holes = draw.random(len(rows)) < SHARE
        plain = rows[name].dtype.kind in "iub"  # which hold no holes
        new[name] = (rows[name].astype(float) if plain else rows[name]).mask(holes)
    return new


def _mixed(rows: "pd.DataFrame", draw: "Generator", names: list[str]) -> "pd.DataFrame":
    import numpy as np

    new = rows.copy()
    for name in (one for one in rows.columns if str(one) in names):
        places = np.arange(len(rows))
        some = draw.random(len(rows)) < SHARE
        places[some] = draw.permutation(places[some])
        new[name] = rows[name].array.take(places)
    return new


def robustness_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name the shifts under which much of the skill is lost."""
    found, part = context.results.get("robustness"), context.reporting_split
    if not found or part is None:
        return
    answers: Predictions = context.predictions[part]
    skill = context.gain(
        metric_value(answers, context.metric), metric_value(context.no_skill_predictions(part), context.metric)
    )
    hurt = []
    for one in found:
        if one["loss"] is None:
            yield _refused(one)
        elif skill > 0 and one["loss"] / skill >= MUCH:
            hurt.append(one)
            yield _hurt(context, one, one["loss"] / skill)
    if not hurt:
        yield Finding("robustness", "good", f"no shift of the inputs costs {MUCH:.0%} of the model's skill")


def _hurt(context: EvaluationContext, one: dict[str, Any], lost: float) -> Finding:
    turns = "falls" if context.direction == "maximize" else "rises"
    return Finding(
        "robustness",
        "warning" if lost >= 2 * MUCH and one["shift"] == SMALL else "note",
        f"with {one['shift']}, {one['metric']} {turns} to {one['value']:.4g}: {lost:.0%} of the skill is lost",
        ADVICE.get(one["shift"].split()[0], "train with such rows too, or refuse them where rows come from"),
        {**one, "lost": lost},
    )


def _refused(one: dict[str, Any]) -> Finding:
    advice = (
        "a pipeline that takes missing values: preprocess=tabular" if "missing" in one["shift"] else "see the reason"
    )
    return Finding(
        "robustness", "note", f"{one['shift']}: the pipeline refuses such rows ({one['reason']})", advice, one
    )
