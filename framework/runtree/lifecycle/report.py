"""The stage report: the page that tells a run to a reader, from what the stages before it have written."""

import logging

from runtree.contract.errors import first_line
from runtree.contract.run import Run
from runtree.lifecycle.outcome import ended
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.reports.render import write_run_report

log = logging.getLogger(__name__)


def report(run: Run) -> None:
    """Write `report.html`, unless it is not wanted; one that cannot be made is a warning, for the model is saved."""
    if not run.config.evaluator.get("report", True):
        return
    begun = read_record(RunFolder(run.folder))
    try:
        write_run_report(ended(begun, run, begun.seconds or sum(run.seconds.values()), "completed"))
    except Exception as error:
        log.warning("report.html is left out: %s: %s", type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
