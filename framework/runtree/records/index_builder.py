"""The tables of the index in SQLite, how records become their rows, and how the file is written.

A key of a record is a column, in one of several tables since SQLite limits their width; the table ``key`` says where.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.contract.expression_tree import stored
from runtree.contract.types import SPLITS
from runtree.records.layout import INDEX_NAME
from runtree.records.record import SUMMARY_FIELDS, FileStamp, RecordFile
from runtree.records.writer import write_bytes

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
BATCH_RUNS = 500  # a record takes 15 kB as Python objects: a batch of them stays in the processor's cache
MAX_COLUMNS = 1_000  # of a table; SQLite's own limit is 2,000
# rows are wide (some hundred columns), and a row that does not fit a page is continued on overflow pages
PAGE_BYTES = 16_384
ABANDONED_SECONDS = 3_600  # a temporary file this old belongs to a writer that died

OBJECTIVE = ("metric", "direction", "part", "value")
FIXED_KEYS = (*SUMMARY_FIELDS, *(f"objective:{name}" for name in OBJECTIVE), "error:message")
SECTION_PREFIXES = (*(f"metrics:{split}." for split in SPLITS), "fingerprint:", "config:")
RUN, CONFIG = "run", "config"  # families of tables: rankings scan `run`, which is narrow, and leave `config` alone

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


def next_row(connection: sqlite3.Connection) -> int:
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


def stamp_text(stamp: Sequence[int]) -> str:
    """Return a stamp as the index stores it: inode numbers may exceed SQLite's integers."""
    return " ".join(map(str, stamp))


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
        self.next_row = next_row(connection)
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
        stamp = stamp_text(record_file.stamp)
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
    texts = ((stamp and stamp_text(stamp[0] + stamp[1]), name) for name, stamp in stamps.items())
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
