"""`ledger.jsonl`: what happened in a sweep, a line an event, each a commit point with a checksum of its own.

A line that was torn by a crash, zeroed by a loss of power or flipped by a disk is dropped with a warning: what it told
has then not happened, and its run is worked on again. Nothing that stands is ever written over.
"""

import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtree.records.writer import dump_json

log = logging.getLogger(__name__)

Event = Mapping[str, Any]


class Ledger:
    """The writing end; one process holds it, which the sweep's lock sees to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._behind = False  # whether something was appended that a loss of power would take
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._mend()

    def _mend(self) -> None:
        """Part what a crash left at the end from the next line: a torn line must not swallow the one after it."""
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            self._write(b"\n")

    def append(self, *events: Event, durable: bool = True) -> None:
        """Append events in one go.

        With `durable` they survive a loss of power when this returns; without, the end of this process, and a loss of
        power once `sync` has returned.

        Raises
        ------
        OSError
            A full disk; what was written of the lines is taken back, as far as the disk lets us.
        """
        size = os.fstat(self._handle).st_size
        try:
            self._write(b"".join(line(event) for event in events))
            self._behind = True
            if durable:
                self.sync()
        except OSError:
            os.ftruncate(self._handle, size)
            raise

    def sync(self) -> None:
        """Let the disk confirm what was appended; lines that follow each other closely share the wait."""
        if self._behind:
            os.fdatasync(self._handle) if hasattr(os, "fdatasync") else os.fsync(self._handle)
            self._behind = False

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:  # write() may take less than it is given, without an error
            left = left[os.write(self._handle, left) :]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def line(event: Event) -> bytes:
    """Return an event as its line: JSON whose last key is the checksum of all before it."""
    body = dump_json(event)[:-1]
    return body + b',"sum":"%08x"}\n' % zlib.crc32(body)


def parse(raw: bytes) -> dict[str, Any] | None:
    """Return the event that a line holds, None for one that is not as it was written."""
    body, found, rest = raw.rpartition(b',"sum":"')
    if not found or rest.rstrip(b"\n") != b'%08x"}' % zlib.crc32(body):
        return None
    event: dict[str, Any] = json.loads(body + b"}")
    return event


def read_ledger(file: Path) -> list[dict[str, Any]]:
    """Return the events of a ledger in their order; a damaged line is one warning."""
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    events = [(number, raw, parse(raw)) for number, raw in enumerate(lines, 1) if raw]
    for number, raw, event in events:
        if event is None:
            what = "torn" if number >= len(lines) - 1 else "damaged"
            log.warning("%s, line %d is %s (%d bytes) and left out", file, number, what, len(raw))
    return [event for _, _, event in events if event is not None]
