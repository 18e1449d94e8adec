"""The distribution of the signed-rank statistic, exact where numbers are few."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MANY = 50  # beyond so many the normal distribution serves


def two_sided(differences: Array) -> float:
    """Return the p value of the signed-rank test; no difference may be 0."""
    from scipy.stats import norm, rankdata

    ranks = rankdata(np.abs(differences))
    positive = float(ranks[differences > 0].sum())
    rarer = min(positive, float(ranks.sum()) - positive)
    if len(ranks) <= MANY:
        chances = _distribution(np.rint(2 * ranks).astype(int))
        return min(1.0, 2 * float(chances[: round(2 * rarer) + 1].sum()))
    z = (ranks.sum() / 2 - rarer) / np.sqrt((ranks**2).sum() / 4)  # Σ r²/4 is the variance, ties or none
    return float(2 * norm.sf(z))


def quantile(n: int, level: float) -> int:
    """Return the position of the lower limit among the sorted Walsh averages of n differences; -1: n is too few."""
    from scipy.stats import norm

    rare = (1 - level) / 2
    if n <= MANY:
        so_far = np.cumsum(_distribution(np.arange(1, n + 1)))
        return int(np.searchsorted(so_far, rare, side="right")) - 1
    mean, sd = n * (n + 1) / 4, np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return int(np.floor(mean + norm.ppf(rare) * sd)) - 1


def walsh_averages(values: Array) -> Array:
    """Return the means of all pairs, each with itself too, sorted."""
    first, second = np.triu_indices(len(values))
    return np.sort((values[first] + values[second]) / 2)


def _distribution(ranks: Array) -> Array:
    """Return the chance of each sum, 0, 1, …, where each rank is added or not with equal chance."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        added = chances / 2
        chances = added.copy()
        chances[rank:] += added[: len(added) - rank]
    return chances
