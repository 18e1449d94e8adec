"""The tracker: starts a process that follows the run or the sweep, and waits for it at the end."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree import Run, RunRecord
from runtree_mlflow.follower import Follower
from runtree_mlflow.settings import Settings

log = logging.getLogger("runtree.mlflow")


class MLflow:
    """Sends runs and sweeps to an MLflow tracking store. Neither fails nor delays them.

    Parameters
    ----------
    uri
        The store or server; None: MLFLOW_TRACKING_URI.
    experiment
        The MLflow experiment; None: MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME, else the experiment of the run.
    model
        Whether to send the model.
    patience
        Seconds to wait at the end until all is sent; the rest is sent in the background.
    """

    def __init__(
        self, uri: str | None = None, experiment: str | None = None, model: bool = True, patience: float = 10.0
    ) -> None:
        self._settings, self._patience = Settings(uri, experiment, model), patience
        self._follower: Follower | None = None

    def run_started(self, run: Run) -> None:
        """Follow a run, unless it belongs to a sweep, whose follower sends it."""
        if not (run.folder.parent.parent / "ledger.jsonl").is_file():
            self._follower = Follower(run.folder, self._settings)

    def run_finished(self, run: Run, record: RunRecord) -> None:
        """Wait until all is sent."""
        self._end(run.folder, self._patience)

    def run_failed(self, run: Run, error: BaseException) -> None:
        """Wait until all is sent, unless the run was interrupted."""
        self._end(run.folder, self._patience if isinstance(error, Exception) else 0.0)

    def sweep_started(self, folder: Path) -> None:
        """Follow a sweep."""
        self._follower = Follower(folder, self._settings)

    def sweep_finished(self, folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
        """Wait until all is sent."""
        self._end(folder, 0.0 if stop.get("criterion") == "interrupted" else self._patience)

    def _end(self, folder: Path, patience: float) -> None:
        if self._follower is None:
            return
        trouble = self._follower.finish(patience)
        if trouble:
            log.warning("mlflow: %s; later: runtree mlflow push %s", trouble, folder)
