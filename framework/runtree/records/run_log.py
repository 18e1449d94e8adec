"""`log.txt`: what was said during a run, warnings of libraries included."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class BestEffortFileHandler(logging.FileHandler):
    """Writes what it can: a full disk, or no folder any more, ends no run and prints no traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, the file opened for the first."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


@contextmanager
def log_to_file(file: Path, lowest: int = logging.INFO) -> Iterator[None]:
    """Write what is logged meanwhile to a file. A log that cannot be written never ends a run."""
    handler = BestEffortFileHandler(file, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root, ours = logging.getLogger(), logging.getLogger("runtree")
    level, change = ours.level, ours.getEffectiveLevel() != lowest
    root.addHandler(handler)
    if change:  # which makes every logger forget what it knows
        ours.setLevel(lowest)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        if change:
            ours.setLevel(level)
        root.removeHandler(handler)
        with suppress(OSError):
            handler.close()
