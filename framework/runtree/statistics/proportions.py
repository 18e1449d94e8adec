"""Limits of shares of rows."""

import math


def tango(won: int, lost: int, rows: int, level: float) -> tuple[float, float]:
    """Return limits of the difference of two paired shares, (won - lost) / rows.

    The score limits of Tango 1998 (Statistics in Medicine 17, 891-908): they leave 0 out just where McNemar's χ² test
    finds a difference, stay within -1 and 1, and have a width even where nothing was won or lost.

    Parameters
    ----------
    won, lost
        Rows on which one is right and the other wrong, and the other way round.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, value = float(norm.ppf((1 + level) / 2)), (won - lost) / rows

    def limit(sign: int) -> float:
        if value == sign:
            return float(sign)
        return float(brentq(lambda delta: sign * _score(won, lost, rows, delta) + z, value, sign * (1 - 1e-12)))

    return limit(-1), limit(1)


def _score(won: int, lost: int, rows: int, delta: float) -> float:
    """Return how many standard errors the difference found is above `delta`, these taken as if `delta` were true."""
    b = (2 * rows - won + lost) * delta - won - lost
    lost_share = (math.sqrt(max(0.0, b * b + 8 * rows * lost * delta * (1 - delta))) - b) / (4 * rows)
    variance = rows * (2 * lost_share + delta * (1 - delta))
    if variance <= 0:
        return 0.0
    return (won - lost - rows * delta) / math.sqrt(variance)


def clopper_pearson(hits: int, rows: int, level: float) -> tuple[float, float]:
    """Return exact limits of a share (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    from scipy.stats import beta

    rare = (1 - level) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(rare, hits, rows - hits + 1))
    high = 1.0 if hits == rows else float(beta.isf(rare, hits + 1, rows - hits))
    return low, high
