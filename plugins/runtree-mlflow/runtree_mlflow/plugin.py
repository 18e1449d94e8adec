"""The hooks of this package: a tracker and a subcommand. MLflow is not imported here."""

import os
from collections.abc import Iterable

from runtree import Command, Tracker, hookimpl


@hookimpl
def register_trackers() -> Iterable[Tracker]:
    """Return the tracker; `trackers=auto` enables it if MLFLOW_TRACKING_URI is set."""
    return [Tracker("mlflow", "runtree_mlflow.tracker.MLflow", lambda: bool(os.environ.get("MLFLOW_TRACKING_URI")))]


@hookimpl
def register_commands() -> Iterable[Command]:
    """Return `runtree mlflow`."""

    def make() -> object:
        from runtree_mlflow.cli import mlflow_command

        return mlflow_command

    return [Command("mlflow", make, "Send runs to an MLflow tracking store.")]  # type: ignore[arg-type]
