"""Robustness: how much skill the model loses if its inputs are noisy, missing, rescaled or mixed up."""

import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import first_line, raise_if_ours
from runtree.contract.predictions import encode_target, predict
from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, metric_value
from runtree.evaluation.diagnosis.columns import ColumnValues, read_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Generator = np.random.Generator
    Shift = Callable[[pd.DataFrame, Generator], pd.DataFrame]

MAX_ROWS = 2000
NOISE = (0.1, 0.5)  # standard deviations of each column
SMALL_NOISE = f"noise of {NOISE[0]} sd"  # every model should withstand it; the other shifts are larger
SHARE = 0.1  # of the values that are removed or mixed up
OFFSET = 0.5  # standard deviations
SCALE = 1.1
MIN_LOSS = 0.1  # of the skill: a note
ADVICE = {
    "noise": "regularize the model (a stronger penalty, larger leaves), or measure more precisely",
    "shift": "monitor these columns in production: the model does not detect that they have moved",
    "scale": "check the units of incoming rows: the model holds for those of the train split only",
}


def robustness_report(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the ranking metric under each shift of the inputs; a loss above 0 is worse.

    If the pipeline cannot predict shifted rows, `value` and `loss` are None, and `reason` is the error.
    """
    import numpy as np

    split = context.reporting_split
    if context.options.diagnose != "full" or split is None:
        return None
    # unique: repeated cross-validation predicts a row several times
    chosen = np.unique(context.rows[split][context.sample_rows(split, MAX_ROWS)])
    features = context.run.data.features.iloc[chosen]
    columns, _ = read_columns(features)
    if not columns:
        return None
    model, classes, metric = context.run.model, context.run.data.classes, context.metric
    truth = encode_target(context.run.data.target.iloc[chosen], classes)

    def score(rows: "pd.DataFrame") -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return metric_value(predict(model[-1], model[:-1].transform(rows), truth, classes), metric)

    reference = score(features)
    if not math.isfinite(reference):
        return None
    report: list[dict[str, Any]] = []
    for name, shift in _shifts(columns):
        entry: dict[str, Any] = {"shift": name, "metric": metric.name, "value": None, "loss": None}
        # the same draws for every shift, so that they differ by the shift alone
        shifted = shift(features, np.random.default_rng(context.run.seed))
        try:
            value = score(shifted)
        except BaseException as error:
            raise_if_ours(error)
            entry["reason"] = f"{type(error).__name__}: {first_line(error)}"
        else:
            if math.isfinite(value):
                entry |= {"value": value, "loss": context.gain(reference, value)}
            else:
                entry["reason"] = f"{metric.name} is not defined there: its predictions are not finite"
        report.append(entry)
    return report


def _shifts(columns: list[ColumnValues]) -> "Iterator[tuple[str, Shift]]":
    numbers = [column.name for column in columns if column.numeric]
    categories = [column.name for column in columns if not column.numeric]
    if numbers:
        for share in NOISE:
            yield f"noise of {share} sd", partial(_move, names=numbers, noise=share)
        yield f"shift by {OFFSET} sd", partial(_move, names=numbers, offset=OFFSET)
        yield f"scale times {SCALE}", partial(_move, names=numbers, scale=SCALE)
    yield f"{SHARE:.0%} missing", partial(_remove, names=[*numbers, *categories])
    if categories:
        yield f"{SHARE:.0%} of categories mixed up", partial(_mix, names=categories)


def _move(
    rows: "pd.DataFrame",
    generator: "Generator",
    names: list[str],
    noise: float = 0.0,
    offset: float = 0.0,
    scale: float = 1.0,
) -> "pd.DataFrame":
    moved = rows.copy()
    for name in (column for column in rows.columns if str(column) in names):
        values = rows[name].to_numpy(dtype=float, na_value=float("nan"))
        # in units of each column, so that one number fits columns of any scale
        deviation = float(rows[name].astype(float).std())
        moved[name] = values * scale + deviation * (noise * generator.standard_normal(len(values)) + offset)
    return moved


def _remove(rows: "pd.DataFrame", generator: "Generator", names: list[str]) -> "pd.DataFrame":
    removed = rows.copy()
    for name in (column for column in rows.columns if str(column) in names):
        mask = generator.random(len(rows)) < SHARE
        integral = rows[name].dtype.kind in "iub"  # numpy's types without a missing value
        # whole numbers become floats, as they would if a file with gaps was read
        removed[name] = (rows[name].astype(float) if integral else rows[name]).mask(mask)
    return removed


def _mix(rows: "pd.DataFrame", generator: "Generator", names: list[str]) -> "pd.DataFrame":
    import numpy as np

    mixed = rows.copy()
    for name in (column for column in rows.columns if str(column) in names):
        places = np.arange(len(rows))
        chosen = generator.random(len(rows)) < SHARE
        # permuted among themselves: the frequency of each category stays
        places[chosen] = generator.permutation(places[chosen])
        mixed[name] = rows[name].array.take(places)
    return mixed


def robustness_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name the shifts that cost much of the model's skill, and those that its pipeline cannot predict."""
    report, split = context.results.get("robustness"), context.reporting_split
    if not report or split is None:
        return
    metric = context.metric
    constant = metric_value(context.no_skill_predictions(split), metric)
    skill = context.gain(metric_value(context.predictions[split], metric), constant)
    sensitive = False
    for entry in report:
        if entry["loss"] is None:
            advice = "use a pipeline that accepts missing values: preprocess=tabular"
            message = f"{entry['shift']}: the pipeline cannot predict such rows ({entry['reason']})"
            yield Finding(
                "robustness", "note", message, advice if "missing" in entry["shift"] else "see the reason", entry
            )
        elif skill > 0 and entry["loss"] / skill >= MIN_LOSS:
            sensitive = True
            yield _sensitivity(context, entry, entry["loss"] / skill)
    if not sensitive:
        yield Finding("robustness", "good", f"no shift of the inputs costs {MIN_LOSS:.0%} of the model's skill")


def _sensitivity(context: EvaluationContext, entry: dict[str, Any], lost: float) -> Finding:
    changes = "falls" if context.direction == "maximize" else "rises"
    return Finding(
        "robustness",
        "warning" if lost >= 2 * MIN_LOSS and entry["shift"] == SMALL_NOISE else "note",
        f"with {entry['shift']}, {entry['metric']} {changes} to {entry['value']:.4g}: {lost:.0%} of the skill is lost",
        ADVICE.get(entry["shift"].split()[0], "train with such rows too, or reject them before prediction"),
        {**entry, "lost": lost},
    )
