"""What is still to be gained, as far as the last runs tell."""

import math
from collections.abc import Sequence

TINY = 1e-12  # stands for a best of 0, of which no share can be taken


def expected_improvement(mean: float, deviation: float, best: float) -> float:
    """Return E[max(0, X - best)] for a normal X: Jones, Schonlau & Welch (1998), equation 15, noise-free."""
    gap = mean - best
    if deviation == 0:
        return max(0.0, gap)
    z = gap / deviation
    # erfc and not 1 + erf: far below the best the difference of two ones is all rounding
    return gap * 0.5 * math.erfc(-z / math.sqrt(2)) + deviation * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def gains(scores: Sequence[float], window: int) -> tuple[float, float]:
    """Return what the last `window` scores gained and what as many more promise, as shares of the best score's size.

    Parameters
    ----------
    scores
        In the order they came, larger is better; more of them than `window`.

    Notes
    -----
    The promise is ``window * E[max(0, X - best)]`` with X normal, its mean and standard deviation (n - 1) those of the
    last `window` scores. The best of `window` draws gains no more than that in the mean: it is never too small.
    """
    best, before, last = max(scores), max(scores[:-window]), scores[-window:]
    mean = sum(score / window for score in last)
    deviation = math.hypot(*(score - mean for score in last)) / math.sqrt(window - 1)
    size = max(abs(best), TINY)
    return (best - before) / size, window * expected_improvement(mean, deviation, best) / size
