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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from runtree.contract.errors import NotFoundError
from runtree.contract.expression import Expression, add_functions
from runtree.contract.expression_tree import stored
from runtree.contract.types import SPLITS, RunRecord
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
from runtree.records.writer import write_bytes

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
# Reading this many changed runs each time costs more than rewriting the index, about 0.1 s for 50,000 runs.
MIN_CHANGES_TO_WRITE = 200
MIN_RUNS_FOR_FAST_JSON = 100  # importing msgspec pays from here on
BATCH_RUNS = 500  # a record takes 15 kB as Python objects: a batch of them stays in the processor's cache
MAX_RECORDS_IN_MEMORY = 500
MAX_COLUMNS = 1_000  # of a table; SQLite's own limit is 2,000
MAX_COLUMNS_AT_ONCE = 20  # of a scan: it bounds how many values are in memory at once
# rows are wide (some hundred columns), and a row that does not fit a page is continued on overflow pages
PAGE_BYTES = 16_384
ABANDONED_SECONDS = 3_600  # a temporary file this old belongs to a writer that died

OBJECTIVE = ("metric", "direction", "part", "value")
FIXED_KEYS = (*SUMMARY_FIELDS, *(f"objective:{name}" for name in OBJECTIVE), "error:message")
SECTION_PREFIXES = (*(f"metrics:{split}." for split in SPLITS), "fingerprint:", "config:")
RUN, CONFIG = "run", "config"  # families of tables: rankings scan `run`, which is narrow, and leave `config` alone
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
        return {*SUMMARY_FIELDS, *self.keys("config"), *self.keys("metrics")}

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
            if cached and _stamp_text(record_file.stamp) != self._stamp(row):
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
        keys = [name] if name in SUMMARY_FIELDS else [f"config:{name}", f"metrics:{name}"]
        return [key for key in keys if key in self._columns]

    def _sql(self, name: str) -> str | None:
        """Return the SQL of a full name, None if no run has it."""
        columns = [column for key in self._keys_of(name) for column in self._columns[key] if column is not None]
        # of a plain and a boolean column at most one holds a value; a config path wins over a metric of the same name
        return columns[0] if len(columns) == 1 else f"COALESCE({', '.join(columns)})" if columns else None

    def _boolean(self, name: str) -> str:
        """Return the SQL that is not null if the value of a full name is a boolean."""
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
        runs.fresh_from = _next_row(cache)
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


def _next_row(connection: sqlite3.Connection) -> int:
    last: int | None = connection.execute("SELECT max(row) FROM run_0").fetchone()[0]
    return (last or 0) + 1


def open_in_memory(cache: sqlite3.Connection | None = None) -> sqlite3.Connection:
    """Return a connection to a database in memory: a copy of the index file, or an empty index."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    if cache is not None:
        # copied as pages, 50 ms for 50,000 runs; the file itself is immutable
        cache.backup(memory)
        cache.close()
    else:
        memory.executescript(SCHEMA)
    # there is nothing to roll back to: after an error the whole index is dropped
    memory.execute("PRAGMA journal_mode = OFF")
    return memory


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
        unchanged = stamp is not None and known_stamp == _stamp_text(stamp[0] + stamp[1])
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
            if row is not None and current is not None and _stamp_text(current) == row_stamp:
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


def _stamp_text(stamp: Sequence[int]) -> str:
    """Return a stamp as the index stores it: inode numbers may exceed SQLite's integers."""
    return " ".join(map(str, stamp))


SCHEMA = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT UNIQUE, stamp TEXT);
-- where the values of a key are: booleans have a column of their own, because SQLite has no type for them
CREATE TABLE key (key TEXT PRIMARY KEY, plain TEXT, boolean TEXT);
-- which keys the runs of one shape have: so a key goes with the last run that has it
CREATE TABLE shape (id INTEGER PRIMARY KEY, keys TEXT);
-- no column of a value has a type: a type would turn text that looks like a number into one
CREATE TABLE run_0 (row INTEGER PRIMARY KEY, place INTEGER, folder TEXT, stamp TEXT, lasting INTEGER, shape INTEGER);
CREATE TABLE config_0 (row INTEGER PRIMARY KEY);
CREATE INDEX run_of_place ON run_0 (place);
"""
BOOKKEEPING = ("row", "place", "folder", "stamp", "lasting", "shape")


@dataclass
class Shape:
    """Runs whose records have the same keys in the same order; they are inserted together."""

    number: int
    keys: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class IndexBuilder:
    """Adds runs to an index in memory, a batch at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.next_row = _next_row(connection)
        self.lasting = 0  # how many of the added runs the file may hold
        self._waiting = 0
        self._places = dict(connection.execute("SELECT name, id FROM place").fetchall())
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._numbers = {tuple(json.loads(keys)): key for key, keys in connection.execute("SELECT id, keys FROM shape")}
        homes = connection.execute("SELECT key, plain, boolean FROM key")
        self._homes: dict[str, list[str | None]] = {key: [plain, boolean] for key, plain, boolean in homes}
        self._widths = {
            table: len(connection.execute(f"SELECT * FROM {table} LIMIT 0").description) for table in self._tables()
        }
        for key in FIXED_KEYS:  # present even if no run has them, so that every query can name them
            self._home(key, 0)

    def _tables(self) -> list[str]:
        names = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in names if name.startswith((f"{RUN}_", f"{CONFIG}_"))]

    def add(self, place: str, folder: str, record_file: RecordFile, lasting: bool = True) -> int:
        """Add a run; return its row. It may wait in memory until `flush`."""
        content = record_file.content
        metrics = content["metrics"]
        sections = [*(_mapping(metrics.get(split)) for split in SPLITS), content["fingerprints"], content["config"]]
        # runs of one sweep have the same keys in the same order: their names
        # are joined and looked up once for a shape, not once for a run
        pattern = tuple(map(tuple, sections))
        shape = self._shapes.get(pattern)
        if shape is None:
            pairs = zip(SECTION_PREFIXES, pattern, strict=True)
            names = [_storable(prefix + name) for prefix, section in pairs for name in section]
            shape = self._shapes[pattern] = self._shape(names)
        row, self.next_row = self.next_row, self.next_row + 1
        objective, error = _mapping(content.get("objective")), _mapping(content.get("error"))
        values = [content.get(name) for name in SUMMARY_FIELDS]
        values += [objective.get(name) for name in OBJECTIVE]
        values.append(error.get("message"))
        for section in sections:
            values += section.values()
        stamp = _stamp_text(record_file.stamp)
        shape.rows.append((row, self._place(place), folder, stamp, lasting, shape.number, *values))
        self.lasting += lasting
        self._waiting += 1
        if self._waiting >= BATCH_RUNS:
            self.flush()
        return row

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = self.connection.execute("INSERT INTO place (name) VALUES (?)", (name,)).lastrowid
        place: int = self._places[name]
        return place

    def _shape(self, names: Sequence[str]) -> Shape:
        keys = (*FIXED_KEYS, *names)
        if keys not in self._numbers:
            text = json.dumps(keys)
            self._numbers[keys] = self.connection.execute("INSERT INTO shape (keys) VALUES (?)", (text,)).lastrowid
            for key in keys:
                self._home(key)
        return Shape(self._numbers[keys], keys)

    def flush(self) -> None:
        """Insert what waits."""
        # one transaction for a batch: with isolation_level=None each statement would be one of its own
        self.connection.execute("BEGIN")
        for shape in self._shapes.values():
            if shape.rows:
                columns = list(zip(*shape.rows, strict=True))
                shape.rows.clear()
                self._insert(shape, columns)
        self.connection.execute("COMMIT")
        self._waiting = 0

    def _insert(self, shape: Shape, columns: list[tuple[Any, ...]]) -> None:
        """Insert the rows of one shape, given by column: types are checked once for a column, not once for a value."""
        bookkeeping, values = columns[: len(BOOKKEEPING)], columns[len(BOOKKEEPING) :]
        by_table: dict[str, dict[str, Sequence[Any]]] = {
            "run_0": dict(zip(BOOKKEEPING, bookkeeping, strict=True)),
        }
        for key, column in zip(shape.keys, values, strict=True):
            kinds = set(map(type, column)) - {type(None)}
            booleans = bool in kinds
            # a column of nulls alone needs no column in the table
            plain: Sequence[Any] | None = column if kinds else None
            if booleans:
                plain = [None if isinstance(value, bool) else value for value in column] if len(kinds) > 1 else None
                flags = [value if isinstance(value, bool) else None for value in column]
                table, name = self._home(key, 1).split(".")
                by_table.setdefault(table, {})[name] = flags
            if plain is not None:
                if not kinds <= {str, int, float, bool}:
                    plain = [stored(value) for value in plain]
                table, name = self._home(key, 0).split(".")
                by_table.setdefault(table, {})[name] = plain
        for table, own in by_table.items():
            # the same integer key in each table, which is SQLite's own rowid and needs no index
            own = {"row": bookkeeping[0]} | own
            sql = f"INSERT INTO {table} ({', '.join(own)}) VALUES ({', '.join('?' * len(own))})"
            try:
                self.connection.executemany(sql, zip(*own.values(), strict=True))
            except (OverflowError, UnicodeEncodeError):  # an integer of more than 64 bits, half a surrogate pair
                # the rows before the one that failed are inserted already, and without a journal there is no rollback
                # only those of this shape: rows of other shapes lie between them, and are in the table already
                self.connection.executemany(f"DELETE FROM {table} WHERE row = ?", zip(own["row"], strict=True))
                safe = [[_storable(value) for value in column] for column in own.values()]
                self.connection.executemany(sql, zip(*safe, strict=True))

    def _home(self, key: str, kind: int | None = None) -> str:
        """Return ``table.column`` of a key, for plain values (0) or booleans (1); without a kind only note the key."""
        if key not in self._homes:
            self._homes[key] = [None, None]
            self.connection.execute("INSERT INTO key (key) VALUES (?)", (key,))
        if kind is None:
            return ""
        home = self._homes[key][kind]
        if home is None:
            table = self._table(CONFIG if key.startswith("config:") else RUN)
            # summary fields keep their names, so that queries can be written by hand
            column = key if key in SUMMARY_FIELDS and not kind else f"c{self._widths[table]}"
            self.connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            self._widths[table] += 1
            home = self._homes[key][kind] = f"{table}.{column}"
            field = ("plain", "boolean")[kind]
            self.connection.execute(f"UPDATE key SET {field} = ? WHERE key = ?", (home, key))
        return home

    def _table(self, family: str) -> str:
        """Return the last table of a family, a new one if it is full."""
        number = sum(table.startswith(f"{family}_") for table in self._widths) - 1
        if self._widths[f"{family}_{number}"] >= MAX_COLUMNS:
            number += 1
            self.connection.execute(f"CREATE TABLE {family}_{number} (row INTEGER PRIMARY KEY)")
            self._widths[f"{family}_{number}"] = 1
        return f"{family}_{number}"

    def delete(self, rows: Sequence[int]) -> None:
        """Delete rows, and the keys that no run has any more."""
        if not rows:
            return
        for table in self._widths:
            self.connection.executemany(f"DELETE FROM {table} WHERE row = ?", ((row,) for row in rows))
        self.connection.execute("DELETE FROM shape WHERE id NOT IN (SELECT shape FROM run_0)")
        self._numbers = {
            tuple(json.loads(keys)): key for key, keys in self.connection.execute("SELECT id, keys FROM shape")
        }
        # a key that only deleted runs had must not be suggested any
        # more; its column stays, since dropping one rewrites the table
        kept = set(FIXED_KEYS).union(*self._numbers)
        for key in [key for key in self._homes if key not in kept]:
            del self._homes[key]
            self.connection.execute("DELETE FROM key WHERE key = ?", (key,))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _storable(value: Any) -> Any:
    value = stored(value)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def write_index(outputs: Path, builder: IndexBuilder, stamps: Mapping[str, tuple[FileStamp, FileStamp] | None]) -> None:
    """Write the lasting runs of an index to its file, completely or not at all.

    A read-only tree and a full disk are no errors: the file is a cache.
    """
    connection = builder.connection
    if connection.execute("SELECT 1 FROM run_0 WHERE NOT lasting LIMIT 1").fetchone():
        # a copy, because this process still evaluates its query on all runs, unfinished ones included
        copy = sqlite3.connect(":memory:", isolation_level=None)
        connection.backup(copy)
        connection = copy
        trimmed = IndexBuilder(copy)
        trimmed.delete([row for (row,) in copy.execute("SELECT row FROM run_0 WHERE NOT lasting")])
    connection.execute("DELETE FROM place WHERE id NOT IN (SELECT place FROM run_0)")
    texts = ((stamp and _stamp_text(stamp[0] + stamp[1]), name) for name, stamp in stamps.items())
    connection.executemany("UPDATE place SET stamp = ? WHERE name = ?", texts)
    try:
        _remove_abandoned(outputs)
        # no fsync: after a power failure a torn file is detected and rebuilt
        write_bytes(outputs / INDEX_NAME, connection.serialize(), durable=False)
    except OSError as error:
        log.debug("%s is not written (%s)", outputs / INDEX_NAME, error)


def _remove_abandoned(outputs: Path) -> None:
    """Remove the temporary files of writers that were killed."""
    for file in outputs.glob(f".{INDEX_NAME}.*.part"):
        # a younger one may belong to a writer that is at work now
        if time.time() - file.stat().st_mtime > ABANDONED_SECONDS:
            file.unlink(missing_ok=True)
