"""Questions to many records: which match, and in which order.

A name is a field of the record (`state`), a metric of a part (`test.accuracy`) or a config path (`algorithm.alpha`).
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
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
PREFERRED = ("validation", "test", "train")  # the part that a bare metric name means


@dataclass(frozen=True)
class Condition:
    """One comparison: ``test.accuracy>0.9``."""

    name: str
    operator: str
    text: str

    def holds(self, record: RunRecord) -> bool:
        """Tell whether a record answers to it. A value that is not there answers to `!=` alone, and to ``=null``."""
        found = value(record, self.name)
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


def names(records: Iterable[RunRecord]) -> set[str]:
    """Return every name that at least one record holds."""
    keys: set[str] = set()
    metrics: set[tuple[str, str]] = set()
    for record in records:
        keys.update(record.config)
        for part, own in record.metrics.items():
            metrics.update((part, name) for name in own)
    return {*FIELDS, *keys, *(f"{part}.{name}" for part, name in metrics if part in PARTS)}


def resolve(name: str, known: Collection[str]) -> str:
    """Return the full name for a full or a short one.

    `accuracy` is `validation.accuracy`, `algorithm` is `algorithm.name`, `alpha` is `algorithm.alpha` where no other
    key ends so.

    Raises
    ------
    RequestError
        A name that nobody has, or that several keys end in.
    """
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


def order(records: Iterable[RunRecord], name: str, largest_first: bool) -> list[RunRecord]:
    """Sort by a full name; equals keep their order, and those that lack it come last whatever the direction."""
    keyed = [(_rank(value(record, name)), record) for record in records]
    have = [pair for pair in keyed if pair[0] is not None]
    have.sort(key=lambda pair: pair[0] or (0, 0.0, ""), reverse=largest_first)
    return [record for _, record in have] + [record for rank, record in keyed if rank is None]


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
