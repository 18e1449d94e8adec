"""What becomes of a model in use: monitor, retrain."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.api.functions import load_run
from runtree.api.overrides import AT_WORK, keep_frame, override_words, protection_of
from runtree.api.recorded import RecordedRun
from runtree.contract.commands import DEFAULT_OUTPUTS
from runtree.contract.model_version import SCHEME
from runtree.contract.types import RunRecord

if TYPE_CHECKING:
    import pandas as pd

MONITORING = "monitoring"


def monitor(
    run: "str | RecordedRun" = "latest",
    data: "pd.DataFrame | str | Path | None" = None,
    *overrides: str | Mapping[str, Any],
    labels: "pd.DataFrame | str | Path | None" = None,
    key: str | None = None,
    log: str = "predictions",
    since: str = "",
    output: str | Path = MONITORING,
    outputs: str | Path = DEFAULT_OUTPUTS,
    trust: Sequence[str] = (),
    **values: Any,
) -> dict[str, Any]:
    """Compare rows that a model has met with those that it was made with, as `runtree monitor` does.

    Parameters
    ----------
    run
        A registered model (``"models:/churn@champion"``), a run as in `load_run`, or a run itself.
    data
        The rows: a data frame or a file; None: the answers in the prediction log.
    overrides, values
        Keys of `monitor` and of `data`: ``"monitor.window.every=month"``.
    labels, key
        A data frame or a file with the target, where it came later, and the column by which rows are found in it.
    log, since
        The place of the prediction log, and the first moment that counts, in UTC.
    output
        The folder of the results, in which each model has one.
    outputs, trust
        As in `load_run` and `load_model`.

    Returns
    -------
    dict
        "windows": the content of `monitor.json` of each, with "state" and "alarms"; "notes"; "report", the page; and
        "request", what a trigger has asked for: the id with its evidence, else None.

    Raises
    ------
    RuntreeError
        The run has no model, the rows do not fit it, or an option is not possible.
    """
    from runtree.app import App
    from runtree.app.monitor import monitor_run
    from runtree.app.monitored_rows import MonitorRequest

    record = run.record if isinstance(run, RecordedRun) else load_run(run, outputs).record
    name = run.id if isinstance(run, RecordedRun) else run
    words = tuple(override_words(overrides, values))
    with AT_WORK:
        rows, truths = _file(data, outputs, record), _file(labels, outputs, record)
        request = MonitorRequest(record, name, rows, truths, key, words, tuple(trust), log, since, Path(output))
        result = monitor_run(App(), request)
    return {
        "windows": [dict(window) for window in result.windows],
        "notes": list(result.notes),
        "report": str(result.folder.report),
        "request": {"id": result.request.id, **result.request.content} if result.request else None,
    }


def retrain(
    name: str,
    data: "pd.DataFrame | str | Path | None" = None,
    *overrides: str | Mapping[str, Any],
    request: str | None = None,
    mode: str | None = None,
    policy: str | None = None,
    alias: str = "champion",
    by: str = "",
    reason: str = "",
    output: str | Path = MONITORING,
    outputs: str | Path = DEFAULT_OUTPUTS,
    trust: Sequence[str] = (),
    progress: bool = True,
    **values: Any,
) -> dict[str, Any]:
    """Train a registered model again on new rows, and promote it if it is better, as `runtree retrain` does.

    Parameters
    ----------
    name
        The registered model.
    data
        The new rows: a data frame, which is kept below the folder `outputs`, or a file; None: those of the request,
        the champion's table if it has changed, or the rows with labels that were watched.
    overrides, values
        Keys of `data` that differ from those of the champion.
    request
        The beginning of the id of a request; None: the open one, else a new one for the rows that are given.
    mode
        "refit": with the champion's parameters; "retune": its search again. None: as the request says.
    policy
        "train": a better version waits for approval; "train_and_promote": it is promoted. None: as the request says.
    alias
        The name of the version that is to be replaced.
    by, reason
        Who does it, by default the user of this process, and why; for the history.
    output
        The folder of `monitor`, where requests are kept.
    outputs, trust, progress
        As in `load_run`, `load_model` and `train`.

    Returns
    -------
    dict
        "outcome": promoted, pending (it passed the gate and waits for approval) or refused, None if no request is open;
        "reasons", "request", "version", "run", "gate" and "old": the gain on the rows that the champion had held out.

    Raises
    ------
    RuntreeError
        There is no such model or request, or the training failed. A refusal is no error.
    """
    from runtree.api.notebook import run_progress
    from runtree.app import App, TrainCallbacks
    from runtree.app.retrain import retrain as work
    from runtree.app.retrain_request import RetrainOrder
    from runtree.records.model_versions import registry_root

    file = _file(data, outputs, f"{SCHEME}{name}@{alias}")
    words = (*override_words(overrides, values), *([file] if file else []))
    order = RetrainOrder(name, words, request, mode, policy, alias, tuple(trust), by, reason, Path(output))
    shown = run_progress(progress)
    with AT_WORK:
        try:
            callbacks = TrainCallbacks(shown.on_stage, shown.on_run_end, shown.on_iteration)
            return work(App(), registry_root(), order, callbacks).to_dict()
        finally:
            shown.stop()


def _file(data: "pd.DataFrame | str | Path | None", outputs: str | Path, run: RunRecord | str) -> str | None:
    """Return the path of rows; a data frame is kept in the output folder, without values that the run hides."""
    if data is None or isinstance(data, str | Path):
        return None if data is None else str(data)
    record = load_run(run, outputs).record if isinstance(run, str) else run
    return str(keep_frame(data, Path(outputs), protection_of(record)))
