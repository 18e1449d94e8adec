"""The tables that runs have used: by name, and the versions of each by fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runtree.contract.errors import NotFoundError, unknown
from runtree.contract.types import RunRecord
from runtree.records.index import TABLE, TABLE_KEYS, RunIndex, query_index
from runtree.records.query import record_value
from runtree.records.reader import RunReader
from runtree.tables.fingerprint import describe_changes
from runtree.tables.places import table_name

TITLE_DIGITS = 8  # of a fingerprint, beside the name of its table


@dataclass(frozen=True)
class TableVersion:
    """One content of a table.

    Attributes
    ----------
    number
        From 1, in the order in which runs used them first.
    rows, added
        How many, and how many more than the version before; None where no run keeps them.
    changes
        What differs from the version before, in sentences.
    first
        When the first run on it started.
    runs
        The ids of the runs on it, the newest first.
    """

    number: int
    fingerprint: str
    rows: int | None
    added: int | None
    changes: tuple[str, ...]
    first: str
    runs: tuple[str, ...]


class _Columns(Protocol):
    def column(self, key: str) -> Mapping[int, Any]: ...


def table_names(runs: _Columns) -> dict[int, str]:
    """Return the name of each run's table."""
    names, paths, tables = (runs.column(f"config:{key}") for key in TABLE_KEYS)
    return {row: table_name(name, paths.get(row), tables.get(row)) for row, name in names.items()}


def table_titles(records: Sequence[RunRecord]) -> list[str]:
    """Return what the table of each run is called: its name, with the fingerprint where several have one name."""
    names = [str(record_value(record, TABLE)) for record in records]
    prints = [str(record.fingerprints.get("data") or "") for record in records]
    versions: dict[str, set[str]] = {}
    for name, fingerprint in zip(names, prints, strict=True):
        versions.setdefault(name, set()).update({fingerprint} - {""})
    return [
        f"{name} {fingerprint[:TITLE_DIGITS]}".rstrip() if len(versions[name]) > 1 else name
        for name, fingerprint in zip(names, prints, strict=True)
    ]


def pinned_table(outputs: Path, pin: str) -> dict[str, Any] | None:
    """Return the `data.json` of the newest run on a table whose fingerprint begins so; None if there is none."""

    def find(runs: RunIndex) -> dict[str, Any] | None:
        prints = runs.column("fingerprint:data")
        return _description(runs, [row for row in runs.rows(sort="started") if _begins(prints[row], pin)])

    return query_index(outputs, find)


def _begins(fingerprint: Any, pin: str) -> bool:
    return str(fingerprint or "").startswith(pin.lower())


def _description(runs: RunIndex, rows: list[int]) -> dict[str, Any] | None:
    """Return the first `data.json` that there is; most runs of a sweep have none."""
    found = (RunReader(runs.outputs / runs.folder(row)).data for row in rows)
    return next((data for data in found if data), None)


def list_tables(outputs: Path) -> dict[str, list[TableVersion]]:
    """Return the versions of each table by its name."""
    return query_index(outputs, lambda runs: {name: _versions(runs, rows) for name, rows in _by_name(runs).items()})


def find_versions(outputs: Path, name: str) -> list[TableVersion]:
    """Return the versions of a table.

    Raises
    ------
    NotFoundError
        No run has used a table of this name.
    """

    def find(runs: RunIndex) -> list[TableVersion]:
        known = _by_name(runs)
        if name not in known:
            raise unknown("table", name, known, error=NotFoundError)
        return _versions(runs, known[name])

    return query_index(outputs, find)


def _by_name(runs: RunIndex) -> dict[str, list[int]]:
    """Return the rows of runs that have read a table, by its name, the oldest first."""
    if not len(runs):
        return {}
    names, prints = table_names(runs), runs.column("fingerprint:data")
    found: dict[str, list[int]] = {}
    for row in reversed(runs.rows(sort="started")):
        if prints[row]:
            found.setdefault(names[row], []).append(row)
    return found


def _versions(runs: RunIndex, rows: list[int]) -> list[TableVersion]:
    prints, ids, started = (runs.column(key) for key in ("fingerprint:data", "id", "started"))
    by_print: dict[str, list[int]] = {}
    for row in rows:
        by_print.setdefault(str(prints[row]), []).append(row)
    versions: list[TableVersion] = []
    before: dict[str, Any] | None = None
    for number, (fingerprint, used) in enumerate(by_print.items(), 1):
        data = _description(runs, used[::-1])
        count = data.get("rows") if data else None
        last = versions[-1].rows if versions else None
        versions.append(
            TableVersion(
                number,
                fingerprint,
                count,
                count - last if count is not None and last is not None else None,
                _changes(before, data),
                str(started[used[0]]),
                tuple(str(ids[row]) for row in reversed(used)),
            )
        )
        before = data
    return versions


def _changes(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> tuple[str, ...]:
    if not before or not now:
        return ()
    try:
        return tuple(describe_changes(before, now))
    except (AttributeError, KeyError, TypeError, ValueError):  # a file that someone changed
        return ()
