"""Quality of the predictions in a window: the run's metrics where rows have labels, else an estimate without them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.contract.types import Direction, Metric
from runtree.evaluation.new_rows import difference
from runtree.evaluation.options import IntervalOptions
from runtree.monitoring.options import MAX_SEGMENTS, MIN_ROWS
from runtree.statistics.comparison import benjamini_hochberg

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TEST_RESAMPLES = 500  # a standard error to 3 %
MAX_ROWS_RESAMPLED = 20_000_000  # over all resamples of a window, of which there are many; 2,000 up to 10,000 rows
DRAWS = 100  # of labels from the calibrated probabilities
MAX_DRAWN_ROWS = 20_000
SEED = 0
SMALLEST = 1e-12  # a probability of 0 has no logarithm


@dataclass(frozen=True)
class QualityReference:
    """The rows that a run held out, and how it was scored on them.

    Attributes
    ----------
    metric, direction
        The metric that the run was ranked by: the one that is tested.
    limits
        The intervals of `scores`, by metric.
    segments
        Of each segment column the value of each row as text, None where it is missing; without the run's table none.
    """

    predictions: Predictions
    metrics: Sequence[Metric]
    metric: Metric
    direction: Direction
    scores: Mapping[str, Any]
    limits: Mapping[str, Any]
    intervals: IntervalOptions
    segments: Mapping[str, "Array"] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return each score with its interval, as `monitor.json` has them."""
        return {name: {"value": value, **_finite(self.limits.get(name) or {})} for name, value in self.scores.items()}


def measure_quality(
    held_out: QualityReference,
    window: Predictions,
    budget: float,
    segments: "Mapping[str, Array] | None" = None,
    minimum: int = MIN_ROWS,
) -> dict[str, Any]:
    """Return the metrics of labelled rows with intervals, beside those of the hold-out, and whether they are worse.

    Parameters
    ----------
    segments
        Of each segment column the value of each row as text.
    minimum
        Rows that a segment must have on both sides to be tested. All p values are corrected together.
    """
    values, intervals = _score(held_out, window, held_out.metrics)
    parts = [
        _score_segment(held_out, window, (column, level), texts, minimum)
        for column, texts in (segments or {}).items()
        for level in _frequent(texts)
    ]
    p = worse_p(held_out.predictions, window, held_out.metric, held_out.direction)
    # what was not tested is not a number, and is left out of the correction
    raw = [math.nan if one is None else one for one in (p, *(part["p"] for part in parts))]
    worse = [adjusted <= budget for adjusted in benjamini_hochberg(raw)]
    parts = [{**part, "alarm": alarm} for part, alarm in zip(parts, worse[1:], strict=True)]
    return {
        "rows": len(window.y_true),
        "metric": held_out.metric.name,
        "metrics": values,
        "level": held_out.intervals.level,
        "intervals": {name: _finite(intervals[name]) for name in values if name in intervals},
        "hold_out": {name: held_out.scores.get(name) for name in values},
        "differences": {
            name: difference(values, intervals, held_out.scores, held_out.limits, name)
            for name in values
            if isinstance(held_out.scores.get(name), float)
        },
        "p": p,
        "alarm": any(worse),
        "segments": parts,
    }


def _score(
    held_out: QualityReference, rows: Predictions, chosen: Sequence[Metric]
) -> tuple[dict[str, float], dict[str, Any]]:
    from runtree.statistics.bootstrap import bootstrap
    from runtree.statistics.resampling import MIN_RESAMPLES

    options = held_out.intervals
    resamples = min(options.resamples, max(MIN_RESAMPLES, MAX_ROWS_RESAMPLED // max(len(rows.y_true), 1)))
    found = bootstrap(rows, chosen, resamples, options.level, SEED)
    values = {name: value for name, value in rows.values(chosen).items() if math.isfinite(value)}
    return values, {name: interval.to_dict() for name, interval in found.items()}


def _frequent(texts: "Array") -> list[str]:
    """Return the most frequent values of a segment column."""
    import pandas as pd

    return [str(level) for level in pd.Series(texts).value_counts().index[:MAX_SEGMENTS]]


def _score_segment(
    held_out: QualityReference, window: Predictions, segment: tuple[str, str], texts: "Array", minimum: int
) -> dict[str, Any]:
    """Return the ranked metric in a segment, and its p value where there are rows enough."""
    column, level = segment
    here, metric = window.take(texts == level), held_out.metric
    result: dict[str, Any] = {"segment": f"{column}={level}", "rows": len(here.y_true), "value": None, "low": None}
    result |= {"high": None, "hold_out": None, "p": None, "note": ""}
    if len(here.y_true) < MIN_ROWS:
        return {**result, "note": "too few rows"}
    values, intervals = _score(held_out, here, [metric])
    result["value"] = values.get(metric.name)
    result |= _finite(intervals.get(metric.name) or {})
    if column not in held_out.segments:
        return {**result, "note": "not tested: without the run's table its segments are not known"}
    there = held_out.predictions.take(held_out.segments[column] == level)
    if min(len(here.y_true), len(there.y_true)) < minimum:
        return {
            **result,
            "note": f"not tested: {len(there.y_true):,} held-out rows, {minimum:,} are needed on both sides",
        }
    known = there.values([metric]).get(metric.name, math.nan)
    result["hold_out"] = known if math.isfinite(known) else None
    return {**result, "p": worse_p(there, here, metric, held_out.direction)}


def _finite(interval: Mapping[str, Any]) -> dict[str, float | None]:
    return {end: interval[end] if math.isfinite(interval.get(end, math.nan)) else None for end in ("low", "high")}


def worse_p(held_out: Predictions, window: Predictions, metric: Metric, direction: Direction) -> float | None:
    """Return the one-sided p value that a metric of the window is no worse than that of the hold-out; None: not known.

    A z test of two independent samples. Both get the same standard error for a row, since they are samples of one
    population if nothing has changed: so a hold-out without a single error does not seem to be free of chance.
    """
    from scipy.stats import norm

    from runtree.statistics.resampling import replicate

    if min(len(held_out.y_true), len(window.y_true)) < 2:
        return None
    sides = [(side, side.values([metric]).get(metric.name, math.nan)) for side in (held_out, window)]
    if any(not math.isfinite(value) for _, value in sides):
        return None
    variance, rows = 0.0, 0
    for side, _ in sides:
        drawn = replicate([side], [metric], TEST_RESAMPLES, SEED)[metric.name].drawn[0]
        known = drawn[[math.isfinite(value) for value in drawn]]
        if len(known) < len(drawn) / 2:
            return None
        variance += len(side.y_true) ** 2 * float(known.var())
        rows += len(side.y_true)
    error = math.sqrt(variance / rows * sum(1 / len(side.y_true) for side, _ in sides))
    drop = sides[0][1] - sides[1][1] if direction == "maximize" else sides[1][1] - sides[0][1]
    if not error:
        return 1.0 if drop <= 0 else 0.0
    return float(norm.sf(drop / error))


# --- Without labels: what the metrics would be if the calibrated probabilities were true.


def estimate_quality(held_out: QualityReference, window: Predictions) -> dict[str, Any] | None:
    """Return the metrics that are expected of rows without labels; None where the model has no probabilities.

    Confidence-based performance estimation (CBPE): labels are drawn from the probabilities, which were calibrated on
    the rows that the run held out, and scored as if they were true. It follows a change of the inputs; it cannot see
    that the same inputs mean another label now. The interval is that of the labels' chance alone.
    """
    import numpy as np

    if window.score is None or held_out.predictions.score is None or window.not_finite:
        return None
    if len(window.y_pred) > MAX_DRAWN_ROWS:
        window = window.take(np.linspace(0, len(window.y_pred) - 1, MAX_DRAWN_ROWS).astype(int))
    assert window.score is not None
    y_proba = recalibrate(held_out.predictions, window.score)
    limits = np.cumsum(y_proba, axis=1)
    generator = np.random.default_rng(SEED)
    drawn: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        # the class in whose share of [0, 1) the number falls
        labels = (generator.random((len(limits), 1)) > limits[:, :-1]).sum(axis=1)
        scored = Predictions(labels, window.y_pred, window.score, window.classes).values(held_out.metrics)
        for name, value in scored.items():
            drawn.setdefault(name, []).append(value)
    values, intervals = {}, {}
    for name, several in drawn.items():
        known = np.array(several)[np.isfinite(several)]
        if len(known) > DRAWS / 2:
            tail = (1 - held_out.intervals.level) / 2
            low, high = np.quantile(known, [tail, 1 - tail])
            values[name], intervals[name] = float(known.mean()), {"low": float(low), "high": float(high)}
    return {
        "method": "CBPE",
        "metric": held_out.metric.name,
        "metrics": values,
        "level": held_out.intervals.level,
        "intervals": intervals,
    }


def recalibrate(held_out: Predictions, score: "Array") -> "Array":
    """Return probabilities of shape (rows, classes), corrected by what was observed on the hold-out.

    By a temperature and a shift of each class (Guo et al. 2017, arXiv:1706.04599), with a normal prior about no
    correction: a few dozen rows change little, and thousands are followed.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    def logarithms(proba: Any) -> Any:
        return np.log(np.clip(proba, SMALLEST, 1))

    assert held_out.score is not None
    known, truth, classes = logarithms(held_out.score), held_out.y_true, len(held_out.classes)

    def corrected(parameters: Any, logs: Any) -> Any:
        shifts = np.concatenate([[0.0], parameters[1:]])
        return log_softmax(logs * np.exp(parameters[0]) + shifts, axis=1)

    def loss(parameters: Any) -> float:
        likely = corrected(parameters, known)[np.arange(len(truth)), truth]
        return float(-likely.sum() + (parameters**2).sum() / 2)

    found = minimize(loss, np.zeros(classes), method="L-BFGS-B")
    proba: Array = np.exp(corrected(found.x, logarithms(score)))
    return proba
