"""The stage save: the model, in the first format that a plugin or runtree itself knows for it, with its card."""

import logging
from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import RunFailedError, first_line
from runtree.contract.run import Run
from runtree.lifecycle.outcome import ended
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.records.writer import write_json
from runtree.reports.render import write_run_report
from runtree.training.decision import DECISION_KEY
from runtree.training.history import write_learning_curve


def save(run: Run) -> None:
    """Write the model in the first format that a plugin or runtree itself knows for it."""
    folder = RunFolder(run.folder)
    folder.model.mkdir()
    write_learning_curve(folder, run.fit_summary)
    format_name = run.hooks.first("save_model", model=run.model, folder=folder.model)
    if format_name is None:
        raise RunFailedError(f"no plugin knows how to save a {type(run.model).__name__}")
    write_json(folder.model / "model.json", {"format": format_name, "task": run.data.task, **_card(run)})


def _card(run: Run) -> Mapping[str, Any]:
    return {
        **({DECISION_KEY: run.metadata[DECISION_KEY]} if DECISION_KEY in run.metadata else {}),
        "classes": list(run.data.classes),
        "columns": [{"name": str(name), "dtype": str(dtype)} for name, dtype in run.data.features.dtypes.items()],
        "target": str(run.data.target.name),
    }


# --- The stage report: the page that tells a run to a reader, from what the stages before it have written.

log = logging.getLogger(__name__)


def report(run: Run) -> None:
    """Write `report.html`, unless it is not wanted; one that cannot be made is a warning, for the model is saved."""
    if not run.config.evaluator.get("report", True):
        return
    begun = read_record(RunFolder(run.folder))
    try:
        write_run_report(ended(begun, run, begun.seconds or sum(run.stage_seconds.values()), "completed"))
    except Exception as error:
        log.warning("report.html is left out: %s: %s", type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
