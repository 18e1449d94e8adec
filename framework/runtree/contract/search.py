"""The types that pass between a sweep and its tuner: a search space, proposals, observations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Values = Mapping[str, Any]
Suggest = Callable[["Dimension"], Any]  # returns a value that a tuner chooses for a parameter
Scale = Literal["linear", "log", "reverse_log"]
TrialState = Literal["running", "completed", "pruned", "failed"]


@dataclass(frozen=True)
class Choice:
    """A finite set without an order: values of any type that YAML has, lists and mappings included."""

    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.values)


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, both included.

    Parameters
    ----------
    integer
        Whether only integers are meant.
    scale
        "linear"; "log" (`low` > 0): uniform in ``log(x)``; "reverse_log" (`high` < 1): uniform in ``log(1 - x)``, for
        values such as 0.9, 0.99, 0.999.
    step
        Distance between values, counted from `low`; None for a continuous interval.
    """

    low: float
    high: float
    integer: bool = False
    scale: Scale = "linear"
    step: float | None = None

    @property
    def size(self) -> int | None:
        """The number of values; None for infinitely many."""
        step = self.step or (1 if self.integer else None)
        # the small addend, because (0.7 - 0.1) / 0.1 is 5.999…, and its integer part would lose the last value
        return None if step is None else int((self.high - self.low) / step + 1e-9) + 1

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of a finite interval, ascending."""
        step = self.step or 1
        values = (self.low + step * position for position in range(self.size or 0))
        # 0.1 + 0.1 + 0.1 is 0.30000000000000004: no digit beyond those of the step is meant
        return tuple(int(value) if self.integer else round(value, 12) for value in values)


@dataclass(frozen=True)
class Dimension:
    """A config path or group for which a tuner chooses a value.

    Parameters
    ----------
    path
        The config path that the value is set at, or a config group whose option is chosen.
    when
        Returns whether this dimension takes part, given the values chosen so far; None means always.
    text
        Its declaration, for people.
    composed
        Whether a value is not set on a config but composed: the option of a group, or a key that is added.
    """

    path: str
    domain: Choice | Interval
    when: Callable[[Values], bool] | None = None
    text: str = ""
    composed: bool = False

    def holds(self, chosen: Values) -> bool:
        """Return whether the dimension takes part, given the values chosen before it."""
        return self.when is None or self.when(chosen)


@dataclass(frozen=True)
class Proposal:
    """The next configuration to try: a value for each dimension that takes part.

    `memo` is JSON that the tuner gets back when it is restored from the ledger of a sweep.
    """

    number: int
    values: Values
    memo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """The result of a proposal.

    Parameters
    ----------
    state
        "running" restores a proposal whose run has not ended; "failed" has no objectives.
    values
        The values that were tried, by path.
    objectives
        One number per direction; of a pruned trial the last one reported, or None.
    constraints
        Positive numbers are violations.
    reports
        (step, value) pairs, ascending steps.
    dimensions
        The parameters of this trial, by which `values` are named, in a space that is a function; else none.
    """

    number: int
    state: TrialState
    values: Values
    objectives: tuple[float, ...] | None = None
    constraints: tuple[float, ...] = ()
    reports: tuple[tuple[int, float], ...] = ()
    memo: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[Dimension, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """The values that a search chose for the algorithm's config, by path, and the score of that choice.

    `tried` counts the candidates.
    """

    values: Values
    score: float
    tried: int
