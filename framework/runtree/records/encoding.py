"""A column as bytes, so that tens of thousands of values are read in a millisecond: constants, floats, words, lists."""

import json
from array import array
from collections.abc import Hashable, Sequence
from typing import Any

from runtree.records.columns import all_alike

SIZES = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32))
NAN = float("nan")


def encode(column: Sequence[Any]) -> tuple[dict[str, Any], bytes]:
    """Return how a column is kept, and its bytes."""
    if all_alike(column):
        return {"kind": "same", "value": column[0]}, b""
    if set(map(type, column)) <= {float, type(None)} and not any(value != value for value in column):
        return {"kind": "floats"}, array("d", [NAN if value is None else value for value in column]).tobytes()
    keys = keys_of(column)
    codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    if 2 * len(codes) > len(column):
        return {"kind": "plain"}, json.dumps(column).encode()
    kind = next(letter for letter, most in SIZES if len(codes) <= most)
    words = [column[row] for row in _first_rows(keys, len(codes))]
    return {"kind": "words", "codes": kind, "words": words}, array(kind, map(codes.__getitem__, keys)).tobytes()


def decode(kept: dict[str, Any], content: bytes, rows: int) -> list[Any]:
    """Return the column; it fails with a ValueError, KeyError or TypeError where that is none."""
    kind = kept["kind"]
    if kind == "same":
        return [kept["value"]] * rows
    column: list[Any]
    if kind == "floats":
        numbers = array("d", content).tolist()
        column = [None if value != value else value for value in numbers]
    elif kind == "plain":
        column = json.loads(content)
    else:
        column = list(map(kept["words"].__getitem__, array(kept["codes"], content)))
    if len(column) != rows:
        raise ValueError(f"{len(column)} values for {rows} runs")
    return column


def keys_of(column: Sequence[Any]) -> list[Hashable]:
    """Return what stands for each value: equal where, and only where, value and type are."""
    kinds = set(map(type, column))
    if kinds <= {str, type(None)}:
        return list(column)
    if kinds & {list, dict}:
        return [(type(value), json.dumps(value)) for value in column]
    return [(type(value), value) for value in column]


def _first_rows(keys: Sequence[Hashable], many: int) -> list[int]:
    first: dict[Hashable, int] = {}
    for row, key in enumerate(keys):
        if key not in first:
            first[key] = row
            if len(first) == many:
                break
    return list(first.values())
