"""The record of a run at its start and at its end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.contract.errors import DivergedError, RunFailedError, RuntreeError, error_text, first_line
from runtree.contract.fingerprint import PLUGINS
from runtree.contract.redaction import redact_override
from runtree.contract.types import RunRecord
from runtree.lifecycle.fit import FINGERPRINTED
from runtree.records.commands import run_command
from runtree.records.layout import RunFolder, timestamp
from runtree.records.record import new_record
from runtree.records.user_code import sources_fingerprint
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun, RunOptions


def first_record(frozen: FrozenConfig, options: RunOptions, sweep: str | None, folder: RunFolder) -> RunRecord:
    """Return the record of a run that starts."""
    name = folder.path.name
    record = new_record(
        f"{sweep}/{name}" if sweep else name,
        str(frozen.config["experiment"]["name"]),
        "running",
        [redact_override(text) for text in options.overrides],
        frozen.flat,
        frozen.fingerprint,
        folder.path,
    )
    flags = tuple(redact_override(text) for text in options.flags)
    return replace(record, flags=flags, number=options.number, attempt=options.attempt)


def final_record(
    record: RunRecord, run: ActiveRun, seconds: float, state: str, error: BaseException | None = None
) -> RunRecord:
    """Return the record of a run that has ended, from the slots that are filled: a failed run may have few."""
    # each slot is checked first, because reading an empty one raises, and the record of a failure must not fail
    fingerprints = {"data": run.data.fingerprint} if run.is_set("data") else {}
    fingerprints |= {"split": run.split.id} if run.is_set("split") else {}
    fingerprints |= {"test": run.test_access["rows"]} if run.test_access else {}
    scored = {name for values in run.metrics.values() for name in values} if run.is_set("metrics") else set()
    if run.is_set("metrics") and run.is_set("evaluator"):
        # a metric of a plugin's next version may be another one under the same name
        measures = [run.catalogue[name] for name in scored if name in run.catalogue]
        scoring = run.contributors.scoring(measures, type(run.evaluator))
        fingerprints |= {"scoring": scoring} if scoring else {}
    code = run.contributors.code(run.config.to_dict())
    fingerprints |= {PLUGINS: code} if code else {}
    fingerprints |= {name: run.metadata[name] for name in FINGERPRINTED if name in run.metadata}
    fingerprints |= {"code": sources_fingerprint(run.sources)} if run.sources else {}
    return replace(
        record,
        state=state,
        reason=end_reason(run, state, error),
        finished=timestamp(),
        # microseconds: the clock's further digits are noise, and only lengthen the JSON
        seconds=round(seconds, 6),
        task=run.data.task if run.is_set("data") else None,
        metrics=dict(run.metrics) if run.is_set("metrics") else {},
        objective=objective_entry(run) if run.is_set("metrics") else {},
        fingerprints={**record.fingerprints, **fingerprints},
        stages={name: round(value, 6) for name, value in run.stage_seconds.items()},
        error=error_entry(error) if error is not None and state == "failed" else None,
        fit=dict(run.fit_summary),
        missed=run.failed_gates,
        plugins=run.contributors.entries(run.config.to_dict(), scored),
    )


def end_reason(run: ActiveRun, state: str, error: BaseException | None) -> str | None:
    """Return why a run ended; for a completed run the stop criterion that ended its fit."""
    if state == "completed":
        return run.fit_summary.get("reason")
    if state in ("interrupted", "pruned"):
        return state
    return "diverged" if isinstance(error, DivergedError) else "error"


def objective_entry(run: ActiveRun) -> dict[str, Any]:
    """Return the metric that the run is ranked by, with its value on the validation split."""
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    # never the test score: runs are ranked by this value, and a ranking by test scores would be a selection on the test
    # split
    value = run.metrics.get("validation", {}).get(metric.name)
    return {"metric": metric.name, "direction": direction, "part": "validation", "value": value}


def describe_state(record: RunRecord, written: bool) -> tuple[str, ...]:
    """Return what became of a run that the disk, or a limit of the system, ended, and how it is done again."""
    if "/" in record.id:  # in a sweep, which says so itself and is resumed as a whole
        return ()
    if not RunFolder(record.folder).record.is_file():
        return ("the run has no record; to remove what it has written: runtree clean",)
    state = f"recorded as {record.state}" if written else "listed as interrupted, since its record could not be written"
    return (f"the run is {state}; to do it again: {run_command('rerun', record)}",)


def wrap_error(error: BaseException, folder: RunFolder) -> RunFailedError:
    """Return the error shown to the user for an unexpected exception of a stage."""
    message = f"the run failed: {type(error).__name__}: {first_line(error)}"
    if isinstance(error, SystemExit):
        message = f"the run failed: the algorithm, or a plugin, called sys.exit({error.code!r})"
    return RunFailedError(message, f"the traceback is in {folder.log}")


def error_entry(error: BaseException) -> dict[str, Any]:
    """Return an error as `run.json` holds it."""
    hints: Sequence[str] = error.hints if isinstance(error, RuntreeError) else ()
    message = error_text(error.message if isinstance(error, RuntreeError) else error)
    if isinstance(error, SystemExit):
        message = f"sys.exit({error.code!r}) was called"
    return {"type": type(error).__name__, "message": message, "hints": list(hints)}
