"""Conditions that a person can read and that rows answer to: "30.5 < age <= 41 and city = Bern"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from runtree.lifecycle.examination.diagnosis.columns import Column

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Between:
    """A number above `low` and at most `high`."""

    column: str
    low: float = -inf
    high: float = inf

    def mask(self, columns: Mapping[str, Column]) -> "Array":
        """Return which rows answer to it; one that is missing does not."""
        values = columns[self.column].values
        found: Array = (values > self.low) & (values <= self.high)
        return found

    def __str__(self) -> str:
        """Write it down."""
        if self.low == -inf:
            return f"{self.column} <= {self.high:.6g}"
        above = f"{self.column} > {self.low:.6g}"
        return above if self.high == inf else f"{self.low:.6g} < {self.column} <= {self.high:.6g}"


@dataclass(frozen=True)
class Equal:
    """A category that is, or is not, a level."""

    column: str
    level: str
    holds: bool = True

    def mask(self, columns: Mapping[str, Column]) -> "Array":
        """Return which rows answer to it."""
        own = columns[self.column]
        found: Array = (own.values == own.levels.index(self.level)) == self.holds
        return found

    def __str__(self) -> str:
        """Write it down."""
        return f"{self.column} {'=' if self.holds else '!='} {self.level}"


@dataclass(frozen=True)
class Missing:
    """A value that is, or is not, missing."""

    column: str
    holds: bool = True

    def mask(self, columns: Mapping[str, Column]) -> "Array":
        """Return which rows answer to it."""
        found: Array = columns[self.column].missing == self.holds
        return found

    def __str__(self) -> str:
        """Write it down."""
        return f"{self.column} is {'' if self.holds else 'not '}missing"


Condition = Between | Equal | Missing


def mask_of(conditions: Sequence[Condition], columns: Mapping[str, Column]) -> "Array":
    """Return which rows answer to all of them."""
    found = conditions[0].mask(columns)
    for condition in conditions[1:]:
        found = found & condition.mask(columns)
    return found


def simplified(path: Sequence[Condition]) -> tuple[Condition, ...]:
    """Join bounds of one number, and drop "is not Rome" where "is Bern" is said already."""
    bounds: dict[str, Between] = {}
    others: list[Condition] = []
    for one in path:
        if isinstance(one, Between):
            known = bounds.get(one.column, one)
            bounds[one.column] = Between(one.column, max(known.low, one.low), min(known.high, one.high))
        elif one not in others:
            others.append(one)
    named = {one.column for one in others if isinstance(one, Equal) and one.holds}
    told = [one for one in others if one.column not in named or (isinstance(one, Equal) and one.holds)]
    return (*bounds.values(), *told)


def written(conditions: Sequence[Condition]) -> str:
    """Write several down."""
    return " and ".join(str(condition) for condition in conditions)
