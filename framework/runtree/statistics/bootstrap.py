"""Bootstrap intervals of metrics, and of the difference of two models on the same rows.

Intervals are bias-corrected and accelerated (BCa; Efron 1987, doi:10.1080/01621459.1987.10478410; Davison & Hinkley
1997, §5.3): the percentiles of the replicates are moved by how far their median lies from the value (bias) and by how
their spread changes with the value (acceleration, from the jackknife). Plain percentiles are quicker and cover the true
value less often: in 1,000 simulations of 200 rows 92.5 % of the time for an area under the ROC curve of 0.96, BCa
94.3 %. `scipy.stats.bootstrap` is not used: it knows neither groups nor blocks, and calls a function on each resample.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.comparison import Comparison, ConfidenceInterval, equal, no_interval, undecided
from runtree.statistics.fast_metrics import builtin_name
from runtree.statistics.proportions import clopper_pearson
from runtree.statistics.resampling import Replicates, replicate, too_few_units

Array = np.ndarray[Any, Any]

METHOD = "bootstrap (BCa)"
MAX_UNDEFINED_SHARE = 0.1  # of the resamples; with more there is no interval
NEVER_VARIES = "the value is the same on every resample"
# relative: replicates of one value differ by rounding, because resamples sum in another order
ROUNDING = 1e-12


def bootstrap(
    predictions: Predictions,
    metrics: Sequence[Metric],
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
) -> Mapping[str, ConfidenceInterval]:
    """Return the interval of each metric that can be computed; a metric without a value has none either.

    Parameters
    ----------
    resamples
        The number wanted; fewer are drawn of many rows, see `resampling.replicate`.
    level
        Confidence level: 0.95.
    groups
        Group of each row, of shape (rows,), where rows of a group are alike: whole groups are drawn.
    """
    values, rows = predictions.values(metrics), len(predictions.y_true)
    defined = [metric for metric in metrics if math.isfinite(values.get(metric.name, math.nan))]
    few = too_few_units(rows, groups, level)
    replicates = {} if few else replicate([predictions], defined, resamples, seed, groups)
    intervals = {}
    for metric in (metric for metric in metrics if metric.name in values):
        value, found = values[metric.name], replicates.get(metric.name)
        if metric not in defined:
            interval = no_interval(value, predictions.undefined_reason(metric))
        elif found is None:
            interval = no_interval(value, few)
        else:
            interval, _ = bca_interval(value, found.drawn[0], found.left_out[0], found.sizes, level)
        # Accuracy of independent rows is a binomial proportion: it has exact limits where resamples show none, because
        # all rows are right, or there are few. That no error was seen does not mean that there are none.
        if not interval.known and metric in defined and builtin_name(metric) == "accuracy" and groups is None:
            interval = ConfidenceInterval(value, *clopper_pearson(round(value * rows), rows, level))
        # a model that says the same of every row has a balanced accuracy of 0.5 on any rows: that is certain
        elif interval.reason == NEVER_VARIES and _is_constant(predictions):
            interval = ConfidenceInterval(value, value, value)
        intervals[metric.name] = interval
    return intervals


def _is_constant(predictions: Predictions) -> bool:
    said = predictions.y_pred if predictions.score is None else predictions.score
    return len(np.unique(said, axis=0)) == 1


def bootstrap_difference(
    first: Predictions,
    second: Predictions,
    metric: Metric,
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
) -> Comparison:
    """Compare two models on the same rows: first - second on the same resamples.

    Raises
    ------
    ValueError
        The rows differ.
    """
    return bootstrap_differences(first, second, [metric], resamples, level, seed, groups)[metric.name]


def bootstrap_differences(
    first: Predictions,
    second: Predictions,
    metrics: Sequence[Metric],
    resamples: int,
    level: float,
    seed: int,
    groups: Array | None = None,
) -> Mapping[str, Comparison]:
    """Compare two models by several metrics, which cost little more than one: the resamples are drawn once."""
    if not np.array_equal(first.y_true, second.y_true):
        raise ValueError("the predictions of the two models are not for the same rows")
    rows = len(first.y_true)
    few, found = too_few_units(rows, groups, level), dict[str, Comparison]()
    for metric in metrics:
        values = [model.values([metric]).get(metric.name, math.nan) for model in (first, second)]
        undefined = [model for model, value in zip((first, second), values, strict=True) if not math.isfinite(value)]
        if undefined:
            note = f"{metric.name} is not defined: {undefined[0].undefined_reason(metric)}"
            found[metric.name] = undecided(METHOD, np.nan, rows, note)
        elif few:
            found[metric.name] = undecided(METHOD, values[0] - values[1], rows, few)
    tested = [metric for metric in metrics if metric.name not in found]
    replicates = replicate([first, second], tested, resamples, seed, groups) if tested else {}
    for metric in tested:
        found[metric.name] = _difference(first, second, metric, replicates[metric.name].difference(), level)
    return found


def _difference(first: Predictions, second: Predictions, metric: Metric, found: Replicates, level: float) -> Comparison:
    rows = len(first.y_true)
    first_value, second_value = (model.values([metric])[metric.name] for model in (first, second))
    # equal on every resample is certainty, not missing variance: p is 1, and the interval is a point
    if first_value == second_value and not np.nan_to_num(found.drawn).any():
        return equal(METHOD, rows, "both models have the same score on every resample")
    value = first_value - second_value
    interval, p = bca_interval(value, found.drawn[0], found.left_out[0], found.sizes, level)
    if not interval.known:
        return undecided(METHOD, interval.value, rows, interval.reason)
    return Comparison(METHOD, interval.value, interval.low, interval.high, p, rows)


def bca_interval(
    value: float, drawn: Array, left_out: Array, sizes: Array, level: float
) -> tuple[ConfidenceInterval, float]:
    """Return the interval, and the two-sided p value of 0: the smallest level at which the interval contains 0.

    NaN replicates are dropped; if they are more than a tenth, or all replicates are the same, interval and p value are
    NaN. The p value is never 0 but at least 2 / (B + 1) for B replicates.
    """
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < 2 or len(defined) < (1 - MAX_UNDEFINED_SHARE) * len(drawn) or np.isnan(value):
        share = 1 - len(defined) / max(len(drawn), 1)
        return no_interval(value, f"the value is not defined on {share:.0%} of the resamples"), np.nan
    # ptp instead of equality: sums in another order differ in the last digits
    if np.ptp(defined) <= ROUNDING * max(1.0, abs(value)):
        return no_interval(value, NEVER_VARIES), np.nan
    correction = bca_correction(value, defined, left_out, sizes)
    shares = correction.percentiles(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = (float(limit) for limit in np.quantile(defined, shares))
    # equal limits of replicates that differ: the few others lie beyond both
    if high - low <= ROUNDING * max(1.0, abs(value)):
        return no_interval(value, "the value is the same on nearly every resample"), np.nan
    # Replicates on one side of 0 only say nothing about a tail so far out.
    both_sides = (defined <= 0).any() and (defined >= 0).any()
    one_sided = correction.nominal(_share_below(defined, 0.0)) if both_sides else 0.0
    # B replicates cannot show a probability below 1 / (B + 1), which counts for each of the two tails
    p = min(1.0, max(2 * min(one_sided, 1 - one_sided), 2 / (len(defined) + 1)))
    return ConfidenceInterval(value, low, high), p


@dataclass(frozen=True)
class BcaCorrection:
    """Bias and acceleration; both are 0 for replicates that are normal about the value."""

    bias: float
    acceleration: float

    def percentiles(self, nominal: Array) -> Array:
        """Return the shares of replicates below the limits of nominal tail probabilities."""
        from scipy.stats import norm

        moved = self.bias + norm.ppf(nominal)
        # the limits of Efron 1987; a denominator of 0 or below means a limit beyond all replicates
        shares: Array = norm.cdf(self.bias + moved / np.maximum(1 - self.acceleration * moved, ROUNDING))
        return shares

    def nominal(self, share: float) -> float:
        """Return the nominal tail probability whose limit has this share of replicates below it: the inverse."""
        from scipy.stats import norm

        # the same equation solved for the nominal probability
        moved = float(norm.ppf(share)) - self.bias
        return float(norm.cdf(moved / max(1 + self.acceleration * moved, ROUNDING) - self.bias))


def bca_correction(value: float, drawn: Array, left_out: Array, sizes: Array) -> BcaCorrection:
    """Return bias and acceleration of replicates without NaN."""
    from scipy.stats import norm

    bias = float(norm.ppf(_share_below(drawn, value)))
    known = ~np.isnan(left_out)
    influence, sizes = left_out[known], sizes[known]
    # parts may have different sizes, so sums are weighted; the sign
    # is that of the influence function (Davison & Hinkley 1997, §2.7)
    influence = np.average(influence, weights=sizes) - influence if len(influence) else influence
    largest = float(np.abs(influence).max(initial=0.0))
    # without influence there is no skewness to correct, and with an infinite one none that could be
    if largest <= ROUNDING or not np.isfinite(largest):
        return BcaCorrection(bias, 0.0)
    # the acceleration has no unit: it is scaled, because squares of very large figures are infinite
    influence = influence / largest
    variance = float((sizes * influence**2).sum())
    return BcaCorrection(bias, float((sizes * influence**3).sum()) / (6 * variance**1.5))


def _share_below(drawn: Array, value: float) -> float:
    """Return the share of replicates below a value, equal ones counted half; never 0 or 1, whose quantile is ∞."""
    near = np.abs(drawn - value) <= ROUNDING * max(1.0, abs(value))
    below = float(((drawn < value) & ~near).sum() + near.sum() / 2)
    # equal replicates counted half, for metrics such as accuracy that take few values
    return (below + 0.5) / (len(drawn) + 1)
