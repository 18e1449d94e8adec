"""Bootstrap intervals of metrics, and of the difference of two models on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.comparison import Comparison, Interval, equal, undecided
from runtree.statistics.proportions import clopper_pearson
from runtree.statistics.resampling import replicate
from runtree.statistics.scorers import built_in

Array = np.ndarray[Any, Any]

METHOD = "bootstrap (BCa)"


def bootstrap(
    answers: Predictions,
    metrics: Sequence[Metric],
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
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
        interval, _ = bca_interval(values[metric.name], own.drawn[0], own.left_out[0], own.sizes, level)
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
    one: Predictions,
    other: Predictions,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
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
    interval, p = bca_interval(mine - others, found.drawn[0], found.left_out[0], found.sizes, level)
    if not interval.known:
        return undecided(METHOD, interval.value, rows, f"{metric.name} is not defined on too many resamples")
    if interval.low == interval.high:
        return undecided(METHOD, interval.value, rows, "the difference is the same on every resample")
    return Comparison(METHOD, interval.value, interval.low, interval.high, p, rows)


MOST_UNDEFINED = 0.1  # a share of resamples; where a metric is not defined on more there are no limits
ROUNDING = 1e-12


@dataclass(frozen=True)
class BcaCorrection:
    """What moves percentiles: the bias and the acceleration, both 0 where replicates are normal about the value."""

    bias: float
    acceleration: float

    def share(self, wanted: Array) -> Array:
        """Return which share of the replicates lies below the limit of a wanted share."""
        from scipy.stats import norm

        moved = self.bias + norm.ppf(wanted)
        found: Array = norm.cdf(self.bias + moved / np.maximum(1 - self.acceleration * moved, ROUNDING))
        return found

    def wanted(self, share: float) -> float:
        """Return it the other way round: whose limit has this share of the replicates below it."""
        from scipy.stats import norm

        moved = float(norm.ppf(share)) - self.bias
        return float(norm.cdf(moved / max(1 + self.acceleration * moved, ROUNDING) - self.bias))


def bca_correction(value: float, drawn: Array, left_out: Array, sizes: Array) -> BcaCorrection:
    """Return bias and acceleration of replicates, all of them defined."""
    from scipy.stats import norm

    bias = float(norm.ppf(_below(drawn, value)))
    known = ~np.isnan(left_out)
    moved, sizes = left_out[known], sizes[known]
    moved = np.average(moved, weights=sizes) - moved if len(moved) else moved
    spread = float((sizes * moved**2).sum())
    if spread <= ROUNDING**2:
        return BcaCorrection(bias, 0.0)
    return BcaCorrection(bias, float((sizes * moved**3).sum()) / (6 * spread**1.5))


def _below(drawn: Array, value: float) -> float:
    """Return the share of replicates below a value, those equal to it half, and never 0 or 1."""
    near = np.abs(drawn - value) <= ROUNDING * max(1.0, abs(value))
    below = float(((drawn < value) & ~near).sum() + near.sum() / 2)
    return (below + 0.5) / (len(drawn) + 1)


def bca_interval(value: float, drawn: Array, left_out: Array, sizes: Array, level: float) -> tuple[Interval, float]:
    """Return the interval, and the two-sided p value of 0: the least level at which the interval holds it.

    Replicates that are NaN are left out; where those are more than a tenth of all, both are NaN. The p value is
    at least 2 / (B + 1) for B replicates, never 0.
    """
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < 2 or len(defined) < (1 - MOST_UNDEFINED) * len(drawn) or np.isnan(value):
        return Interval(value, np.nan, np.nan), np.nan
    if np.ptp(defined) <= ROUNDING * max(1.0, abs(value)):
        return Interval(value, value, value), np.nan
    found = bca_correction(value, defined, left_out, sizes)
    shares = found.share(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = (float(own) for own in np.quantile(defined, shares))
    contradicted = (defined <= 0).any() and (defined >= 0).any()
    one_sided = found.wanted(_below(defined, 0.0)) if contradicted else 0.0  # nothing is known of so far a tail
    p = min(1.0, max(2 * min(one_sided, 1 - one_sided), 2 / (len(defined) + 1)))
    return Interval(value, low, high), p
