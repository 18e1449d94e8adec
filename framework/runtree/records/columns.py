"""What run.json files hold as columns: a list a name, one value a run, None where a run has nothing to tell."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from runtree.contract.types import PARTS
from runtree.records.query import FIELDS

OBJECTIVE = ("objective:metric", "objective:direction", "objective:part", "objective:value")
KINDS = {"config": "config", "fingerprint": "fingerprints", "objective": "objective", "error": "error"}
Columns = dict[str, list[Any]]
Contents = Sequence[Mapping[str, Any]]


def column_names(contents: Contents) -> list[str]:
    """Return the names of all columns: fields as they are, the rest as ``config:…``, ``metrics:part.…`` and so on."""
    told = [f"config:{name}" for name in _keys(content["config"] for content in contents)]
    for part in PARTS:
        own = _keys(_mapping(content["metrics"].get(part)) for content in contents)
        told += [f"metrics:{part}.{name}" for name in own]
    told += [f"fingerprint:{name}" for name in _keys(content["fingerprints"] for content in contents)]
    return [*FIELDS, *told, *OBJECTIVE, "error:message"]


def _keys(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Return the keys of mappings, most of which have the same ones."""
    return dict.fromkeys(chain.from_iterable(dict.fromkeys(map(tuple, rows))))


def column_of(contents: Contents, key: str) -> list[Any]:
    """Return one column."""
    kind, colon, name = key.partition(":")
    if not colon:
        return [content.get(kind) for content in contents]
    if kind == "metrics":
        part, _, metric = name.partition(".")
        return [_mapping(content["metrics"].get(part)).get(metric) for content in contents]
    return [_mapping(content.get(KINDS[kind])).get(name) for content in contents]


def columns_of(contents: Contents) -> Columns:
    """Return all columns, going through the runs one after the other: to ask each for each name misses every cache."""
    top, nothing = transposed(contents), [None] * len(contents)
    columns = {key: top.get(key, nothing) for key in FIELDS}
    columns |= _prefixed("config:", transposed(list(map(_mapping, top["config"]))))
    for part in PARTS:
        own = [_mapping(metrics.get(part)) for metrics in top["metrics"]]
        columns |= _prefixed(f"metrics:{part}.", transposed(own) if any(own) else {})
    columns |= _prefixed("fingerprint:", transposed(list(map(_mapping, top["fingerprints"]))))
    columns |= dict.fromkeys(OBJECTIVE, nothing)
    ranked = _prefixed("objective:", transposed(list(map(_mapping, top["objective"]))))
    columns |= {key: column for key, column in ranked.items() if key in OBJECTIVE}
    return columns | {"error:message": [_mapping(error).get("message") for error in top.get("error", nothing)]}


def _prefixed(prefix: str, columns: Columns) -> Columns:
    return {prefix + name: column for name, column in columns.items()}


def transposed(rows: Contents) -> Columns:
    """Turn mappings into columns; those with the same keys in the same order are turned together."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(tuple(row), []).append(number)
    columns: Columns = {}
    for keys, numbers in alike.items():
        for key, values in zip(keys, zip(*(rows[number].values() for number in numbers), strict=True), strict=True):
            _put(columns.setdefault(key, [None] * len(rows)), numbers, values)
    return columns


def _put(column: list[Any], numbers: Sequence[int], values: tuple[Any, ...]) -> None:
    shared = values[:1] * len(values) if all_alike(values) else values  # one object instead of thousands
    if len(numbers) == len(column):
        column[:] = shared
        return
    for number, value in zip(numbers, shared, strict=True):
        column[number] = value


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def all_alike(values: Sequence[Any]) -> bool:
    """Tell whether all are the same simple value of one type: 1, 1.0 and true are three."""
    if not values or isinstance(values[0], list | dict):
        return False
    return values.count(values[0]) == len(values) and len(set(map(type, values))) == 1


def extend(whole: Columns, rows: int, more: Columns, count: int) -> None:
    """Append `count` rows to columns that have `rows`."""
    for name in [*whole, *(name for name in more if name not in whole)]:
        whole.setdefault(name, [None] * rows).extend(more.get(name) or [None] * count)


def picked(column: Sequence[Any], rows: Iterable[int]) -> list[Any]:
    """Return the values of some rows."""
    return list(map(column.__getitem__, rows))
