"""Confidence limits, and a p value, from bootstrap replicates."""

from typing import Any

import numpy as np

from runtree.statistics.interval import Interval

Array = np.ndarray[Any, Any]

MOST_UNDEFINED = 0.1  # a share of resamples; where a metric is not defined on more there are no limits


def percentile(value: float, replicates: Array, level: float) -> Interval:
    """Return the interval between percentiles of the replicates (Efron & Tibshirani 1993, chapter 13).

    Replicates that are NaN are left out; where those are more than a tenth of all, the limits are NaN.
    """
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < 2 or len(defined) < (1 - MOST_UNDEFINED) * len(replicates) or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def two_sided(replicates: Array) -> float:
    """Return the p value of replicates of a difference: twice the share on the rarer side of 0, never 0.

    (k + 1) / (B + 1) as in Davison & Hinkley 1997, §4.2.1; a replicate of exactly 0 counts on both sides.
    """
    defined = replicates[~np.isnan(replicates)]
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(defined) + 1))
