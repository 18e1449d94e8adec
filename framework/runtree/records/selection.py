"""A listing's runs: filtered, sorted and cut, with honest counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runtree.contract.errors import unknown
from runtree.contract.types import RunRecord
from runtree.records.query import Condition, descending, is_metric, names, order, parse, resolve, value


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


def select(found: Sequence[RunRecord], wish: Wish, directions: Callable[[], Mapping[str, str]]) -> Selection:
    """Filter, sort and cut; `directions` tells which way each metric is better, and is asked only where it matters.

    Raises
    ------
    RequestError
        A condition that cannot be read, a name that no run has, an experiment that is not there.
    """
    typed = [parse(expression) for expression in wish.where]
    if not found:
        return Selection((), 0, 0)
    refuse_unknown_experiment(found, wish.experiment)
    known = names(found) if typed or wish.sort else ()
    conditions = [Condition(resolve(condition.name, known), condition.operator, condition.text) for condition in typed]
    by = resolve(wish.sort, known) if wish.sort else "started"
    largest_first = descending(by, directions() if is_metric(by) else {}) != wish.reverse
    matching = matches(found, conditions, wish.experiment)
    return Selection(
        records=tuple(order(newest_first(matching), by, largest_first)[: wish.most]),
        matching=len(matching),
        total=len(found),
        by=by,
        largest_first=largest_first,
        reverse=wish.reverse,
        asked=tuple(dict.fromkeys([*(condition.name for condition in conditions), *([by] if wish.sort else [])])),
        unmet=tuple(unmet(found, conditions)),
    )


def refuse_unknown_experiment(found: Sequence[RunRecord], experiment: str | None) -> None:
    """Say which experiments there are."""
    known = {record.experiment for record in found}
    if experiment is not None and experiment not in known:
        raise unknown("experiment", experiment, known)


def matches(found: Sequence[RunRecord], conditions: Sequence[Condition], experiment: str | None) -> list[RunRecord]:
    """Return the records to which every condition holds."""
    own = [record for record in found if experiment in (None, record.experiment)]
    return [record for record in own if all(condition.holds(record) for condition in conditions)]


def newest_first(found: Sequence[RunRecord]) -> list[RunRecord]:
    """Sort by the time at which a run began."""
    return sorted(found, key=lambda record: (record.started, record.id), reverse=True)


def unmet(found: Sequence[RunRecord], conditions: Sequence[Condition]) -> list[str]:
    """Say for each `=` that no run answers to which values there are."""
    lines = []
    for condition in conditions:
        values = sorted({str(value(record, condition.name)) for record in found})
        if condition.operator == "=" and not any(map(condition.holds, found)) and len(values) <= 12:
            lines.append(f"{condition.name} is {' or '.join(values)}")
    return lines
