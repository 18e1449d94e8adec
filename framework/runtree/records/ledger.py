"""``ledger.jsonl``: the events of a sweep, one line each. A line is a commit point and carries its own checksum.

A line that was torn by a crash, zeroed by a power failure or corrupted by the disk is skipped with a warning: its event
has then not happened, and its run is executed again. Lines are only ever appended.
"""

import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtree.contract.files import UnsafeFileError, open_regular, read_regular
from runtree.contract.redaction import redact
from runtree.records.writer import dump_json

log = logging.getLogger(__name__)

Event = Mapping[str, Any]
MAX_LEDGER_BYTES = 4_000_000_000  # 100,000 runs with a thousand intermediate values each
CHOSEN = ("values", "memo", "observations", "queue")  # keys of an event whose content comes from the search space


class Ledger:
    """Appends events. The lock of the sweep makes sure that only one process does."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._unsynced = False  # whether lines were appended that a power failure would lose
        # O_APPEND: each write goes to the end of the file, whatever other handles do
        self._handle = open_regular(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """End a torn last line, so that it does not merge with the next one, which would then be lost, too."""
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            self._write(b"\n")

    def append(self, *events: Event, durable: bool = True) -> None:
        """Append events with one write.

        With `durable` they survive a power failure when this returns. Without, they survive the end of this process,
        and a power failure once `sync` has returned.

        Raises
        ------
        OSError
            The disk is full, for example. A partly written line is removed again, if the disk permits.
        """
        size = os.fstat(self._handle).st_size
        try:
            self._write(b"".join(line(event) for event in events))
            self._unsynced = True
            if durable:
                self.sync()
        except OSError as error:
            error.filename = error.filename or str(self.file)
            # a line without its end would merge with the next one
            os.ftruncate(self._handle, size)
            raise

    def sync(self) -> None:
        """Wait until the appended lines are on the disk. Lines that follow each other closely share the wait."""
        if self._unsynced:
            # fdatasync does not wait for the times of the file; macOS has only fsync
            os.fdatasync(self._handle) if hasattr(os, "fdatasync") else os.fsync(self._handle)
            self._unsynced = False

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:  # write() may write less than it is given, without an error
            left = left[os.write(self._handle, left) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def line(event: Event) -> bytes:
    """Return an event as its line: JSON whose last key is the checksum of everything before it."""
    # a sweep over the values of a key such as `password` needs them in memory alone
    shown = {key: redact(value) if key in CHOSEN else value for key, value in event.items()}
    # the sum stands inside the object, so that a line stays plain JSON for other tools
    body = dump_json(shown)[:-1]
    # CRC-32: it must detect accidents, not forgery, and is computed for each event
    return body + b',"sum":"%08x"}\n' % zlib.crc32(body)


def parse(raw: bytes) -> dict[str, Any] | None:
    """Return the event of a line, None if the line is not as it was written."""
    # from the right: the text may occur in a value of the event
    body, separator, rest = raw.rpartition(b',"sum":"')
    if not separator or rest.rstrip(b"\n") != b'%08x"}' % zlib.crc32(body):
        return None
    event: dict[str, Any] = json.loads(body + b"}")
    return event


def read_ledger(file: Path) -> list[dict[str, Any]]:
    """Return the events of a ledger in their order. A damaged line is one warning."""
    try:
        # not splitlines(), which also splits at a carriage return inside a damaged line
        lines = read_regular(file, MAX_LEDGER_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    except UnsafeFileError as error:
        log.warning("%s: left out, it %s", file, error.strerror)
        return []
    events = [(number, raw, parse(raw)) for number, raw in enumerate(lines, 1) if raw]
    for number, raw, event in events:
        if event is None:
            # a torn last line is the normal trace of a kill; any other means that the disk or a person changed the file
            what = "torn" if number >= len(lines) - 1 else "damaged"
            log.warning("%s, line %d is %s (%d bytes) and left out", file, number, what, len(raw))
    return [event for _, _, event in events if event is not None]
