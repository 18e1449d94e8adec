"""Over- and underfitting: how far the train part's score carries, and how far it is from knowing nothing."""

import logging
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions, encode_target, predict
from runtree.contract.types import Finding
from runtree.evaluation.context import (
    MAX_BOOTSTRAP_ROWS,
    STANDARD_ERROR_RESAMPLES,
    EvaluationContext,
    metric_value,
    perfect_predictions,
    take_rows,
)
from runtree.evaluation.diagnosis.suggestions import (
    TUNE_COMMAND,
    regularize_override,
    relax_override,
    supports_fit_option,
)
from runtree.lifecycle.split import holdout_rows

GAP_ERRORS = 3.0  # standard errors beyond which a gap is no chance: p < 0.002
LOST, LARGE_LOSS = 0.1, 0.25  # share of what was learnt on the train part that does not carry over: a note, a warning
SKILL = 0.5  # share of the way from knowing nothing to knowing all, on the train part


def fit_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Compare the train part with the one that a fit is judged by, and both with knowing nothing."""
    part = context.selection_split
    if part is None or "train" not in context.predictions:
        return
    nothing = _beats_nothing(context, part)
    yield nothing
    gap = _gap(context, part)
    if gap is not None:
        yield gap
    if nothing.level == "good" and (gap is None or gap.level == "good"):
        yield from _underfitting(context)


def _beats_nothing(context: EvaluationContext, part: str) -> Finding:
    """Hold the model against the train part's most common class, or its mean."""
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, answers, nothing = context.metric, context.predictions[part], context.no_skill_predictions(part)
    some = context.sample_rows(part, MAX_BOOTSTRAP_ROWS)
    pair = (take_rows(answers, some), take_rows(nothing, some))
    found = bootstrap_difference(*pair, metric, STANDARD_ERROR_RESAMPLES, 0.95, context.run.seed)
    mine, other = metric_value(answers, metric), metric_value(nothing, metric)
    better = context.gain(mine, other)
    noise = (found.high - found.low) / 2 * math.sqrt(len(some) / len(answers.y_true))
    if math.isnan(noise):  # the difference is the same on every resample: then the model's own noise is all there is
        noise = 2 * context.standard_error(part)
    values = {"part": part, "model": mine, "nothing": other, "noise": noise}
    answer = "the most common class" if context.run.data.classes else "the mean"
    said = f"{metric.name} on {part}: {mine:.4g}, against {other:.4g} for always answering {answer}"
    if better > noise:
        return Finding("level", "good", said, values=values)
    if better > 0:
        advice = f"the difference may be chance: more rows, or columns that tell more; {TUNE_COMMAND}"
        return Finding("level", "warning", said, advice, values)
    return Finding("level", "warning", said, f"look at the data first: runtree check {_choice(context)}", values)


def _choice(context: EvaluationContext) -> str:
    return f"algorithm={context.run.config.algorithm.get('name')}"


def _gap(context: EvaluationContext, part: str) -> Finding | None:
    """Tell how much of what was learnt on the train part is lost on another."""
    metric = context.metric
    train, other = (metric_value(context.predictions[name], metric) for name in ("train", part))
    noise = math.hypot(*(context.standard_error(name) for name in ("train", part)))
    gap, learnt = (
        context.gain(train, other),
        context.gain(train, metric_value(context.no_skill_predictions(part), metric)),
    )
    if not all(map(math.isfinite, (gap, learnt, noise))) or learnt <= 0:
        return None
    lost = max(gap / learnt, 0.0)
    values = {"train": train, part: other, "gap": gap, "noise": noise, "lost": lost}
    said = f"{metric.name}: {train:.4g} on train, {other:.4g} on {part}"
    if gap <= GAP_ERRORS * noise or lost < LOST:
        return Finding(
            "overfitting", "good", f"{said}: {lost:.0%} of what was learnt is lost, ± {noise:.2g}", "", values
        )
    brake = regularize_override(context)
    steps = ["fit.patience.checks=10"] if supports_fit_option(context, "patience") else []
    more = " or ".join([*([brake] if brake else []), *steps]) or TUNE_COMMAND
    return Finding(
        "overfitting",
        "warning" if lost >= LARGE_LOSS else "note",
        f"{said}: {lost:.0%} of what was learnt does not carry over (noise ± {noise:.2g})",
        f"hold it back: {more}; or more rows",
        values,
    )


def _underfitting(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where even the train part is not learnt; whether more can be learnt, another algorithm has to show."""
    metric, answers = context.metric, context.predictions["train"]
    nothing = metric_value(context.no_skill_predictions("train"), metric)
    whole = context.gain(metric_value(perfect_predictions(answers), metric), nothing)
    skill = context.gain(metric_value(answers, metric), nothing) / whole if whole else math.nan
    if not math.isfinite(skill):
        return
    values = {"skill": skill, "train": metric_value(answers, metric)}
    said = f"the model goes {skill:.0%} of the way from knowing nothing to knowing all, on the rows it learnt from"
    if skill >= SKILL:
        yield Finding("underfitting", "good", said, "", values)
        return
    other = relax_override(context)
    advice = f"noise, or too simple a model: try {other}" if other else f"noise, or too few columns; {TUNE_COMMAND}"
    yield Finding("underfitting", "note", said, advice, values)


# --- The learning curve by training size: what fewer rows would have scored, and so whether more would help.

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

TRAIN_SHARES = (0.125, 0.25, 0.5, 1.0)
MIN_TRAIN_ROWS = 20  # rows to fit on
DOUBLING_RESAMPLES = 400


def learning_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Fit the pipeline again on nested samples of the train part, each twice the one before, and score them."""
    run = context.run
    if context.options.diagnose != "full" or run.refit is None:
        return None
    learnt, selection_split = holdout_rows(run)
    points: list[dict[str, Any]] = []
    last: Predictions | None = None
    before: Predictions | None = None
    for rows in nested_samples(learnt, run.data.target, run.data.classes, run.seed):
        clock = time.monotonic()
        model = run.refit(run.data.features.iloc[rows], run.data.target.iloc[rows].to_numpy())
        before, last = last, _predict(context, model, selection_split)
        own = metric_value(_predict(context, model, rows), context.metric)
        points.append({"rows": len(rows), "train": own, "validation": metric_value(last, context.metric)})
        log.info("learning curve: %d rows in %.2f s", len(rows), time.monotonic() - clock)
    if last is None or before is None:
        return None
    return {"metric": context.metric.name, "points": points, "doubling": _doubling(context, last, before)}


def nested_samples(rows: "Rows", target: Any, classes: tuple[Any, ...], seed: int) -> "Iterator[Rows]":
    """Yield samples of the rows, each holding the one before, each class in its share."""
    import numpy as np

    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(rows)
    if classes:  # the places of a class are spread evenly, so that any beginning has its share
        labels = target.iloc[shuffled].to_numpy()
        places = np.empty(len(shuffled))
        for label in np.unique(labels):
            own = labels == label
            places[own] = (np.arange(own.sum()) + generator.random()) / own.sum()
        shuffled = shuffled[np.argsort(places, kind="stable")]
    for share in TRAIN_SHARES:
        count = round(share * len(shuffled))
        some = np.sort(shuffled[:count])
        if count >= MIN_TRAIN_ROWS and (not classes or len(set(target.iloc[some])) == len(classes)):
            yield some


def _predict(context: EvaluationContext, model: Any, rows: "Rows") -> Predictions:
    data = context.run.data
    truth = encode_target(data.target.iloc[rows], data.classes)
    return predict(model[-1], model[:-1].transform(data.features.iloc[rows]), truth, data.classes)


def _doubling(context: EvaluationContext, last: Predictions, before: Predictions) -> dict[str, Any]:
    """Return what the last doubling of the rows brought, with limits from the same resamples of the judged rows."""
    from runtree.statistics.bootstrap import bootstrap_difference

    found = bootstrap_difference(last, before, context.metric, DOUBLING_RESAMPLES, 0.95, context.run.seed)
    low, high = sorted((context.gain(found.low, 0), context.gain(found.high, 0)))
    return {"gain": context.gain(found.value, 0), "low": low, "high": high, "p": found.p}


def learning_curve_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Say whether more rows would help."""
    found = context.results.get("learning_curve")
    if not found:
        return
    last, gain = found["points"][-1], found["doubling"]
    said = (
        f"the last doubling, to {last['rows']:,} rows, bettered {found['metric']} on validation by {gain['gain']:.2g} "
        f"({gain['low']:.2g} to {gain['high']:.2g})"
    )
    if gain["low"] <= 0 or gain["gain"] <= 0:
        yield Finding("more rows", "good", f"{said}: more rows would hardly help", "", gain)
        return
    sampled = context.run.config.data.get("sample")
    advice = (
        "use all rows: data.sample=null" if sampled else "more rows would help: gather some before you tune further"
    )
    yield Finding("more rows", "note", said, advice, gain)
