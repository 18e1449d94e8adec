"""Bootstrap intervals of metrics, and of the difference of two models on the same rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runtree.contract.answers import Answers
from runtree.contract.types import Metric
from runtree.statistics.comparison import Comparison, equal, undecided
from runtree.statistics.interval import Interval
from runtree.statistics.limits import ROUNDING, limits
from runtree.statistics.replicates import replicate
from runtree.statistics.scorers import built_in
from runtree.statistics.shares import clopper_pearson

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

METHOD = "bootstrap (BCa)"


def bootstrap(
    answers: Answers,
    metrics: Sequence[Metric],
    resamples: int,
    level: float,
    seed: int,
    groups: "Array | None" = None,
) -> Mapping[str, Interval]:
    """Return each metric that can be computed, with its interval.

    Parameters
    ----------
    resamples
        How many; of many rows fewer are made, see `replicates.replicate`.
    level
        How likely the interval holds the true value: 0.95.
    groups
        What each row belongs to, of shape (rows,), where rows of a group are alike: whole groups are drawn.
    """
    values, found = answers.values(metrics), replicate([answers], metrics, resamples, seed, groups)
    intervals = {}
    for metric in (one for one in metrics if one.name in values):
        own = found[metric.name]
        interval, _ = limits(values[metric.name], own.drawn[0], own.left_out[0], own.sizes, level)
        exact = built_in(metric) == "accuracy" and groups is None
        intervals[metric.name] = _of_the_best(interval, metric, len(answers.y_true), level if exact else None)
    return intervals


def _of_the_best(interval: Interval, metric: Metric, rows: int, exact: float | None) -> Interval:
    """Return what is known of a score that cannot be better, and that no resample can change.

    To have seen no error does not mean that there are none: accuracy has exact limits, others have none.
    """
    best = 1.0 if metric.direction == "maximize" else 0.0
    if interval.low != interval.high or abs(interval.value - best) > ROUNDING:
        return interval
    low, high = clopper_pearson(rows, rows, exact) if exact is not None else (np.nan, np.nan)
    return Interval(interval.value, low, high)


def bootstrap_difference(
    one: Answers,
    other: Answers,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: "Array | None" = None,
) -> Comparison:
    """Compare two models on the same rows: one - other on the same resamples.

    Raises
    ------
    ValueError
        The rows are not the same.
    """
    if not np.array_equal(one.y_true, other.y_true):
        raise ValueError("the two models did not answer about the same rows")
    rows, (mine, others) = len(one.y_true), (model.values([metric]).get(metric.name) for model in (one, other))
    if mine is None or others is None:
        return undecided(METHOD, np.nan, rows, f"{metric.name} needs chances, and one of the two gives none")
    found = replicate([one, other], [metric], resamples, seed, groups)[metric.name].difference()
    if mine == others and not np.nan_to_num(found.drawn).any():
        return equal(METHOD, rows, "the two score alike on every resample")
    interval, p = limits(mine - others, found.drawn[0], found.left_out[0], found.sizes, level)
    if not interval.known:
        return undecided(METHOD, interval.value, rows, f"{metric.name} is not defined on too many resamples")
    if interval.low == interval.high:
        return undecided(METHOD, interval.value, rows, "the difference is the same on every resample")
    return Comparison(METHOD, interval.value, interval.low, interval.high, p, rows)
