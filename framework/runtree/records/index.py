"""The index: a sqlite cache of all run records below an output folder, so that a listing need not read each of them.

The tree is the only truth. The file may be deleted at any time; it is rebuilt if it is missing, damaged or of another
schema version. It is written aside and renamed, and readers open it as immutable: no process waits for another, and a
reader keeps the file that it opened. docs/decisions/0022-sqlite-index.md has the reasons and the figures.
"""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from runtree.contract.errors import NotFoundError
from runtree.contract.expression import Expression, add_functions
from runtree.contract.types import RunRecord
from runtree.records.index_builder import (
    SCHEMA_VERSION,
    IndexBuilder,
    next_row,
    open_in_memory,
    stamp_text,
    write_index,
)
from runtree.records.layout import INDEX_NAME
from runtree.records.record import (
    SUMMARY_FIELDS,
    FileStamp,
    JsonReader,
    RecordFile,
    fast_json_reader,
    read_record_file,
)
from runtree.records.scan import RunsFolder, find_runs_folders, is_settled, list_subfolders, read_stamp, sweep_stamp
from runtree.tables.places import table_name

log = logging.getLogger(__name__)

# Reading this many changed runs each time costs more than rewriting the index, about 0.1 s for 50,000 runs.
MIN_CHANGES_TO_WRITE = 200
MIN_RUNS_FOR_FAST_JSON = 100  # importing msgspec pays from here on
MAX_RECORDS_IN_MEMORY = 500
MAX_COLUMNS_AT_ONCE = 20  # of a scan: it bounds how many values are in memory at once

FINGERPRINT = "fingerprint"
TABLE = "table"  # the name of a run's table, which follows from these keys
TABLE_KEYS = ("data.name", "data.path", "data.table")
NEWEST_FIRST = "run_0.started DESC, run_0.id DESC"
Result = TypeVar("Result")


class StaleIndexError(Exception):
    """The tree is not as the index describes it."""


@dataclass
class Changes:
    """The difference between the tree and an index.

    Attributes
    ----------
    stale
        Rows whose run has changed or is gone.
    unread
        Runs to read: place and subfolder.
    stamps
        For each place the sweep's stamps, None for an experiment or a sweep in which a change could go unnoticed.
    unstamped
        Rows of sweeps that have ended since the index was written. Once it is rewritten, their runs are no longer
        checked one by one.
    """

    stale: list[int] = field(default_factory=list)
    unread: list[tuple[RunsFolder, str]] = field(default_factory=list)
    stamps: dict[str, tuple[FileStamp, FileStamp] | None] = field(default_factory=dict)
    unstamped: int = 0


class RunIndex:
    """All runs below an output folder. A row is the integer key of a run.

    The value of a run is stored under a key: a summary field (``state``), or a section and a name (``config:seed``,
    ``metrics:test.f1``, ``fingerprint:data``, ``objective:metric``, ``error:message``). Users type full names: a
    summary field, a metric of a split, a config path.
    """

    def __init__(self, outputs: Path, connection: sqlite3.Connection) -> None:
        self.outputs = outputs
        self.connection = connection
        # functions are registered by connection and are not stored in the file
        add_functions(connection)
        connection.create_function("runtree_table", 3, table_name, deterministic=True)
        self._columns = {
            key: (plain, boolean) for key, plain, boolean in connection.execute("SELECT key, plain, boolean FROM key")
        }
        self._values: dict[str, dict[int, Any]] = {}
        self._rows: list[int] = []
        self.fresh_from = 0  # rows from here on were read by this process, all others by the one that wrote the index
        self.fresh: dict[int, RecordFile] = {}

    def __enter__(self) -> "RunIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def __len__(self) -> int:
        count: int = self.connection.execute("SELECT count(*) FROM run_0").fetchone()[0]
        return count

    def keys(self, section: str | None = None) -> list[str]:
        """Return all keys, or the names in one section."""
        if section is None:
            return list(self._columns)
        return [key.removeprefix(f"{section}:") for key in self._columns if key.startswith(f"{section}:")]

    def names(self) -> set[str]:
        """Return the full names that conditions and sorting accept."""
        fingerprints = (f"{FINGERPRINT}.{name}" for name in self.keys(FINGERPRINT))
        return {*SUMMARY_FIELDS, TABLE, *self.keys("config"), *self.keys("metrics"), *fingerprints}

    def rows(
        self,
        conditions: Sequence[Expression] = (),
        experiment: str | None = None,
        sort: str | None = None,
        descending: bool = True,
        limit: int | None = None,
    ) -> list[int]:
        """Return the rows for which all conditions hold, sorted by a full name.

        Among equals the newest run comes first; runs without a value come last in both directions.
        """
        where, parameters, names = self._where(conditions, experiment)
        order = ["run_0.row"]
        if sort is not None:
            value = self._sql(sort) or "NULL"
            names.append(sort)
            # SQLite sorts NULL before all values, so IS NULL is the first key; the id makes the order total
            order = [f"{value} IS NULL", f"{value} {'DESC' if descending else 'ASC'}", NEWEST_FIRST]
        # only columns of the index and literals of this file are in the text; what the user typed is a parameter
        sql = f"SELECT run_0.row FROM {self._tables(names)} WHERE {where} ORDER BY {', '.join(order)} LIMIT ?"
        return [row for (row,) in self.connection.execute(sql, [*parameters, -1 if limit is None else limit])]

    def count(self, conditions: Sequence[Expression] = (), experiment: str | None = None) -> int:
        """Return for how many runs all conditions hold."""
        where, parameters, names = self._where(conditions, experiment)
        sql = f"SELECT count(*) FROM {self._tables(names)} WHERE {where}"
        count: int = self.connection.execute(sql, parameters).fetchone()[0]
        return count

    def distinct(self, name: str, limit: int = -1) -> list[Any]:
        """Return the different values under a full name."""
        value = self._sql(name)
        if value is None:
            return [None]
        sql = f"SELECT DISTINCT {value}, {self._boolean(name)} FROM {self._tables([name])} LIMIT ?"
        return [_decode(value, boolean) for value, boolean in self.connection.execute(sql, (limit,))]

    def directions(self) -> dict[str, str]:
        """Return the direction of each metric that runs are ranked by."""
        # FIXED_KEYS exist in every index, so these columns need no check
        keys = [f"{self._columns[f'objective:{name}'][0]}" for name in ("metric", "direction")]
        pairs = self.connection.execute(f"SELECT DISTINCT {', '.join(keys)} FROM run_0")
        return {metric: direction for metric, direction in pairs if metric is not None}

    def column(self, key: str) -> dict[int, Any]:
        """Return the value of each row under a key; it is kept for the next call."""
        if key not in self._values:
            # the order of rows is the same for all columns, so it is read once
            self._rows = self._rows or self.rows()
            self._values[key] = dict(zip(self._rows, dict(self.columns([key]))[key], strict=True))
        return self._values[key]

    def columns(self, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield each key with its values in the order of `rows()`; several columns are read in one scan."""
        count = len(self)
        for start in range(0, len(keys), MAX_COLUMNS_AT_ONCE):
            pairs = {key: self._columns.get(key, (None, None)) for key in keys[start : start + MAX_COLUMNS_AT_ONCE]}
            used = [column for pair in pairs.values() for column in pair if column is not None]
            sql = f"SELECT {', '.join(used) or '1'} FROM {self._join(map(_table_of, used))} ORDER BY run_0.row"
            # transposed: SQLite yields rows, and types are decoded column by column
            columns = zip(*self.connection.execute(sql), strict=True)
            # without any row zip yields nothing, hence strict=False
            by_column: dict[str | None, Any] = dict(zip(used, columns, strict=False))
            for key, (plain, boolean) in pairs.items():
                yield key, _decode_column(by_column.get(plain), by_column.get(boolean), count)

    def folders(self) -> dict[int, str]:
        """Return the folder of each row, relative to the outputs."""
        sql = "SELECT run_0.row, place.name || '/' || run_0.folder FROM run_0 JOIN place ON place.id = run_0.place"
        return dict(self.connection.execute(f"{sql} ORDER BY 1").fetchall())

    def folder(self, row: int) -> str:
        """Return the folder of one row, relative to the outputs."""
        sql = "SELECT place.name, run_0.folder FROM run_0 JOIN place ON place.id = run_0.place WHERE run_0.row = ?"
        return "/".join(self.connection.execute(sql, (row,)).fetchone())

    def read_records(self, rows: Iterable[int]) -> list[RunRecord]:
        """Read the records of some rows from the tree. One that is unreadable by now is a warning, and left out.

        Raises
        ------
        StaleIndexError
            A run is not as the index describes it: ask again without the index.
        """
        records = []
        for row in rows:
            if row in self.fresh:
                records.append(self.fresh[row].record())
                continue
            # a row that was read by this process may change before it is
            # shown; only one that came from the file proves it stale
            cached = row < self.fresh_from
            try:
                record_file = read_record_file(f"{self.outputs}/{self.folder(row)}")
            except NotFoundError as error:
                if cached:
                    raise StaleIndexError from None
                log.warning("%s", error.message)
                continue
            # the last check: what is shown was read from the tree, and is
            # what the filter and the order were computed from
            if cached and stamp_text(record_file.stamp) != self._stamp(row):
                raise StaleIndexError
            records.append(record_file.record())
        return records

    def _stamp(self, row: int) -> str:
        stamp: str = self.connection.execute("SELECT stamp FROM run_0 WHERE row = ?", (row,)).fetchone()[0]
        return stamp

    def _where(self, conditions: Sequence[Expression], experiment: str | None) -> tuple[str, list[Any], list[str]]:
        """Return the SQL of a WHERE clause, its parameters, and the full names that it reads."""
        # "1" is true: the clause is valid without conditions
        clauses, parameters, names = ["1"], list[Any](), list[str]()
        for condition in conditions:
            sql, values = condition.to_sql(self._sql)
            clauses.append(sql)
            parameters += values
            names += condition.names
        if experiment is not None:
            clauses.append(f"{self._sql('experiment')} = ?")
            parameters.append(experiment)
        return " AND ".join(clauses), parameters, names

    def _keys_of(self, name: str) -> list[str]:
        """Return the keys of a full name. A config path that is also the name of a metric comes first."""
        if name == TABLE:
            keys = [f"config:{key}" for key in TABLE_KEYS]
        elif name.startswith(f"{FINGERPRINT}."):
            keys = [name.replace(".", ":", 1)]
        else:
            keys = [name] if name in SUMMARY_FIELDS else [f"config:{name}", f"metrics:{name}"]
        return [key for key in keys if key in self._columns]

    def _sql(self, name: str) -> str | None:
        """Return the SQL of a full name, None if no run has it."""
        if name == TABLE:
            return f"runtree_table({', '.join(self._sql(key) or 'NULL' for key in TABLE_KEYS)})"
        columns = [column for key in self._keys_of(name) for column in self._columns[key] if column is not None]
        # of a plain and a boolean column at most one holds a value; a config path wins over a metric of the same name
        return columns[0] if len(columns) == 1 else f"COALESCE({', '.join(columns)})" if columns else None

    def _boolean(self, name: str) -> str:
        """Return the SQL that is not null if the value of a full name is a boolean."""
        if name == TABLE:
            return "NULL"
        return next((boolean for key in self._keys_of(name) if (boolean := self._columns[key][1])), "NULL")

    def _tables(self, names: Iterable[str]) -> str:
        columns = (column for name in names for key in self._keys_of(name) for column in self._columns[key])
        return self._join(_table_of(column) for column in columns if column is not None)

    def _join(self, tables: Iterable[str]) -> str:
        # LEFT JOIN: a run without a value in a further table has no row there
        joined = dict.fromkeys(table for table in tables if table != "run_0")
        return " ".join(["run_0", *(f"LEFT JOIN {table} USING (row)" for table in joined)])


def _table_of(column: str) -> str:
    return column.partition(".")[0]


def _decode(value: Any, boolean: Any) -> Any:
    if boolean is not None:
        return bool(boolean)
    return json.loads(value) if isinstance(value, bytes) else value


def _decode_column(plain: Sequence[Any] | None, boolean: Sequence[Any] | None, rows: int) -> Sequence[Any]:
    """Return Python's values of the two columns of a key; at most one of them holds a value in a row."""
    if plain is None:
        return [None] * rows if boolean is None else [flag if flag is None else bool(flag) for flag in boolean]
    if boolean is not None:
        return [_decode(value, flag) for value, flag in zip(plain, boolean, strict=True)]
    return [_decode(value, None) for value in plain] if bytes in set(map(type, plain)) else plain


def query_index(outputs: Path, query: Callable[[RunIndex], Result], verify_each: bool = False) -> Result:
    """Query all runs: in the index, or in the tree if the index turns out to be wrong.

    `verify_each` is for queries that do not read the records of the tree in the end: see `open_index`.
    """
    try:
        with open_index(outputs, verify_each=verify_each) as runs:
            return query(runs)
    except (StaleIndexError, sqlite3.DatabaseError) as error:
        log.debug("%s is not used (%s)", outputs / INDEX_NAME, error or "the tree has changed")
        # the query is repeated from the start: its result may have used stale rows already
        with open_index(outputs, use_cache=False) as runs:
            return query(runs)


def open_index(outputs: Path, use_cache: bool = True, verify_each: bool = False) -> RunIndex:
    """Compare the tree with the index file, read what has changed, and rewrite the file if that is much.

    A sweep that no process works on is checked by its ledger and its folder of runs; with `verify_each` each of its
    runs is checked, too. A run that cannot be read is one warning.
    """
    now = time.time_ns()
    cache = _open_cache(outputs) if use_cache else None
    changes = find_changes(str(outputs), cache, now, verify_each)
    # the usual case: nothing has changed, and SQLite reads only the pages that the question needs
    if cache is not None and not changes.stale and not changes.unread and changes.unstamped < MIN_CHANGES_TO_WRITE:
        runs = RunIndex(outputs, cache)
        runs.fresh_from = next_row(cache)
        return runs
    builder = IndexBuilder(open_in_memory(cache))
    builder.delete(changes.stale)
    first, held = builder.next_row, dict[int, RecordFile]()
    # msgspec takes a third of the time of json, but must be imported
    parse: JsonReader = fast_json_reader() if len(changes.unread) >= MIN_RUNS_FOR_FAST_JSON else json.loads
    for place, name in changes.unread:
        path = f"{outputs}/{place.name}/{name}"
        try:
            record_file = read_record_file(path, parse)
        except NotFoundError as error:
            # a folder without any file of a run in an experiment belongs to someone else, and is no fault
            if place.is_sweep or any(os.path.lexists(f"{path}/{file}") for file in ("run.json", "config.yaml")):
                log.warning("%s", error.message)
                changes.stamps[place.name] = None  # so that the warning returns next time
            continue
        # a run that has not ended, or ended only now, may change without a visible change of its stamp
        lasting = record_file.ended and is_settled(record_file.stamp, now)
        if not lasting:
            changes.stamps[place.name] = None
        row = builder.add(place.name, name, record_file, lasting)
        # a record in memory is 15 kB: of a cold walk over 50,000 runs nothing is kept
        if len(changes.unread) <= MAX_RECORDS_IN_MEMORY:
            held[row] = record_file
    builder.flush()
    if len(changes.stale) + builder.lasting + changes.unstamped >= MIN_CHANGES_TO_WRITE:
        write_index(outputs, builder, changes.stamps)
    runs = RunIndex(outputs, builder.connection)
    runs.fresh_from, runs.fresh = first, held
    return runs


def _open_cache(outputs: Path) -> sqlite3.Connection | None:
    """Open the index file read-only, None if there is none of this schema version."""
    file = outputs / INDEX_NAME
    if not file.is_file():
        return None
    try:
        # immutable: SQLite takes no lock, looks for no journal, and works where nothing can be written. It is true,
        # because a file is only ever replaced by another one.
        location = f"file:{quote(os.fsencode(file.absolute()))}?mode=ro&immutable=1"
        connection = sqlite3.connect(location, uri=True, isolation_level=None)
        # another version is no damage: an older or newer runtree works in the same folder
        if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            # SQLite opens any file without reading it: a query shows
            # whether it is a database, and whether it has the tables
            connection.execute("SELECT count(*) FROM place").fetchone()
            return connection
        connection.close()
    except sqlite3.Error as error:
        log.debug("%s is not used (%s)", file, error)
    return None


def find_changes(outputs: str, cache: sqlite3.Connection | None, now: int, verify_each: bool) -> Changes:
    """Walk over the tree and compare its stamps with those of the index."""
    known: dict[str, tuple[int, str | None]] = {}
    if cache is not None:
        known = {name: (key, stamp) for key, name, stamp in cache.execute("SELECT id, name, stamp FROM place")}
    changes = Changes()
    for place in find_runs_folders(outputs):
        path = f"{outputs}/{place.name}"
        stamp = sweep_stamp(path, now) if place.is_sweep else None
        changes.stamps[place.name] = stamp
        # popped, so that what is left at the end are places that no longer exist
        key, known_stamp = known.pop(place.name, (None, None))
        unchanged = stamp is not None and known_stamp == stamp_text(stamp[0] + stamp[1])
        if unchanged and not verify_each:
            continue
        # changed, or not to be trusted: its runs are checked one by one
        rows = _rows_of_place(cache, key)
        stale_before, unread_before, kept = len(changes.stale), len(changes.unread), 0
        for name in list_subfolders(path) if place.is_sweep else place.subfolders:
            # popped as well: rows that are left belong to runs that are gone
            row, row_stamp = rows.pop(name, (None, None))
            # an unknown run is read anyway and needs no stat
            current = read_stamp(f"{path}/{name}/run.json") if row is not None else None
            if row is not None and current is not None and stamp_text(current) == row_stamp:
                kept += 1
                continue
            changes.unread.append((place, name))
            if row is not None:
                changes.stale.append(row)
        changes.stale.extend(row for row, _ in rows.values())
        complete = (stale_before, unread_before) == (len(changes.stale), len(changes.unread))
        if complete and stamp is not None and not unchanged:
            changes.unstamped += kept
    for key, _ in known.values():
        changes.stale.extend(row for row, _ in _rows_of_place(cache, key).values())
    return changes


def _rows_of_place(cache: sqlite3.Connection | None, key: int | None) -> dict[str, tuple[int, str]]:
    """Return row and stamp of each run of a place, by the name of its folder."""
    if cache is None or key is None:
        return {}
    rows = cache.execute("SELECT folder, row, stamp FROM run_0 WHERE place = ?", (key,))
    return {folder: (row, stamp) for folder, row, stamp in rows}
