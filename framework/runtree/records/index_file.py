"""The file of the index: a header of JSON, then the columns one after the other. It is a cache, and may be deleted."""

import fcntl
import json
import logging
import os
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.records.encoding import decode, encode
from runtree.records.record import Stamp
from runtree.records.write import write_bytes

log = logging.getLogger(__name__)

NAME = ".runs.index"
SCHEMA = [1, sys.byteorder]
STAMPS = "stamps"


class DamagedIndex(Exception):
    """The index is not as it was written."""


@dataclass(frozen=True)
class Kept:
    """What the index tells of one place: its rows, and the sweep's stamp where every run of it is in them."""

    rows: range
    stamp: tuple[Stamp, Stamp] | None


@dataclass(frozen=True)
class Index:
    """An index that was read: its header; a column is read when it is asked for."""

    file: Path
    start: int
    rows: int
    kept: Mapping[str, Kept]
    columns: Mapping[str, Any]

    def column(self, name: str) -> list[Any]:
        """Return a column.

        Raises
        ------
        DamagedIndex
            It is not as it was written.
        """
        described = self.columns[name]
        try:
            return decode(described, self._content(described), self.rows)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DamagedIndex(f"{name}: {error}") from None

    def stamps(self) -> list[Stamp]:
        """Return the stamp of each row's run.json, as it was when it was read."""
        numbers = self.numbers()
        return list(zip(*(numbers[start::3] for start in range(3)), strict=True))

    def numbers(self) -> "array[int]":
        """Return the stamps one after the other, three numbers each."""
        numbers = array("Q")
        try:
            numbers.frombytes(self._content(self.columns[STAMPS]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedIndex(f"{STAMPS}: {error}") from None
        return numbers

    def _content(self, described: Mapping[str, Any]) -> bytes:
        if not described["size"]:
            return b""
        with self.file.open("rb", buffering=0) as file:
            content = os.pread(file.fileno(), described["size"], self.start + described["at"])
        if zlib.crc32(content) != described["sum"]:  # another index has been moved here, or the disk has erred
            raise ValueError("its checksum is another")
        return content


def read_index(outputs: Path) -> Index | None:
    """Return the index of an output folder; None where there is none that can be used."""
    try:
        with (outputs / NAME).open("rb") as file:
            head = file.readline()
            start = file.tell()
        told, _, checksum = head.rstrip(b"\n").rpartition(b" ")
        if checksum != b"%08x" % zlib.crc32(told):
            return None
        header = json.loads(told)
        return None if header["schema"] != SCHEMA else _index(outputs / NAME, start, header)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _index(file: Path, start: int, header: Mapping[str, Any]) -> Index:
    kept, row = {}, 0
    for name, count, stamp in header["places"]:
        one = None if stamp is None else (tuple(stamp[:3]), tuple(stamp[3:]))
        kept[name] = Kept(range(row, row + count), one)
        row += count
    return Index(file, start, row, kept, header["columns"])


def write_index(
    outputs: Path,
    counts: Sequence[tuple[str, int, tuple[Stamp, Stamp] | None]],
    stamps: Sequence[Stamp],
    columns: Mapping[str, Callable[[], Sequence[Any]]],
) -> bool:
    """Write the index aside and move it into place; where that cannot be, leave it. Tell whether it was written."""
    try:
        with _alone(outputs):
            for left in outputs.glob(f".{NAME}.*.part"):  # of a writer that died
                left.unlink(missing_ok=True)
            write_bytes(outputs / NAME, _content(counts, stamps, columns), durable=False)
    except OSError as error:  # a tree that is only read, a full disk, somebody else who writes: it is a cache
        log.debug("%s is not written (%s)", outputs / NAME, error)
        return False
    return True


def _content(
    counts: Sequence[tuple[str, int, tuple[Stamp, Stamp] | None]],
    stamps: Sequence[Stamp],
    columns: Mapping[str, Callable[[], Sequence[Any]]],
) -> bytes:
    described, contents, at = {}, [], 0
    kept: Iterator[tuple[str, dict[str, Any], bytes]] = ((name, *encode(make())) for name, make in columns.items())
    flat = array("Q", [number for stamp in stamps for number in stamp]).tobytes()
    for name, how, content in [*kept, (STAMPS, {}, flat)]:
        described[name] = {**how, "at": at, "size": len(content), "sum": zlib.crc32(content)}
        contents.append(content)
        at += len(content)
    listed = [[name, count, stamp and [*stamp[0], *stamp[1]]] for name, count, stamp in counts]
    head = json.dumps({"schema": SCHEMA, "places": listed, "columns": described}).encode()
    return b"".join([head, b" %08x\n" % zlib.crc32(head), *contents])


@contextmanager
def _alone(outputs: Path) -> Iterator[None]:
    """Hold the output folder itself: one writer at a time, and no file is left of it."""
    handle = os.open(outputs, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
