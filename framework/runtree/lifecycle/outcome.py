"""What a run's record says at its beginning and at its end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.config.secrets import redact_override
from runtree.contract.errors import DivergedError, RunFailedError, RuntreeError, first_line, said
from runtree.contract.run import Run
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, timestamp
from runtree.records.record import new_record
from runtree.statistics import metrics


def first_record(frozen: FrozenConfig, overrides: Sequence[str], sweep: str | None, folder: RunFolder) -> RunRecord:
    """Return the record of a run that has just begun."""
    name = folder.path.name
    return new_record(
        f"{sweep}/{name}" if sweep else name,
        str(frozen.config["experiment"]["name"]),
        "running",
        [redact_override(text) for text in overrides],
        frozen.flat,
        frozen.fingerprint,
        folder.path,
    )


def ended(
    record: RunRecord,
    run: Run,
    seconds: float,
    state: str,
    error: BaseException | None = None,
) -> RunRecord:
    """Return the record of a run that has ended, with whatever slots were filled."""
    found = {"data": run.data.fingerprint} if run.is_set("data") else {}
    found |= {"split": run.split.id} if run.is_set("split") else {}
    found |= {"test": run.test_access["rows"]} if run.test_access else {}
    found |= {"pretrained": run.metadata["pretrained"]} if "pretrained" in run.metadata else {}
    return replace(
        record,
        state=state,
        reason=reason(run, state, error),
        finished=timestamp(),
        seconds=round(seconds, 6),
        task=run.data.task if run.is_set("data") else None,
        metrics=dict(run.metrics) if run.is_set("metrics") else {},
        objective=ranked(run) if run.is_set("metrics") else {},
        fingerprints={**record.fingerprints, **found},
        stages={name: round(value, 6) for name, value in run.stage_seconds.items()},
        error=told(error) if error is not None and state == "failed" else None,
        fit=dict(run.fit_summary),
        missed=run.failed_gates,
    )


def reason(run: Run, state: str, error: BaseException | None) -> str | None:
    """Return why a run ended: a completed one by the rule that ended its fit."""
    if state == "completed":
        return run.fit_summary.get("reason")
    if state in ("interrupted", "pruned"):
        return state
    return "diverged" if isinstance(error, DivergedError) else "error"


def ranked(run: Run) -> dict[str, Any]:
    """Return the number that the run is ranked by: the objective's metric on the validation part."""
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    value = run.metrics.get("validation", {}).get(metric.name)
    return {"metric": metric.name, "direction": direction, "part": "validation", "value": value}


def failed(error: Exception, folder: RunFolder) -> RunFailedError:
    """Return the error that a user is shown for a fault of a stage."""
    first = first_line(error)
    return RunFailedError(f"the run failed: {type(error).__name__}: {first}", f"the traceback is in {folder.log}")


def told(error: BaseException) -> dict[str, Any]:
    """Return an error as a record keeps it."""
    hints: Sequence[str] = error.hints if isinstance(error, RuntreeError) else ()
    message = said(error.message if isinstance(error, RuntreeError) else error)
    return {"type": type(error).__name__, "message": message, "hints": list(hints)}
