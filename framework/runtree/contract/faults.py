"""Faults of plugins as warnings: a sweep shows those of its workers on the console, once."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

MARK = "fault_of_plugin"


def warn_of_fault(log: logging.Logger, message: str) -> None:
    """Log a warning about what a plugin did."""
    log.warning("%s", message, extra={MARK: True})


class FaultCollector(logging.Handler):
    """Keeps the texts of such warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a warning."""
        if getattr(record, MARK, False):
            self.texts.append(record.getMessage())


@contextmanager
def collected_faults() -> Iterator[list[str]]:
    """Yield a list that the warnings of this block are added to."""
    collector, logger = FaultCollector(), logging.getLogger("runtree")
    logger.addHandler(collector)
    try:
        yield collector.texts
    finally:
        logger.removeHandler(collector)
