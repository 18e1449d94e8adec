"""Questions to many records: which match, and in which order.

A name is a field of the record (`state`), a metric of a part (`test.accuracy`) or a config path (`algorithm.alpha`).
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Any

from runtree.contract.errors import RequestError, nearest, unknown
from runtree.contract.types import PARTS, RunRecord

FIELDS = ("id", "experiment", "state", "reason", "task", "started", "finished", "seconds")
EXPRESSION = re.compile(r"\s*([^\s=!<>~]+)\s*(!=|<=|>=|==|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
METRICS = "metrics."
PREFERRED = ("validation", "test", "train")  # the part that a bare metric name means


@dataclass(frozen=True)
class Condition:
    """One comparison: ``test.accuracy>0.9``."""

    name: str
    operator: str
    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name that it asks about."""
        return (self.name,)

    def keep(self, rows: Sequence[int], column: Callable[[str], Sequence[Any]]) -> list[int]:
        """Return the rows to which it holds; `column` gives all values under a full name."""
        found = column(self.name)
        return [row for row in rows if self.holds(found[row])]

    def equalities(self) -> Sequence[tuple[str, Any]]:
        """Return its name and value where it asks for an equal one."""
        return [(self.name, self.text)] if self.operator == "=" else []

    def holds(self, found: Any) -> bool:
        """Tell whether a value answers to it. One that is not there answers to `!=` alone, and to ``=null``."""
        if self.operator == "~":
            return self.text.lower() in str(found).lower() and found is not None
        if self.operator in ("=", "!="):
            return _same(found, self.text) == (self.operator == "=")
        return found is not None and self._ordered(found)

    def _ordered(self, found: Any) -> bool:
        compare = COMPARE[self.operator]
        if not isinstance(found, (int, float)) or isinstance(found, bool):
            return compare(str(found), self.text)
        number = _number(self.text)
        if number is None:
            raise RequestError(
                f"--where: '{self.text}' is not a number, and {self.name} holds numbers", f"e.g. {self.name}>{found}"
            )
        return compare(found, number)


def parse(expression: str) -> Condition:
    """Read a condition.

    Raises
    ------
    RequestError
        Where there is no name or no operator.
    """
    found = EXPRESSION.fullmatch(expression)
    if found is None:
        raise RequestError(
            f"--where: '{expression}' is not a condition",
            "write NAME=VALUE, or with one of != < <= > >= ~ (contains)",
            "e.g. --where algorithm.name=ridge --where 'test.accuracy>0.9'",
        )
    name, sign, text = found.groups()
    return Condition(name, "=" if sign == "==" else sign, text.strip("'\""))


def value(record: RunRecord, name: str) -> Any:
    """Return what a record holds under a full name, or None."""
    if name in FIELDS:
        return getattr(record, name)
    if name in record.config:
        return record.config[name]
    part, _, metric = name.partition(".")
    return record.metrics[part].get(metric) if part in PARTS and part in record.metrics else None


def resolve(name: str, known: Collection[str]) -> str:
    """Return the full name for a full or a short one.

    `accuracy` is `validation.accuracy`, `algorithm` is `algorithm.name`, `alpha` is `algorithm.alpha` where no other
    key ends so. ``metrics.`` before a metric may be written.

    Raises
    ------
    RequestError
        A name that nobody has, or that several keys end in.
    """
    if name.startswith(METRICS) and name not in known:
        name = name.removeprefix(METRICS)
    for candidate in (name, f"{name}.name", *(f"{part}.{name}" for part in PREFERRED)):
        if candidate in known:
            return candidate
    ending = sorted(other for other in known if other.endswith(f".{name}") and ".space." not in other)
    if len(ending) > 1:
        raise RequestError(f"'{name}' may be any of {len(ending)} keys: {', '.join(ending[:6])}", "type the whole key")
    if ending:
        return ending[0]
    raise unknown("key or metric", name, _alike(name, known))


def _alike(name: str, known: Collection[str]) -> Collection[str]:
    """Return the names to suggest from: full ones for a dotted name, else last parts; those with it if none is near."""
    pool = known if "." in name else {other.rpartition(".")[2] for other in known}
    return pool if nearest(name, pool) else [other for other in known if name in other] or pool


def is_metric(name: str) -> bool:
    """Tell whether a full name is that of a metric."""
    return name.partition(".")[0] in PARTS


def descending(name: str, directions: Mapping[str, str]) -> bool:
    """Tell whether the best, or the newest, is the largest."""
    if is_metric(name):
        return directions.get(name.partition(".")[2], "maximize") == "maximize"
    return name in ("started", "finished")


def ranks(column: Sequence[Any]) -> Sequence[Any]:
    """Return what values are sorted by: numbers before words; None for those that come last whatever the direction."""
    kinds = set(map(type, column)) - {type(None)}
    if kinds <= {int, float}:
        return [None if number != number else number for number in column]
    return column if kinds <= {str} else [_rank(value) for value in column]


def leading(rows: Sequence[int], by: Sequence[Any], largest_first: bool, most: int | None) -> Sequence[int]:
    """Return the rows that may be among the first `most`, equals of the last included: so few are sorted in full."""
    have = [row for row in rows if by[row] is not None]
    if most is None or not 0 < most < len(have):
        return rows
    last = (nlargest if largest_first else nsmallest)(most, map(by.__getitem__, have))[-1]
    return [row for row in have if (by[row] >= last if largest_first else by[row] <= last)]


def order(rows: Sequence[int], by: Sequence[Any], largest_first: bool) -> list[int]:
    """Sort rows by their ranks; equals keep their order, and those that have none come last in both directions."""
    have = sorted((row for row in rows if by[row] is not None), key=by.__getitem__, reverse=largest_first)
    return [*have, *(row for row in rows if by[row] is None)]


def _rank(found: Any) -> tuple[int, float, str] | None:
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return None
    if isinstance(found, (int, float)):
        return 0, float(found), ""
    return 1, 0.0, str(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(found: Any, text: str) -> bool:
    if found is None or isinstance(found, bool):
        return text.lower() in {None: ("null", "none", ""), True: ("true",), False: ("false",)}[found]
    if isinstance(found, (int, float)):
        return _number(text) == found
    return str(found) == text
