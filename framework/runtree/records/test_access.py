"""How often a test set was used: one line for each use, in one file below the output folder, for all runs and sweeps.

Choosing by the score on the test set makes a second validation set of it. So each use is counted, in a place from which
removing runs does not remove the count.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.files import open_regular, read_regular
from runtree.records.layout import TEST_ACCESS_NAME, timestamp
from runtree.records.ledger import Ledger, parse
from runtree.records.locks import acquire_lock

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class AccessCount:
    """How often a set of rows was used as test set, and by how many configurations; `rows` is their hash."""

    rows: str
    count: int
    configurations: int


def rows_digest(data: str, test: "np.ndarray[Any, Any]") -> str:
    """Return the hash of the rows of a test set: of the data fingerprint and their positions."""
    # little-endian on every machine, so that the hash is the same
    return hashlib.sha256(data.encode() + b"|" + test.astype("<i8").tobytes()).hexdigest()


def record_access(outputs: Path, rows: str, config: str, run: str) -> AccessCount:
    """Append one use and return how often the rows were used, this time included.

    Processes that append at the same time wait for each other, so that none is lost and each counts itself.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    # the count is read under the same lock, so two runs never both see themselves as the third
    with _locked(outputs / TEST_ACCESS_NAME) as file:
        ledger = Ledger(file)
        try:
            ledger.append({"event": "looked", "rows": rows, "config": config, "run": run, "time": timestamp()})
        finally:
            ledger.close()
        return count_accesses(outputs, rows)


def count_accesses(outputs: Path, rows: str) -> AccessCount:
    """Return how often rows were used as test set. Damaged lines are ignored."""
    uses = list(_read(outputs / TEST_ACCESS_NAME, rows))
    return AccessCount(rows, len(uses), len({event["config"] for event in uses}))


def _read(file: Path, rows: str) -> Iterator[dict[str, Any]]:
    """Yield the uses of some rows. Lines about other rows are not even parsed."""
    mark = rows.encode()
    try:
        lines = read_regular(file).split(b"\n")
    except OSError:  # none yet, or not a file that is read
        return
    for line in lines:
        # the file grows for years; a search for bytes is much faster than a checksum for each line
        event = parse(line) if mark in line else None
        if event is not None and event.get("rows") == rows:
            yield event


@contextmanager
def _locked(file: Path) -> Iterator[Path]:
    """Hold a file by a kernel lock, which is released when the process ends."""
    handle = open_regular(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        acquire_lock(handle, file, wait=True)
        yield file
    finally:
        os.close(handle)
