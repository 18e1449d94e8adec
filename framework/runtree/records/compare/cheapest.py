"""The best configuration of a comparison, or the cheapest of those that are tied with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError, unknown
from runtree.contract.types import RunRecord
from runtree.records.compare.request import Known
from runtree.records.compare.table import Line, Table
from runtree.records.query import resolve, value

Cost = Callable[[Line], float | None]
COSTS: Mapping[str, Cost] = {
    "fit_seconds": lambda line: line.fit_seconds,
    "size": lambda line: line.bytes,
    "seconds": lambda line: _mean([record.seconds for record in line.records]),
}


@dataclass(frozen=True)
class Choice:
    """The line that was chosen, by what, and its cost where cost decided; `run` is its run with the best score."""

    line: Line
    run: RunRecord
    tied: int
    by: str | None = None
    cost: float | None = None
    cost_of_best: float | None = None


def choose_line(table: Table, by: str | None, known: Known) -> Choice:
    """Return the best line, or where `by` names a cost the cheapest of those that are tied with it.

    Raises
    ------
    RequestError
        A cost that nobody knows, or that none of the tied tells.
    """
    tied = [line for line in table.lines if line.tied]
    best = tied[0]
    if by is None:
        return Choice(best, best.top(table.measure), len(tied))
    cost, sign = cost_of(by, table, known)
    told = [(sign * found, line.rank, line) for line in tied if (found := cost(line)) is not None]
    if not told:
        raise RequestError(
            f"--by: none of the tied tells its {by}",
            "models that were not kept have no size: keep them by tuner.keep=all",
        )
    line = min(told, key=lambda one: one[:2])[2]
    return Choice(line, line.top(table.measure), len(tied), by, cost(line), cost(best))


def cost_of(by: str, table: Table, known: Known) -> tuple[Cost, int]:
    """Return what `by` names, and 1 where less of it is better, else -1."""
    if by in COSTS:
        return COSTS[by], 1
    metrics = {
        f"{part}.{name}" for line in table.lines for record in line.records for part in record.metrics
        for name in record.metrics[part]
    }  # fmt: skip
    try:
        name = resolve(by, metrics)
    except RequestError:
        raise unknown("cost", by, {*COSTS, *metrics}) from None
    less = known.directions.get(name.partition(".")[2], "maximize") == "minimize"
    return (lambda line: _mean([value(record, name) for record in line.records])), 1 if less else -1


def _mean(found: list[Any]) -> float | None:
    told = [float(one) for one in found if isinstance(one, int | float)]
    return sum(told) / len(told) if told else None
