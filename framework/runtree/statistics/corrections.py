"""Corrections of p values where several comparisons are made at once. NaN is no comparison: it is kept, not counted."""

import math
from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values that keep the chance of any false alarm at its level (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    order = _ranked(ps)
    adjusted, most = list(ps), 0.0
    for rank, position in enumerate(order):
        most = max(most, (len(order) - rank) * ps[position])
        adjusted[position] = min(most, 1.0)
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return p values that keep the expected share of false among all alarms at its level.

    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x; equal to `scipy.stats.false_discovery_control`.
    """
    order = _ranked(ps)
    adjusted, least = list(ps), 1.0
    for rank, position in reversed(list(enumerate(order, start=1))):
        least = min(least, ps[position] * (len(order) / rank))
        adjusted[position] = least
    return adjusted


def _ranked(ps: Sequence[float]) -> list[int]:
    """Return the positions of what is no NaN, the smallest p first."""
    return sorted((position for position, p in enumerate(ps) if not math.isnan(p)), key=lambda position: ps[position])
