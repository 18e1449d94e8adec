"""The grid: every combination of a finite space, in the order of Hydra's basic sweeper."""

import copy
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal, Values
from runtree.contract.types import Direction


def nth(domain: Interval, position: int) -> int | float:
    """Return the value at a position of a finite interval; positions beyond the end have the last value."""
    assert domain.size is not None
    # multiplied, not added up step by step: rounding errors would grow along the range
    value = domain.low + (domain.step or 1) * min(max(position, 0), domain.size - 1)
    return int(value) if domain.integer else float(min(max(round(value, 12), domain.low), domain.high))


def values(domain: Choice | Interval) -> Iterator[Any]:
    """Yield the distinct values of a finite domain; there may be too many for a list."""
    if isinstance(domain, Choice):
        # by label: as dict keys, 1, 1.0 and True would be the same value
        return iter({label(value): value for value in domain.values}.values())
    return (nth(domain, position) for position in range(domain.size or 0))


def label(value: Any) -> str:
    """Return a text that differs for values that YAML distinguishes, and that survives a JSON file."""
    return json.dumps(value, sort_keys=True, default=repr)


class Grid:
    """Proposes each distinct combination once; the last dimension varies fastest.

    Parameters
    ----------
    own_space
        Whether the `space` of algorithms is searched too.
    """

    prunes = False
    exhaustive = True

    def __init__(self, own_space: bool = False) -> None:
        self.own_space = own_space

    def begin(self, space: Sequence[Dimension], directions: Sequence[Direction], seed: int) -> None:
        """Start over with a finite space."""
        for dimension in space:
            _check_finite(dimension)
        self.space_ = tuple(space)
        self._start()

    def _start(self) -> None:
        self._rest, self._next = combinations(self.space_, {}), 0

    def ask(self, number: int) -> Proposal | None:
        """Return the combination with a number, counted from 0, None if there is none."""
        if number < self._next:  # a resumed sweep
            self._start()
        # combinations are generated lazily: a grid may have millions, of which a bounded sweep asks for few
        combination = next(islice(self._rest, number - self._next, None), None)
        self._next = number + 1
        # a copy, since a value may be a list that the config of a run would share with the space
        return None if combination is None else Proposal(number, copy.deepcopy(combination))

    def tell(self, observation: Observation) -> None:
        """Do nothing: the order is fixed."""

    def report(self, number: int, step: int, value: float) -> bool:
        """Return False: a grid does not prune."""
        return False


def combinations(space: Sequence[Dimension], chosen: Values) -> Iterator[Values]:
    """Yield every combination; a dimension whose condition is false is left out, so it does not multiply them."""
    if not space:
        yield chosen
        return
    first, rest = space[0], space[1:]
    if first.path in chosen or not first.holds(chosen):
        yield from combinations(rest, chosen)
        return
    for value in values(first.domain):
        yield from combinations(rest, {**chosen, first.path: value})


def _check_finite(dimension: Dimension) -> None:
    domain, path = dimension.domain, dimension.path
    if isinstance(domain, Choice) or domain.size is not None:
        return
    raise ConfigError(
        f"{path}: a grid needs a finite space, but {dimension.text or 'the interval'} is continuous",
        f"list its values: {path}={domain.low:g},{domain.high:g} or '{path}=range(low, high, step)'",
        "or choose a tuner that draws from intervals: tuner=random, tuner=tpe",
    )
