"""Results of statistical comparisons, and corrections of p values for several comparisons.

Imports neither NumPy nor SciPy: `runtree compare` reads these types before it knows whether it has to test anything.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ConfidenceInterval:
    """A value with its confidence limits; NaN, with a reason, where the data does not determine them."""

    value: float
    low: float
    high: float
    reason: str = ""

    @property
    def known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the interval as `evaluation.json` keeps it; the reason only where there is one."""
        entry = asdict(self)
        return entry if self.reason else {key: value for key, value in entry.items() if key != "reason"}


def no_interval(value: float, reason: str) -> ConfidenceInterval:
    """Return a value whose interval the data does not determine."""
    return ConfidenceInterval(value, math.nan, math.nan, reason)


def clip(value: float, bounds: tuple[float, float]) -> float:
    """Return a limit within the values that a metric can take; NaN stays NaN.

    Student's intervals do not know them. Clipping loses no coverage, because the true value lies within them, too.
    """
    return value if math.isnan(value) else min(max(value, bounds[0]), bounds[1])


@dataclass(frozen=True)
class Comparison:
    """The difference of two models, first - second, in the unit of the metric.

    Attributes
    ----------
    method
        The test: ``corrected t``, ``DeLong``.
    low, high
        Confidence limits of the difference; NaN where the data does not determine them.
    p
        Two-sided p value; NaN where the test is not defined.
    n
        Number of differences or rows that the test rests on.
    note
        A remark for the reader; empty if there is none.
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
        """Whether the interval contains 0, or there is none."""
        return not (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def equal(method: str, n: int, note: str) -> Comparison:
    """Return the comparison of two models without any difference."""
    return Comparison(method, 0.0, 0.0, 0.0, 1.0, n, note)


def undecided(method: str, value: float, n: int, note: str) -> Comparison:
    """Return a comparison for which the data does not allow a test."""
    return Comparison(method, value, math.nan, math.nan, math.nan, n, note)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that control the family-wise error rate (Holm 1979, Scand. J. Statist. 6, 65-70).

    NaN stands for a comparison without a test: it is kept and not counted.
    """
    tested = [position for position, p in enumerate(p_values) if not math.isnan(p)]
    adjusted, largest = list(p_values), 0.0
    for rank, position in enumerate(sorted(tested, key=lambda position: p_values[position])):
        # step-down with a running maximum, so that adjusted p values keep the order of the plain ones
        largest = max(largest, (len(tested) - rank) * p_values[position])
        adjusted[position] = min(largest, 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p values that control the false discovery rate; NaN is kept and not counted.

    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    tested = [p for p in p_values if not math.isnan(p)]
    if not tested:
        return list(p_values)
    # imported here: SciPy takes up to seconds, and Holm's correction, the default, needs none of it
    from scipy.stats import false_discovery_control

    adjusted = iter(false_discovery_control(tested).tolist())
    return [p if math.isnan(p) else next(adjusted) for p in p_values]
