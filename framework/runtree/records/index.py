"""The file of the index: a header of JSON, then the columns one after the other. It is a cache, and may be deleted."""

import fcntl
import json
import logging
import os
import sys
import time
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, TypeVar

from runtree.contract.errors import NotFoundError
from runtree.contract.types import PARTS, RunRecord
from runtree.records.layout import SweepFolder
from runtree.records.record import (
    SUMMARY_FIELDS,
    FileStamp,
    JsonReader,
    RecordFile,
    fast_json_reader,
    file_stamp,
    read_record_file,
)
from runtree.records.writer import write_bytes

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
    stamp: tuple[FileStamp, FileStamp] | None


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

    def stamps(self) -> list[FileStamp]:
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
    counts: Sequence[tuple[str, int, tuple[FileStamp, FileStamp] | None]],
    stamps: Sequence[FileStamp],
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
    counts: Sequence[tuple[str, int, tuple[FileStamp, FileStamp] | None]],
    stamps: Sequence[FileStamp],
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


# --- What run.json files hold as columns: a list a name, one value a run, None where a run has nothing to tell.

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
    return [*SUMMARY_FIELDS, *told, *OBJECTIVE, "error:message"]


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
    columns = {key: top.get(key, nothing) for key in SUMMARY_FIELDS}
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


# --- A column as bytes, so that tens of thousands of values are read in a millisecond: constants, floats, words, lists.

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


# --- The walk over the output tree: where runs are, and marks by which a change is noticed without reading.

SETTLED = 2_000_000_000  # nanoseconds: of two changes closer than a file system's clock ticks one may go unnoticed


@dataclass(frozen=True)
class Place:
    """A folder below the output folder whose subfolders are runs: an experiment's, or `runs` of a sweep."""

    name: str
    sweep: bool
    runs: tuple[str, ...] = ()


def places(outputs: str) -> Iterator[Place]:
    """Yield every place, experiments and sweeps by name; the runs of a sweep are not looked at yet."""
    for experiment in subfolders(outputs):
        found = subfolders(f"{outputs}/{experiment}")
        yield Place(experiment, False, tuple(name for name in found if not name.endswith("-sweep")))
        for name in found:
            if name.endswith("-sweep"):
                yield Place(f"{experiment}/{name}/runs", True)


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder, sorted; one that cannot be looked into is a warning."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("%s: cannot be looked into (%s)", folder, error.strerror)
        return []


def is_settled(stamp: FileStamp, now: int) -> bool:
    """Tell whether the last change is so long ago that the next one will show."""
    return stamp[0] < now - SETTLED


def sweep_stamp(runs: str, now: int) -> tuple[FileStamp, FileStamp] | None:
    """Return what is other after anybody worked on a sweep: its ledger, and the folder of its runs.

    Whoever works on a sweep holds its lock, and tells the ledger what became of each run. None while somebody does,
    and where a change may go unnoticed.
    """
    sweep = SweepFolder(Path(runs).parent)
    try:
        stamps = file_stamp(sweep.ledger.stat()), file_stamp(sweep.runs.stat())
    except OSError:
        return None
    settled = all(is_settled(stamp, now) for stamp in stamps)
    return stamps if settled and sweep.holder() is None else None  # asked last: who begins later changes the ledger


# --- Runs that were read from the tree, few as they are or many as columns.

HELD = 501  # runs: of so many, what is read is not held as it is, which takes 15 kB each and misses every cache
BATCH = 500  # of them become columns at once, while they are still in the processor's cache


@dataclass
class Fresh:
    """Runs that were read from the tree: held as they are while they are few, else as columns."""

    names: list[tuple[str, str]] = field(default_factory=list)
    stamps: list[FileStamp] = field(default_factory=list)
    lasting: list[bool] = field(default_factory=list)
    held: list[RecordFile] = field(default_factory=list)
    columns: Columns = field(default_factory=dict)

    def add(self, place: str, name: str, found: RecordFile, now: int) -> None:
        """Take a run; it lasts where it has ended, and so long ago that a change would show."""
        self.names.append((place, name))
        self.stamps.append(found.stamp)
        self.lasting.append(found.ended and is_settled(found.stamp, now))
        self.held.append(found)
        if len(self.held) >= (BATCH if self.columns else HELD):
            self.turn()

    def turn(self) -> None:
        """Turn what is held into columns."""
        more = columns_of([one.content for one in self.held])
        extend(self.columns, len(self.names) - len(self.held), more, len(self.held))
        self.held = []

    def whole(self) -> "Fresh":
        """Return this as it is to be asked: all held, or all in columns."""
        if self.columns:
            self.turn()
        return self

    def prepare(self) -> None:
        """Make all columns at once; what is held stays."""
        if self.held and not self.columns:
            self.columns = columns_of([one.content for one in self.held])

    def column_names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.columns) or (
            column_names([one.content for one in self.held]) if self.held else list(SUMMARY_FIELDS)
        )

    def column(self, key: str) -> list[Any]:
        """Return a column."""
        if self.held and not self.columns:
            return column_of([one.content for one in self.held], key)
        return self.columns.get(key) or [None] * len(self.names)


# --- Every run below an output folder, as columns: from the index where nothing has changed, else from the tree.

ENOUGH = 200  # runs that the index does not know: to read more of them each time costs more than to write it anew
MANY = 100  # runs that are read: for more of them it pays to load a quicker reader
Answer = TypeVar("Answer")


class ChangedMeanwhile(Exception):
    """A run that was to be shown is not what the index told of it."""


@dataclass(frozen=True)
class Found:
    """What the walk found in one place: rows of the index that still hold, runs that were read, the sweep's stamp."""

    place: str
    old: Sequence[int]
    new: range
    stamp: tuple[FileStamp, FileStamp] | None


class RunIndex:
    """Every run below an output folder; a row is a run."""

    def __init__(self, outputs: Path, index: Index | None, found: Sequence[Found], fresh: Fresh) -> None:
        self.outputs, self.index, self.found, self.fresh = outputs, index, found, fresh
        self.old = [row for one in found for row in one.old]
        self._columns: Columns = {}

    def __len__(self) -> int:
        return len(self.old) + len(self.fresh.names)

    def column_names(self) -> list[str]:
        """Return the names of the columns, as `records/columns.py` gives them."""
        known = [name for name in (self.index.columns if self.index else ()) if ":" in name or name in SUMMARY_FIELDS]
        return list(dict.fromkeys([*known, *self.fresh.column_names()])) if self.old else self.fresh.column_names()

    def names(self) -> set[str]:
        """Return the full names by which runs are sorted and filtered: fields, metrics of a part, config paths."""
        told = [key.partition(":") for key in self.column_names()]
        return {*SUMMARY_FIELDS, *(name for kind, _, name in told if kind in ("config", "metrics"))}

    def value(self, name: str) -> list[Any]:
        """Return what each run holds under a full name; None where it holds nothing."""
        if name in SUMMARY_FIELDS:
            return self.column(name)
        settings = self.column(f"config:{name}")
        if name.partition(".")[0] not in PARTS:
            return settings
        metrics = self.column(f"metrics:{name}")
        return [metric if one is None else one for one, metric in zip(settings, metrics, strict=True)]

    def column(self, key: str) -> list[Any]:
        """Return a column."""
        if key not in self._columns:
            old = self.index.column(key) if self.old and self.index and key in self.index.columns else None
            before = [None] * len(self.old) if old is None else self._kept(old)
            self._columns[key] = before + self.fresh.column(key)
        return self._columns[key]

    def _kept(self, column: list[Any]) -> list[Any]:
        return column if len(self.old) == len(column) else picked(column, self.old)

    def folders(self) -> list[str]:
        """Return each run's folder, below the output folder."""
        places = [one.place for one in self.found for _ in one.old]
        old = zip(places, self.column("name")[: len(self.old)], strict=True) if self.old else ()
        return [f"{place}/{name}" for place, name in (*old, *self.fresh.names)]

    def folder(self, row: int) -> str:
        """Return one run's folder, below the output folder."""
        if row >= len(self.old):
            return "/".join(self.fresh.names[row - len(self.old)])
        starts = list(accumulate((len(one.old) for one in self.found), initial=0))
        return f"{self.found[min(bisect_right(starts, row), len(self.found)) - 1].place}/{self.column('name')[row]}"

    def stamps(self) -> list[FileStamp]:
        """Return the stamps of the index's rows."""
        return self.index.stamps() if self.index and self.old else []

    def take(self, rows: Iterable[int]) -> list[RunRecord]:
        """Return the records of some rows, read from the tree.

        Raises
        ------
        ChangedMeanwhile
            The tree is not as the index told; ask again without it.
        """
        numbers = self.index.numbers() if self.index and self.old else ()
        taken = []
        for row in rows:
            number = row - len(self.old)
            if number >= 0 and self.fresh.held:
                taken.append(self.fresh.held[number].record())
                continue
            try:
                found = read_record_file(f"{self.outputs}/{self.folder(row)}")
            except NotFoundError as error:
                if number < 0:
                    raise ChangedMeanwhile from None
                log.warning("%s", error.message)
                continue
            if number < 0 and found.stamp != tuple(numbers[3 * self.old[row] : 3 * self.old[row] + 3]):
                raise ChangedMeanwhile
            taken.append(found.record())
        return taken


def query_index(outputs: Path, question: Callable[[RunIndex], Answer], each: bool = False) -> Answer:
    """Answer a question about all runs: by the index, and by the tree alone where that turns out to be wrong.

    `each` is for answers that are not taken from the tree in the end: `list_runs` tells what it does.
    """
    try:
        return question(open_index(outputs, each=each))
    except (ChangedMeanwhile, DamagedIndex):
        return question(open_index(outputs, trust=False))


def open_index(outputs: Path, trust: bool = True, each: bool = False) -> RunIndex:
    """Walk over the tree; what the index tells of a run holds as long as its run.json has the same stamp.

    Of a sweep on which nobody works, its ledger and the folder of its runs are looked at, and with `each` every run
    too. What cannot be read is one warning. Where the index lacks many runs it is written anew, if it can be.
    """
    now, index, fresh = time.time_ns(), read_index(outputs) if trust else None, Fresh()
    look = Look(str(outputs), now, index, fresh, each)
    found = [look(place) for place in places(str(outputs))]
    runs = RunIndex(outputs, index, found, fresh.whole())
    if look.unknown + (index.rows - len(runs.old) if index else 0) >= ENOUGH or (not trust and fresh.names):
        rewrite(runs)
    return runs


class Look:
    """What is looked at in a place."""

    def __init__(self, outputs: str, now: int, index: Index | None, fresh: Fresh, each: bool) -> None:
        self.outputs, self.now, self.index, self.fresh, self.each = outputs, now, index, fresh, each
        self.unknown = 0  # runs that the index ought to know
        self._parse: JsonReader = json.loads
        self._names: list[str] = []
        self._stamps: list[FileStamp] = []

    def __call__(self, place: Place) -> Found:
        """Return which rows of the index still hold there; what they do not tell is read."""
        path = f"{self.outputs}/{place.name}"
        stamp = sweep_stamp(path, self.now) if place.sweep else None
        known = self.index.kept.get(place.name) if self.index else None
        before = len(self.fresh.names)
        if known and stamp and known.stamp == stamp and not self.each:
            return Found(place.name, known.rows, range(before, before), stamp)
        names = subfolders(path) if place.sweep else place.runs
        old, whole = [], True
        rows = self._rows(known)
        for name in names:
            row = rows.get(name)
            if row is not None and self._stamps[row] == _stamp(f"{path}/{name}/run.json"):
                old.append(row)
            else:
                whole &= self._read(place, name)
        new = range(before, len(self.fresh.names))
        self.unknown += sum(self.fresh.lasting[before:])
        if stamp and whole and known and known.stamp is None and not new:
            self.unknown += len(old)  # the sweep has ended: from now on its runs need not be looked at
        return Found(place.name, old, new, stamp if whole else None)

    def _rows(self, known: Kept | None) -> dict[str, int]:
        if known is None or self.index is None:
            return {}
        if not self._names:
            self._names, self._stamps = self.index.column("name"), self.index.stamps()
        return dict(zip(self._names[known.rows.start : known.rows.stop], known.rows, strict=True))

    def _read(self, place: Place, name: str) -> bool:
        """Read a run; tell whether the index may hold it."""
        path = f"{self.outputs}/{place.name}/{name}"
        if len(self.fresh.names) == MANY:
            self._parse = fast_json_reader()
        try:
            self.fresh.add(place.name, name, read_record_file(path, self._parse), self.now)
        except NotFoundError as error:
            if place.sweep or os.path.lexists(f"{path}/run.json") or os.path.lexists(f"{path}/config.yaml"):
                log.warning("%s", error.message)
                return False
            return not place.sweep  # a folder of somebody else's
        return self.fresh.lasting[-1]


def _stamp(file: str) -> FileStamp | None:
    try:
        return file_stamp(os.stat(file))  # noqa: PTH116  a path for each costs more than the look
    except OSError:
        return None


def rewrite(runs: RunIndex) -> bool:
    """Write the index of what will last, place by place; tell whether it was written."""
    runs.fresh.prepare()
    old, shift, lasting = iter(range(len(runs.old))), len(runs.old), runs.fresh.lasting
    rows, counts = [], []
    for one in runs.found:
        own = [next(old) for _ in one.old] + [shift + number for number in one.new if lasting[number]]
        rows += own
        counts.append((one.place, len(own), one.stamp))
    stamps = picked([*picked(runs.stamps(), runs.old), *runs.fresh.stamps], rows)
    names = [folder.rpartition("/")[2] for folder in runs.folders()]
    columns: dict[str, Callable[[], Sequence[Any]]] = {"name": lambda: picked(names, rows)}
    for key in runs.column_names():
        columns[key] = lambda key=key: picked(runs.column(key), rows)  # type: ignore[misc]
    return write_index(runs.outputs, counts, stamps, columns)
