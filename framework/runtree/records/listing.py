"""Every run below an output folder, as columns: from the index where nothing has changed, else from the tree."""

import json
import logging
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from runtree.contract.errors import NotFoundError
from runtree.contract.types import PARTS, RunRecord
from runtree.records.columns import Columns, picked
from runtree.records.fresh import Fresh
from runtree.records.index_file import DamagedIndex, Index, Kept, read_index, write_index
from runtree.records.parse import Reader, quick_reader
from runtree.records.query import FIELDS
from runtree.records.record import Stamp, read_stamped, stamp_of
from runtree.records.walk import Place, places, subfolders, sweep_stamp

log = logging.getLogger(__name__)

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
    stamp: tuple[Stamp, Stamp] | None


class Runs:
    """Every run below an output folder; a row is a run."""

    def __init__(self, outputs: Path, index: Index | None, found: Sequence[Found], fresh: Fresh) -> None:
        self.outputs, self.index, self.found, self.fresh = outputs, index, found, fresh
        self.old = [row for one in found for row in one.old]
        self._columns: Columns = {}

    def __len__(self) -> int:
        return len(self.old) + len(self.fresh.names)

    def column_names(self) -> list[str]:
        """Return the names of the columns, as `records/columns.py` gives them."""
        known = [name for name in (self.index.columns if self.index else ()) if ":" in name or name in FIELDS]
        return list(dict.fromkeys([*known, *self.fresh.column_names()])) if self.old else self.fresh.column_names()

    def names(self) -> set[str]:
        """Return the full names by which runs are sorted and filtered: fields, metrics of a part, config paths."""
        told = [key.partition(":") for key in self.column_names()]
        return {*FIELDS, *(name for kind, _, name in told if kind in ("config", "metrics"))}

    def value(self, name: str) -> list[Any]:
        """Return what each run holds under a full name; None where it holds nothing."""
        if name in FIELDS:
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

    def stamps(self) -> list[Stamp]:
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
                found = read_stamped(f"{self.outputs}/{self.folder(row)}")
            except NotFoundError as error:
                if number < 0:
                    raise ChangedMeanwhile from None
                log.warning("%s", error.message)
                continue
            if number < 0 and found.stamp != tuple(numbers[3 * self.old[row] : 3 * self.old[row] + 3]):
                raise ChangedMeanwhile
            taken.append(found.record())
        return taken


def ask(outputs: Path, question: Callable[[Runs], Answer], each: bool = False) -> Answer:
    """Answer a question about all runs: by the index, and by the tree alone where that turns out to be wrong.

    `each` is for answers that are not taken from the tree in the end: `list_runs` tells what it does.
    """
    try:
        return question(list_runs(outputs, each=each))
    except (ChangedMeanwhile, DamagedIndex):
        return question(list_runs(outputs, trust=False))


def list_runs(outputs: Path, trust: bool = True, each: bool = False) -> Runs:
    """Walk over the tree; what the index tells of a run holds as long as its run.json has the same stamp.

    Of a sweep on which nobody works, its ledger and the folder of its runs are looked at, and with `each` every run
    too. What cannot be read is one warning. Where the index lacks many runs it is written anew, if it can be.
    """
    now, index, fresh = time.time_ns(), read_index(outputs) if trust else None, Fresh()
    look = Look(str(outputs), now, index, fresh, each)
    found = [look(place) for place in places(str(outputs))]
    runs = Runs(outputs, index, found, fresh.whole())
    if look.unknown + (index.rows - len(runs.old) if index else 0) >= ENOUGH or (not trust and fresh.names):
        rewrite(runs)
    return runs


class Look:
    """What is looked at in a place."""

    def __init__(self, outputs: str, now: int, index: Index | None, fresh: Fresh, each: bool) -> None:
        self.outputs, self.now, self.index, self.fresh, self.each = outputs, now, index, fresh, each
        self.unknown = 0  # runs that the index ought to know
        self._parse: Reader = json.loads
        self._names: list[str] = []
        self._stamps: list[Stamp] = []

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
            self._parse = quick_reader()
        try:
            self.fresh.add(place.name, name, read_stamped(path, self._parse), self.now)
        except NotFoundError as error:
            if place.sweep or os.path.lexists(f"{path}/run.json") or os.path.lexists(f"{path}/config.yaml"):
                log.warning("%s", error.message)
                return False
            return not place.sweep  # a folder of somebody else's
        return self.fresh.lasting[-1]


def _stamp(file: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(file))  # noqa: PTH116  a path for each costs more than the look
    except OSError:
        return None


def rewrite(runs: Runs) -> bool:
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
