"""A number, and between what bounds it is known."""

import math
from dataclasses import dataclass


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

    def plain(self) -> dict[str, float]:
        """Return it as `evaluation.json` keeps it."""
        return {"value": self.value, "low": self.low, "high": self.high}
