"""Confidence intervals of proportions of rows."""

import math


def clopper_pearson(hits: int, rows: int, level: float) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, rows).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def tango(won: int, lost: int, rows: int, level: float) -> tuple[float, float]:
    """Return the score interval of the difference of two paired proportions, (won - lost) / rows.

    Tango 1998 (Statistics in Medicine 17, 891-908): the interval excludes 0 exactly where McNemar's χ² test finds a
    difference, stays within -1 and 1, and has a width even where nothing was won or lost.

    Parameters
    ----------
    won, lost
        Rows on which only the first, or only the second, of two classifiers is right.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, value = float(norm.ppf((1 + level) / 2)), (won - lost) / rows

    def limit(sign: int) -> float:
        if value == sign:
            return float(sign)
        # the statistic is 0 at the observed difference and grows towards
        # ±1, where its variance is 0: so the root is bracketed just before
        return float(brentq(lambda delta: sign * _z_score(won, lost, rows, delta) + z, value, sign * (1 - 1e-12)))

    return limit(-1), limit(1)


def _z_score(won: int, lost: int, rows: int, delta: float) -> float:
    """Return how many standard errors the observed difference lies above `delta`, the errors being those at `delta`."""
    # the maximum likelihood estimate under the constraint won - lost
    # = delta is the root of a quadratic (Tango 1998)
    b = (2 * rows - won + lost) * delta - won - lost
    lost_share = (math.sqrt(max(0.0, b * b + 8 * rows * lost * delta * (1 - delta))) - b) / (4 * rows)
    variance = rows * (2 * lost_share + delta * (1 - delta))
    if variance <= 0:
        return 0.0
    return (won - lost - rows * delta) / math.sqrt(variance)
