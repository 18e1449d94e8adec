"""What a key of the config takes: a number of a kind, within ends."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Number:
    """What a key takes: the kind of number, and the ends of its range (`above` is not in it)."""

    whole: bool = False
    low: float = -math.inf
    above: float = -math.inf
    high: float = math.inf
    optional: bool = True

    @property
    def words(self) -> str:
        """Tell it to people."""
        kind = "a whole number" if self.whole else "a number"
        ends = [("from", self.low), ("above", self.above), ("up to", self.high)]
        told = " ".join(f"{word} {end:g}" for word, end in ends if math.isfinite(end))
        return " ".join(filter(None, [kind, told, "or null" if self.optional else ""]))

    def takes(self, value: Any) -> bool:
        """Tell whether a value is one of these."""
        if value is None:
            return self.optional
        fits = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return fits and math.isfinite(value) and self.low <= value <= self.high and value > self.above
