"""The output of a worker goes to the log of its current job, and no log grows without bound."""

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runtree.contract.files import APPEND, open_regular, read_regular
from runtree.contract.output import SafeStream
from runtree.contract.redaction import holds_secret, redact_text, redact_values

MAX_LOG_BYTES = 10_000_000
CUT_ATTEMPTS = 3  # to cut a log at a moment in which nothing is written


class LogCapture:
    """Takes over file descriptors 1 and 2 of this process: silent between jobs, the job's log during one.

    Descriptors, not `sys.stdout`: C extensions and child processes write there without asking Python.
    """

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_WRONLY)
        self._fflush = ctypes.CDLL(None).fflush
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # line buffering: what was printed before a crash is in the log
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        # what Python prints is redacted at once, what C libraries print when the job has ended (`clean_log`)
        sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)
        self._redirect(self._null)

    @contextmanager
    def to(self, log: str | None) -> Iterator[None]:
        """Append all output to `log` meanwhile."""
        if log is not None:
            with suppress(OSError):  # a log is best effort, the result is not
                # O_APPEND: the job, its children and the driver write to one file, and the driver may truncate it
                file = open_regular(log, APPEND)
                self._redirect(file)
                os.close(file)
        try:
            yield
        finally:
            self.flush()  # before the descriptors change: buffered text belongs to this job
            self._redirect(self._null)

    def _redirect(self, target: int) -> None:
        os.dup2(target, 1)
        os.dup2(target, 2)

    def flush(self) -> None:
        """Write the buffers of Python's streams and of C's stdio."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # a job may have closed or replaced them
                stream.flush()
        self._fflush(None)


def _safe(stream: Any) -> Any:
    return stream if isinstance(stream, SafeStream) else SafeStream(stream)


def clean_log(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Hide the secrets in the log of a job that has ended, and cut a log that is too long."""
    truncate_log(log, max_bytes)
    with suppress(OSError):
        content = read_regular(log)
        if holds_secret(content):
            # in place: a process that the job left running may still append
            with os.fdopen(open_regular(log, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "wb") as file:
                file.write(redact_values(content.decode("utf-8", "backslashreplace")).encode())


def truncate_log(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Cut the middle out of a log of more than `max_bytes`; processes that append to it continue undisturbed."""
    with suppress(OSError):
        if log.stat().st_size <= max_bytes:
            return
        mark = b"\n[runtree: cut here, a log holds %d MB at most]\n" % (max_bytes // 1_000_000)
        file = open_regular(log, os.O_RDWR | os.O_NOFOLLOW)
        try:
            for _ in range(CUT_ATTEMPTS):
                end = os.fstat(file).st_size
                kept = mark + os.pread(file, max_bytes // 4, end - max_bytes // 4)
                # into the middle, and only then the end is cut off: appended after that, lines written meanwhile would
                # stand before older ones, and the next cut would take them for the middle
                os.pwrite(file, kept, max_bytes // 2)
                if os.fstat(file).st_size == end:
                    break
            os.ftruncate(file, max_bytes // 2 + len(kept))  # what came since the last look is lost
        finally:
            os.close(file)


def append_to_log(log: Path | None, text: str) -> None:
    if log is not None:
        with suppress(OSError), os.fdopen(open_regular(log, APPEND), "a", encoding="utf-8") as file:
            file.write(redact_text(text))
