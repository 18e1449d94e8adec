"""The values of a finite domain, one at a time."""

import json
from collections.abc import Iterator
from typing import Any

from runtree.contract.search import Choice, Interval


def nth(domain: Interval, position: int) -> int | float:
    """Return one value of a finite interval, counted from 0; the last for a position beyond."""
    assert domain.size is not None
    value = domain.low + (domain.step or 1) * min(max(position, 0), domain.size - 1)
    return int(value) if domain.integer else float(min(max(round(value, 12), domain.low), domain.high))


def values(domain: Choice | Interval) -> Iterator[Any]:
    """Yield the distinct values of a finite domain, one at a time however many there are."""
    if isinstance(domain, Choice):
        return iter({label(value): value for value in domain.values}.values())
    return (nth(domain, position) for position in range(domain.size or 0))


def label(value: Any) -> str:
    """Return a text that tells values apart as YAML does, and that a file of JSON does not change."""
    return json.dumps(value, sort_keys=True, default=repr)
