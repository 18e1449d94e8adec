"""The metric by which runs are compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError
from runtree.records.listing import Runs
from runtree.records.query import is_metric, resolve


@dataclass(frozen=True)
class Measure:
    """A metric of a part, and which way it is better."""

    part: str
    metric: str
    direction: str

    @property
    def name(self) -> str:
        """Return ``validation.f1``."""
        return f"{self.part}.{self.metric}"

    @property
    def sign(self) -> int:
        """Return what a value is multiplied by so that more is better."""
        return 1 if self.direction == "maximize" else -1


def choose_measure(runs: Runs, rows: Sequence[int], asked: str | None, directions: Mapping[str, str]) -> Measure:
    """Return the metric that was asked for, else the one that most of the runs are ranked by.

    Raises
    ------
    RequestError
        A name that is no metric, or runs that are ranked by none.
    """
    if asked:
        known = runs.names()
        name = asked if asked in known else resolve(asked, {one for one in known if is_metric(one)})
        if not is_metric(name):
            raise RequestError(f"--metric: '{asked}' is {name}, and no metric", "e.g. --metric test.f1")
        part, _, metric = name.partition(".")
        return Measure(part, metric, directions.get(metric, "maximize"))
    columns = [runs.column(f"objective:{key}") for key in ("part", "metric", "direction")]
    told = Counter(found for row in rows if None not in (found := tuple(column[row] for column in columns)))
    if not told:
        raise RequestError("none of these runs has a score that it is ranked by", "see: runtree runs")
    return Measure(*told.most_common(1)[0][0])


def completed(runs: Runs, rows: Sequence[int]) -> list[int]:
    """Return the rows that are completed."""
    states = runs.column("state")
    return [row for row in rows if states[row] == "completed"]


def scored(runs: Runs, rows: Sequence[int], measure: Measure) -> list[int]:
    """Return the rows that have the metric."""
    values = runs.column(f"metrics:{measure.name}")
    return [row for row in rows if _is_told(values[row])]


def _is_told(value: Any) -> bool:
    return isinstance(value, int | float) and value == value
