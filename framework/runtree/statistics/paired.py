"""Tests of differences that come in pairs: of two models on the same folds, or with the same seeds."""

import math
from collections.abc import Sequence

import numpy as np

from runtree.statistics.comparison import Comparison, equal, undecided
from runtree.statistics.signed_ranks import MANY, quantile, two_sided, walsh_averages


def corrected_t(differences: Sequence[float], test_share: float, level: float) -> Comparison:
    """Compare by scores of folds or of repeated splits, whose train parts overlap.

    The variance of the mean is (1/n + test_share) · s²: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366.

    Parameters
    ----------
    differences
        One - other, a value for each fold.
    test_share
        Rows tested on by rows trained on: 1 / (k - 1) for k folds.
    """
    return _t("corrected t", differences, test_share, level)


def paired_t(differences: Sequence[float], level: float) -> Comparison:
    """Compare by scores that are independent of each other: different data, or seeds alone. Student's paired t."""
    return _t("paired t", differences, 0.0, level)


def _t(method: str, differences: Sequence[float], more: float, level: float) -> Comparison:
    from scipy.stats import t

    values = np.asarray(differences, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2 or not np.isfinite(values).all():
        return undecided(method, mean, n, _why(n))
    if not values.any():
        return equal(method, n, "all differences are 0")
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return undecided(method, mean, n, "all differences are the same: nothing tells how sure they are")
    error = math.sqrt((1 / n + more) * float(values.var(ddof=1)))
    reach = float(t.ppf((1 + level) / 2, n - 1)) * error
    return Comparison(method, mean, mean - reach, mean + reach, float(2 * t.sf(abs(mean) / error, n - 1)), n)


def _why(n: int) -> str:
    return f"{n} difference{'' if n == 1 else 's'}: at least 2 are needed" if n < 2 else "a difference is not a number"


def wilcoxon(differences: Sequence[float], level: float) -> Comparison:
    """Compare by ranks of independent differences, without a claim about how they are distributed but symmetry.

    Wilcoxon 1945, doi:10.2307/3001968: differences of 0 are left out, equal ones share their rank. Exact for up to 50
    that are left (ties included), beyond that normal, as `scipy.stats.wilcoxon` has it. `value` is the median of the
    Walsh averages and the limits are their order statistics (Hodges & Lehmann 1963, doi:10.1214/aoms/1177704172;
    Hollander, Wolfe & Chicken 2014, §3.3).
    """
    method, values = "Wilcoxon", np.asarray(differences, dtype=float)
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return undecided(method, float(values.mean()) if n else math.nan, n, _why(n))
    if not values.any():
        return equal(method, n, "all differences are 0")
    averages = walsh_averages(values)
    value, p = float(np.median(averages)), two_sided(values[values != 0])
    reach = quantile(n, level)
    if reach < 0:
        note = f"{n} differences are too few for limits of {level:.0%}"
        return Comparison(method, value, math.nan, math.nan, p, n, note)
    note = "" if n <= MANY else "normal approximation"
    return Comparison(method, value, float(averages[reach]), float(averages[-1 - reach]), p, n, note)
