"""All that was found, worst first: the last of the examinations, for it reads what the others answered."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from runtree.contract.errors import first_line
from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis import (
    advice,
    beaten,
    calibration,
    classes,
    decided,
    fitting,
    iterations,
    patterns,
    robustness,
    slices,
    threshold,
    training_size,
)
from runtree.lifecycle.examination.subject import Subject

log = logging.getLogger(__name__)

READERS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    fitting.findings,
    beaten.findings,
    iterations.findings,
    classes.findings,
    calibration.findings,
    threshold.findings,
    decided.findings,
    slices.findings,
    patterns.findings,
    robustness.findings,
    training_size.findings,
    advice.findings,
)
ORDER = ("warning", "note", "good")


def examine(subject: Subject) -> list[dict[str, Any]]:
    """Return every finding, warnings first."""
    found = [finding for reader in READERS for finding in _read(reader, subject)]
    return [finding.plain() for finding in sorted(found, key=lambda one: ORDER.index(one.level))]


def _read(reader: Callable[[Subject], Iterator[Finding]], subject: Subject) -> list[Finding]:
    """Ask; what cannot be found out is a line in the log."""
    try:
        return list(reader(subject))
    except Exception as error:
        log.warning("%s finds nothing: %s: %s", reader.__module__, type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
        return []
