"""The tracker: it lets a process of its own follow the run or the sweep, and asks it in the end how it went."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree import Run, RunRecord
from runtree_mlflow.follower import Follower
from runtree_mlflow.settings import Settings

log = logging.getLogger("runtree.mlflow")


class MLflow:
    """Tells an MLflow tracking store of runs and sweeps, and neither fails nor waits for it.

    Parameters
    ----------
    uri
        The store or server; None: MLFLOW_TRACKING_URI, as MLflow itself reads it.
    experiment
        MLflow's experiment; None: MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME, else the name of runtree's.
    model
        Whether the model is sent too.
    patience
        Seconds to wait in the end for what is not sent yet; what then is left is sent in the background.
    """

    def __init__(
        self, uri: str | None = None, experiment: str | None = None, model: bool = True, patience: float = 10.0
    ) -> None:
        self._settings, self._patience = Settings(uri, experiment, model), patience
        self._follower: Follower | None = None

    def run_started(self, run: Run) -> None:
        """Begin to follow a run; those of a sweep are seen to by who follows the sweep."""
        if not (run.folder.parent.parent / "ledger.jsonl").is_file():
            self._follower = Follower(run.folder, self._settings)

    def run_finished(self, run: Run, record: RunRecord) -> None:
        """Wait for the rest."""
        self._end(run.folder, self._patience)

    def run_failed(self, run: Run, error: BaseException) -> None:
        """Wait for the rest; whoever interrupts a run does not want to wait."""
        self._end(run.folder, self._patience if isinstance(error, Exception) else 0.0)

    def sweep_started(self, folder: Path) -> None:
        """Begin to follow a sweep."""
        self._follower = Follower(folder, self._settings)

    def sweep_finished(self, folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
        """Wait for the rest."""
        self._end(folder, 0.0 if stop.get("criterion") == "interrupted" else self._patience)

    def _end(self, folder: Path, patience: float) -> None:
        if self._follower is None:
            return
        trouble = self._follower.finish(patience)
        if trouble:
            log.warning("mlflow: %s; later: runtree mlflow push %s", trouble, folder)
