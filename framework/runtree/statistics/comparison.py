"""What came of comparing two models."""

import math
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

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def equal(method: str, n: int, note: str) -> Comparison:
    """Return that of two models between which nothing differs."""
    return Comparison(method, 0.0, 0.0, 0.0, 1.0, n, note)


def undecided(method: str, value: float, n: int, note: str) -> Comparison:
    """Return that of two models of which the data does not allow a test."""
    return Comparison(method, value, math.nan, math.nan, math.nan, n, note)
