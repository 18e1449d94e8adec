"""Where a worker's output goes: to the log of the job at hand, whoever writes, and never more than a log may hold."""

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_LOG_BYTES = 10_000_000


class LogCapture:
    """The standard output and error of this process, from here on silent but for the time of a job."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_WRONLY)
        self._flush_c = ctypes.CDLL(None).fflush
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a line that is printed before a crash is in the log
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._lead_to(self._null)

    @contextmanager
    def to(self, log: str | None) -> Iterator[None]:
        """Append what is printed to a log, C extensions and child processes included."""
        if log is not None:
            with suppress(OSError):  # a log is best effort, a result is not
                file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                self._lead_to(file)
                os.close(file)
        try:
            yield
        finally:
            self.flush()
            self._lead_to(self._null)

    def _lead_to(self, target: int) -> None:
        os.dup2(target, 1)
        os.dup2(target, 2)

    def flush(self) -> None:
        """Write what Python's and C's buffers hold."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # a job may have closed or replaced them
                stream.flush()
        self._flush_c(None)


def truncate_log(log: Path, largest: int = MAX_LOG_BYTES) -> None:
    """Take the middle out of a log that is larger than it may be; those who append to it go on."""
    with suppress(OSError):
        if log.stat().st_size <= largest:
            return
        with log.open("r+b") as file:
            file.seek(-(largest // 4), os.SEEK_END)
            tail = file.read(largest)[-largest // 4 :]  # to its end as of now: what comes until the cut is lost
            file.truncate(largest // 2)
        with log.open("ab") as file:
            file.write(b"\n[runtree: cut here, a log holds %d MB at most]\n" % (largest // 1_000_000) + tail)


def append_to_log(log: Path | None, text: str) -> None:
    """Add to a log what the driver has to say about its job."""
    if log is not None:
        with suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(text)
