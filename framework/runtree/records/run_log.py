"""``log.txt``: the log of a run, with the warnings of libraries."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from runtree.contract.files import APPEND, open_regular
from runtree.contract.output import escape_controls
from runtree.contract.redaction import redact_text

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class BestEffortFileHandler(logging.FileHandler):
    """Writes if it can. A full disk or a removed folder neither ends a run nor prints a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; the first one opens the file."""
        with suppress(OSError):
            super().emit(record)

    def _open(self) -> TextIOWrapper:
        # not by its name alone: a link there would be followed, and a FIFO would block the run
        handle = open_regular(self.baseFilename, APPEND)
        return open(handle, "a", encoding=self.encoding, errors=self.errors)  # noqa: PTH123  an open descriptor

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore the error."""


class SafeFormatter(logging.Formatter):
    """Formats a record with its traceback, without secrets and control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return escape_controls(redact_text(super().format(record)))


@contextmanager
def log_to_file(file: Path, lowest: int = logging.INFO) -> Iterator[None]:
    """Write the log to a file, within the context. If it cannot be written, the run continues."""
    # delay: the file is opened by the first record, so a run without messages has no empty log
    handler = BestEffortFileHandler(file, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(SafeFormatter(LOG_FORMAT))
    root, ours = logging.getLogger(), logging.getLogger("runtree")
    level, change = ours.level, ours.getEffectiveLevel() != lowest
    # the root logger, so that warnings of libraries are in the log as well
    root.addHandler(handler)
    if change:  # a new level empties the cache of every logger
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
