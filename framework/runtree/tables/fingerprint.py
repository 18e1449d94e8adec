"""The fingerprint of a table, a sketch of its rows by which a later table is compared with it, and the pinned one."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_BLOCKS = 128  # of rows in a sketch
MASK = (1 << 64) - 1
SHOWN = 12  # digits of a fingerprint in a message


def hash_table(features: "pd.DataFrame", target: "pd.Series[Any]") -> tuple[str, dict[str, Any]]:
    """Return the fingerprint of a table, and a sketch of its rows; see `TableHash`."""
    table = TableHash()
    table.update(features, target)
    return table.fingerprint, table.sketch


class TableHash:
    """The fingerprint of a table and a sketch of its rows, of one that is read whole or in batches alike.

    The fingerprint is sha256 over one of each column: its name, type, and pandas' hashes of its rows. The sketch has a
    hash of each column and of each block of rows, at most `MAX_BLOCKS`. Blocks have a power of two rows, and the hash
    of a block is a sum, so that the sketch of a table can be compared with that of one that has grown.
    """

    def __init__(self) -> None:
        self.rows, self._size = 0, 1
        self._digests: dict[int, Any] = {}
        self._columns: dict[str, int] = {}
        self._blocks: list[int] = []

    def update(self, features: "pd.DataFrame", target: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
        """Add the rows that follow, and return a hash of the features of each, by which equal rows are found."""
        import numpy as np

        count, rows = len(target), np.zeros(len(target), dtype=np.uint64)
        total = np.zeros(count, dtype=np.uint64)
        numbers = np.arange(self.rows, self.rows + count, dtype=np.uint64)
        with np.errstate(over="ignore"):
            positions = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
            # the NUL keeps the target apart from a feature of the same name
            for place, (name, column) in enumerate([*features.items(), ("\0target", target)]):
                if place not in self._digests:
                    self._digests[place] = hashlib.sha256()
                    # the dtype is hashed too, since the row hashes of an int8 and an int64 are equal
                    self._digests[place].update(f"{name}:{column.dtype}\n".encode())
                hashes = row_hashes(column)
                self._digests[place].update(hashes.tobytes())
                # by position: else two rows that change places would be as before
                mixed = (hashes ^ positions) * np.uint64(2 * place + 0x2545F4914F6CDD1D)
                key = str(column.name)
                self._columns[key] = (self._columns.get(key, 0) + int(mixed.sum(dtype=np.uint64))) & MASK
                total += mixed
                if place < features.shape[1]:
                    rows = _mix(rows, hashes)
        self.rows += count
        self._add_blocks(total, numbers)
        return rows

    def _add_blocks(self, total: "np.ndarray[Any, Any]", numbers: "np.ndarray[Any, Any]") -> None:
        import numpy as np

        while self.rows > self._size * MAX_BLOCKS:
            self._size *= 2
            pairs = range(0, len(self._blocks), 2)
            self._blocks = [sum(self._blocks[start : start + 2]) & MASK for start in pairs]
        if not len(total):
            return
        places = (numbers // np.uint64(self._size)).astype(np.int64)
        starts = np.flatnonzero(np.r_[True, np.diff(places) > 0])
        sums = np.add.reduceat(total, starts)
        for place, value in zip(places[starts].tolist(), sums.tolist(), strict=True):
            self._blocks += [0] * (place + 1 - len(self._blocks))
            self._blocks[place] = (self._blocks[place] + value) & MASK

    @property
    def fingerprint(self) -> str:
        """The hash of all rows so far."""
        whole = hashlib.sha256()
        for digest in self._digests.values():
            whole.update(digest.digest())
        return whole.hexdigest()

    @property
    def sketch(self) -> dict[str, Any]:
        """The sketch of all rows so far."""
        blocks = [f"{block:016x}" for block in self._blocks]
        return {"block": self._size, "rows": blocks, "columns": {k: f"{v:016x}" for k, v in self._columns.items()}}


def frame_fingerprint(frame: "pd.DataFrame") -> str:
    """Hash names, types and values of a table without a target."""
    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(f"{name}:{column.dtype}\n".encode())
        digest.update(row_hashes(column).tobytes())
    return digest.hexdigest()


def row_hashes(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    """Return a hash of each value; the same wherever and with whatever others it is read."""
    import numpy as np
    from pandas.util import hash_array, hash_pandas_object

    from runtree.tables.table import factorize_texts, holds_arrow_texts

    hashes: np.ndarray[Any, Any]
    if holds_arrow_texts(column):
        # as pandas does it, but for the distinct values, which are known already
        positions, texts = factorize_texts(column)
        hashes = hash_array(np.asarray(texts, dtype=object), categorize=False)
        return np.append(hashes, np.uint64(MASK)).take(positions)
    # row hashes instead of the values' bytes: text columns hold pointers, whose bytes differ in each process
    try:
        hashes = hash_pandas_object(column, index=False).to_numpy()
    except TypeError:  # lists and mappings, in a column that is left out
        hashes = hash_pandas_object(column.map(repr, na_action="ignore"), index=False).to_numpy()
    return hashes


def _mix(rows: "np.ndarray[Any, Any]", hashes: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    import numpy as np

    mixed: np.ndarray[Any, Any] = (rows ^ hashes) * np.uint64(0x9E3779B97F4A7C15)
    return mixed


# --- Comparing with an earlier table: what changed shows from the sketches, without the rows of either.


def equal_beginning(before: Mapping[str, Any], now: Mapping[str, Any], rows: int) -> int:
    """Return how many of the first `rows` rows two tables with the same columns share, as far as blocks can tell."""
    size = max(int(before["block"]), int(now["block"]))
    one, two = (_coarser(sketch, size) for sketch in (before, now))
    same = next((place for place, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return min(same * size, rows)


def _coarser(sketch: Mapping[str, Any], size: int) -> list[int]:
    blocks = [int(block, 16) for block in sketch["rows"]]
    step = size // int(sketch["block"])
    return [sum(blocks[start : start + step]) & MASK for start in range(0, len(blocks), step)]


def check_pin(
    pin: str | int, fingerprint: str, now: Mapping[str, Any], find: Callable[[], Mapping[str, Any] | None]
) -> None:
    """Refuse a table that is not the pinned one, and say what changed.

    Parameters
    ----------
    pin
        `data.fingerprint`: the beginning of a fingerprint.
    now
        The description of this table as `data.json` has it.
    find
        Returns that of the pinned table; None if no run has used it.
    """
    if fingerprint.startswith(str(pin).lower()):
        return
    if not re.fullmatch(r"[0-9a-fA-F]{6,64}", str(pin)):
        raise DataError(
            f"data.fingerprint: '{pin}' is not a fingerprint: 6 to 64 hexadecimal digits",
            f"that of this table: {pin_override(fingerprint)}",
        )
    says = f"data.fingerprint: the table is not {str(pin)[:SHOWN]}, but {fingerprint[:SHOWN]}"
    before = find()
    changes = describe_changes(before, now) if before else ["no run in this folder has used the pinned table"]
    changes = changes or ["rows and columns are as before; the parts, or the files that rows name, are not"]
    raise DataError(says, *changes[:3], f"if the new one is meant, type: {pin_override(fingerprint)}")


def pin_override(fingerprint: str) -> str:
    """Return the override that pins a fingerprint; so many digits that YAML takes it for no number."""
    digits = SHOWN
    while re.fullmatch(r"\d+(e\d+)?", fingerprint[:digits]) and digits < len(fingerprint):
        digits += 1
    return f"data.fingerprint={fingerprint[:digits]}"


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what changed between two tables, in at most four sentences: columns, types, rows, values."""
    one, two = (_types(description) for description in (before, now))
    gone, new = [name for name in one if name not in two], [name for name in two if name not in one]
    changed = [name for name in one if name in two and one[name] != two[name]]
    says = []
    if gone or new:
        lists = [f"without {_quoted(gone)}"] * bool(gone) + [f"with {_quoted(new)}"] * bool(new)
        says.append(f"columns: {' and '.join(lists)}")
    elif list(one) != list(two):
        moved = next(name for name, other in zip(two, one, strict=True) if name != other)
        says.append(f"columns: in another order, from '{moved}' on")
    if changed:
        first = changed[0]
        more = f", and of {len(changed) - 1} more" if len(changed) > 1 else ""
        says.append(f"types: '{first}' was {one[first]} and is {two[first]}{more}")
    rows = describe_rows(before, now, same_columns=list(one) == list(two) and not changed)
    return says + ([rows] if rows else [])


def describe_rows(before: Mapping[str, Any], now: Mapping[str, Any], same_columns: bool = True) -> str:
    """Return ``rows: 120 added, the first 1,000 are as before``, or where the first rows differ."""
    one, two = int(before.get("rows", 0)), int(now.get("rows", 0))
    counts = "" if one == two else f"{abs(two - one):,} {'added' if two > one else 'fewer'}"
    if not same_columns or not before.get("sketch") or not now.get("sketch"):
        return f"rows: {counts}" if counts else ""
    equal = equal_beginning(before["sketch"], now["sketch"], min(one, two))
    size = max(int(before["sketch"]["block"]), int(now["sketch"]["block"]))
    if one == two and equal >= one:
        return ""
    # the last block of the shorter table may be only a part of one of the longer
    if min(one, two) - equal < size and one != two:
        return f"rows: {counts}, the first {equal:,} are as before"
    values = [name for name, mark in before["sketch"]["columns"].items() if now["sketch"]["columns"].get(name) != mark]
    where = f"row {equal + 1:,}" if size == 1 else f"rows {equal + 1:,} to {min(equal + size, max(one, two)):,}"
    what = f" (values of {_quoted(values)})" if one == two and len(values) < len(before["sketch"]["columns"]) else ""
    return f"rows: {counts}{', ' if counts else ''}the first that differs is {'in ' if size > 1 else ''}{where}{what}"


def _types(description: Mapping[str, Any]) -> dict[str, str]:
    target = description.get("target") or {}
    columns = {str(column["name"]): str(column["dtype"]) for column in description.get("columns") or []}
    return {**columns, **({str(target["name"]): str(target["dtype"])} if "name" in target else {})}


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:4]) + (f", … ({len(names)} in all)" if len(names) > 4 else "")
