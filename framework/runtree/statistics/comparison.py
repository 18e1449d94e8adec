"""What came of comparing two models."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """The difference of two models, one - other, in the metric's own unit.

    Attributes
    ----------
    method
        The test: ``corrected t``, ``DeLong``.
    low, high
        Confidence limits of the difference; NaN where the data cannot tell.
    p
        Two-sided: how likely so great a difference is where there is none. NaN where the test is not defined.
    n
        How many differences or rows it rests on.
    note
        What the reader has to know of this one; empty where there is nothing.
    """

    method: str
    value: float
    low: float
    high: float
    p: float
    n: int
    note: str = ""

    @property
    def tied(self) -> bool:
        """Tell whether the data cannot tell the two apart: the limits hold 0, or there are none."""
        return not (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def equal(method: str, n: int, note: str) -> Comparison:
    """Return that of two models between which nothing differs."""
    return Comparison(method, 0.0, 0.0, 0.0, 1.0, n, note)


def undecided(method: str, value: float, n: int, note: str) -> Comparison:
    """Return that of two models of which the data does not allow a test."""
    return Comparison(method, value, math.nan, math.nan, math.nan, n, note)


# --- A number, and between what bounds it is known.


@dataclass(frozen=True)
class Interval:
    """A value with its confidence limits; these are NaN where the data cannot tell."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Tell whether there are limits."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def to_dict(self) -> dict[str, float]:
        """Return it as `evaluation.json` keeps it."""
        return {"value": self.value, "low": self.low, "high": self.high}


# --- Corrections of p values where several comparisons are made at once. NaN is no comparison: it is kept, not counted.


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
