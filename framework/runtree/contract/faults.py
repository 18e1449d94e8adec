"""Faults of plugins: in whose code an error began, and warnings, of which a sweep shows those of its workers once."""

import logging
import traceback
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True)
class CodePlace:
    """A function of foreign code: its module, its name with that of its class, and a line."""

    module: str
    name: str
    line: int

    @property
    def package(self) -> str:
        """The top-level package."""
        return self.module.partition(".")[0]

    @property
    def owner(self) -> str:
        """The dotted name of the class, or of the function itself."""
        return f"{self.module}.{self.name.partition('.')[0]}"

    def __str__(self) -> str:
        """Return the dotted name and the line."""
        return f"{self.module}.{self.name}, line {self.line}"


def places(error: BaseException) -> list[CodePlace]:
    """Return where an error was raised, the innermost function last: from the error that caused it all, if it says."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.walk_tb(error.__traceback__)
    return [
        CodePlace(str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname, line or 0)
        for frame, line in frames
    ]


def calls_into(error: BaseException, packages: Container[str]) -> list[CodePlace]:
    """Return the functions of some packages in which an error was raised: the last ones, from where they were called.

    They may have called libraries. Empty if none was involved, or if it was runtree that they called.
    """
    found: list[CodePlace] = []
    for place in reversed(places(error)):
        if place.package == "runtree":
            break
        if place.package in packages:
            found.insert(0, place)
    return found
