"""The tables that runs have used: found by their fingerprint, and listed as versions under their name."""

from pathlib import Path
from typing import Any

from runtree.records.index import RunIndex, query_index
from runtree.records.reader import RunReader


def pinned_table(outputs: Path, pin: str) -> dict[str, Any] | None:
    """Return the `data.json` of the newest run on a table whose fingerprint begins so; None if there is none."""

    def find(runs: RunIndex) -> dict[str, Any] | None:
        prints = runs.column("fingerprint:data")
        rows = [row for row in runs.rows(sort="started") if str(prints[row] or "").startswith(pin.lower())]
        return _description(runs, rows)

    return query_index(outputs, find)


def _description(runs: RunIndex, rows: list[int]) -> dict[str, Any] | None:
    """Return the first `data.json` that there is; the runs of a sweep have none."""
    found = (RunReader(runs.outputs / runs.folder(row)).data for row in rows)
    return next((data for data in found if data), None)
