"""The stage examine: each question that is in the catalogue is asked once, and the answers become `evaluation.json`."""

import logging
import time
from typing import Any

from runtree.contract.errors import RuntreeError, first_line
from runtree.contract.run import Run
from runtree.lifecycle.examination.catalogue import EXAMINATIONS, Examination
from runtree.lifecycle.examination.gates import missed
from runtree.lifecycle.examination.subject import Subject, make_subject
from runtree.records.folder import RunFolder
from runtree.records.write import write_json

log = logging.getLogger(__name__)


def examine(run: Run) -> None:
    """Examine a run that is scored and saved, and write what was found."""
    subject = make_subject(run)
    seconds: dict[str, float] = {}
    for examination in EXAMINATIONS:
        clock = time.monotonic()
        answer = _answer(examination, subject)
        seconds[examination.name] = round(time.monotonic() - clock, 6)
        if answer is not None:
            subject.found[examination.name] = answer
    write_json(RunFolder(run.folder).evaluation, {**subject.found, "seconds": seconds})
    run.missed = missed(subject)


def _answer(examination: Examination, subject: Subject) -> Any:
    """Ask; a question that cannot be answered is a warning, for the model is trained and saved by now."""
    try:
        return examination.function(subject)
    except RuntreeError:
        raise
    except Exception as error:
        log.warning("%s is left out: %s: %s", examination.name, type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
        return None
