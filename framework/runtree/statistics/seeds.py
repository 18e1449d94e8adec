"""What several runs tell that differ in their seed alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n - 1) and limits of the mean of n values; NaN where n is 1."""

    n: int
    value: float
    sd: float
    low: float
    high: float


def t_interval(values: Sequence[float], level: float) -> Spread:
    """Return the mean of runs with Student's limits.

    They tell what other seeds would give on this split, not what other data would.
    """
    from scipy.stats import t

    found = np.asarray(values, dtype=float)
    n, mean = len(found), float(found.mean()) if len(found) else math.nan
    if n < 2:
        return Spread(n, mean, math.nan, math.nan, math.nan)
    sd = float(found.std(ddof=1))
    reach = float(t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n)
    return Spread(n, mean, sd, mean - reach, mean + reach)
