"""A listing's runs: filtered, sorted and cut, with honest counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runtree.contract.errors import unknown
from runtree.contract.types import RunRecord
from runtree.records.expression import Expression
from runtree.records.listing import Runs
from runtree.records.query import Condition, descending, is_metric, leading, order, ranks, resolve
from runtree.records.where import read_where

Where = Condition | Expression


@dataclass(frozen=True)
class Wish:
    """What was asked for; `most` is None for all."""

    experiment: str | None = None
    where: tuple[str, ...] = ()
    sort: str | None = None
    reverse: bool = False
    most: int | None = None


@dataclass(frozen=True)
class Selection:
    """The runs to show, out of how many, and why in this order.

    `by` is the full name that they are sorted by, `asked` holds those of the sort and the conditions, and `unmet` says
    for each ``=`` that no run answers to which values there are.
    """

    records: tuple[RunRecord, ...]
    matching: int
    total: int
    by: str = "started"
    largest_first: bool = True
    reverse: bool = False
    asked: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """Return "12 runs", "3 of 12 runs", "30 of 400 that match, of 5,000 runs"."""
        runs = f"{self.total:,} run{'' if self.total == 1 else 's'}"
        shown = len(self.records)
        if shown < self.matching < self.total:
            return f"{shown:,} of {self.matching:,} that match, of {runs}"
        return runs if shown == self.total else f"{shown:,} of {runs}"


def select(runs: Runs, wish: Wish, directions: Callable[[], Mapping[str, str]]) -> Selection:
    """Filter, sort and cut; `directions` tells which way each metric is better, and is asked only where it matters.

    Raises
    ------
    RequestError
        A condition that cannot be read, a name that no run has, an experiment that is not there.
    """
    conditions = read_conditions(runs, wish)
    if not len(runs):
        return Selection((), 0, 0)
    by = resolve(wish.sort, runs.names()) if wish.sort else "started"
    largest_first = descending(by, directions() if is_metric(by) else {}) != wish.reverse
    matching = matches(runs, conditions, wish.experiment)
    return Selection(
        records=tuple(runs.take(sort(runs, matching, by, largest_first, wish.most))),
        matching=len(matching),
        total=len(runs),
        by=by,
        largest_first=largest_first,
        reverse=wish.reverse,
        asked=tuple(dict.fromkeys([*(name for one in conditions for name in one.names), *([by] if wish.sort else [])])),
        unmet=tuple(unmet(runs, conditions)),
    )


def choose(runs: Runs, wish: Wish) -> list[int]:
    """Return the rows that match, the newest run first.

    Raises
    ------
    RequestError
        As `select` does.
    """
    conditions = read_conditions(runs, wish)
    return newest_first(runs, matches(runs, conditions, wish.experiment)) if len(runs) else []


def read_conditions(runs: Runs, wish: Wish) -> list[Where]:
    """Return the conditions with full names; refuse an experiment that is not there."""
    if not len(runs):
        for expression in wish.where:
            read_where(expression, None)
        return []
    refuse_unknown_experiment(runs, wish.experiment)
    known = runs.names() if wish.where else ()
    return [read_where(expression, known) for expression in wish.where]


def refuse_unknown_experiment(runs: Runs, experiment: str | None) -> None:
    """Say which experiments there are."""
    if experiment is not None and experiment not in (known := set(runs.column("experiment"))):
        raise unknown("experiment", experiment, known)


def matches(runs: Runs, conditions: Sequence[Where], experiment: str | None) -> list[int]:
    """Return the rows to which every condition holds."""
    rows = list(range(len(runs)))
    if experiment is not None:
        own = runs.column("experiment")
        rows = [row for row in rows if own[row] == experiment]
    for condition in conditions:
        rows = condition.keep(rows, runs.value)
    return rows


def sort(runs: Runs, rows: Sequence[int], by: str, largest_first: bool, most: int | None) -> list[int]:
    """Return the first `most` rows by a full name, the newest first among equals."""
    ranked = ranks(runs.value(by))
    return order(newest_first(runs, leading(rows, ranked, largest_first, most)), ranked, largest_first)[:most]


def newest_first(runs: Runs, rows: Sequence[int]) -> list[int]:
    """Sort by the time at which a run began."""
    started, names = runs.column("started"), runs.column("id")
    return sorted(rows, key=lambda row: (started[row], names[row]), reverse=True)


def unmet(runs: Runs, conditions: Sequence[Where]) -> list[str]:
    """Say for each `=` that no run answers to which values there are."""
    lines = []
    for name, asked in (pair for condition in conditions for pair in condition.equalities()):
        found = runs.value(name)
        values = sorted(set(map(str, found)))
        if not any(map(Condition(name, "=", str(asked)).holds, found)) and len(values) <= 12:
            lines.append(f"{name} is {' or '.join(values)}")
    return lines
