"""How often a test part was looked at: a line a look, in one file below the output folder, for all runs and sweeps.

Whoever chooses by what the test part says has made a second validation part of it. So each look is counted where runs
that are removed later cannot take it away.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.records.layout import timestamp
from runtree.records.ledger import Ledger, parse

if TYPE_CHECKING:
    import numpy as np

FILE_NAME = "test_looks.jsonl"


@dataclass(frozen=True)
class AccessCount:
    """How often some rows were scored as a test part, and by how many different configs; `rows` hashes them."""

    rows: str
    count: int
    configurations: int


def rows_digest(data: str, test: "np.ndarray[Any, Any]") -> str:
    """Hash the rows of a test part: the data's fingerprint and their positions."""
    return hashlib.sha256(data.encode() + b"|" + test.astype("<i8").tobytes()).hexdigest()


def record_access(outputs: Path, rows: str, config: str, run: str) -> AccessCount:
    """Write one more look down and return how many there are.

    Processes that look at the same time wait for each other; none is lost, and each counts itself.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    with _alone(outputs / FILE_NAME) as file:
        ledger = Ledger(file)
        try:
            ledger.append({"event": "looked", "rows": rows, "config": config, "run": run, "time": timestamp()})
        finally:
            ledger.close()
        return count_accesses(outputs, rows)


def count_accesses(outputs: Path, rows: str) -> AccessCount:
    """Return how often rows were looked at; a line that is damaged tells nothing."""
    found = list(_read(outputs / FILE_NAME, rows))
    return AccessCount(rows, len(found), len({event["config"] for event in found}))


def _read(file: Path, rows: str) -> Iterator[dict[str, Any]]:
    """Yield the looks at some rows; lines of others are passed over unread."""
    mark = rows.encode()
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        event = parse(line) if mark in line else None
        if event is not None and event.get("rows") == rows:
            yield event


@contextmanager
def _alone(file: Path) -> Iterator[Path]:
    """Hold a file by a kernel lock, which dies with the process."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(handle)
