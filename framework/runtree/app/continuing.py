"""A run that ended too early goes on from its last checkpoint, or one that is done is trained further."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.rerun import refuse_changed_config, typed_overrides
from runtree.app.training import Done, train
from runtree.config.flags import parse_flags
from runtree.config.freeze import Frozen
from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord
from runtree.lifecycle.fitting.checkpoints import adopt
from runtree.records.layout import RunFolder, drop_artifacts
from runtree.records.selectors import find_run

LONGER = ("fit.max_iterations", "fit.max_seconds", "fit.checkpoint", "compute")  # what may be set anew


@dataclass(frozen=True)
class Start:
    """Where a run goes on from."""

    record: RunRecord

    @property
    def folder(self) -> RunFolder:
        """Return the folder of the run."""
        return RunFolder(self.record.folder)

    def opens(self, frozen: Frozen, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return how to come by a folder: the run's own, or where it is trained further one with its checkpoints.

        Raises
        ------
        RequestError
            The config is another one than that of the run.
        """
        before = self.record.fingerprints.get("config")
        if frozen.fingerprint == before:
            return self._again
        refuse_changed_config(
            self.record,
            frozen,
            f"a run that goes on may have other: {', '.join(LONGER)}",
            "for anything else begin anew: runtree train …",
            but=lambda key: key.startswith(LONGER),
        )

        def further() -> RunFolder:
            folder = open_new()
            shutil.copytree(self.folder.checkpoints, folder.checkpoints)
            adopt(folder.checkpoints, str(before), frozen.fingerprint)
            if self.folder.history.is_file():
                shutil.copy(self.folder.history, folder.history)
            return folder

        return further

    def _again(self) -> RunFolder:
        if self.record.state == "completed":
            raise RequestError(
                f"{self.record.id} has completed",
                f"to train it further: --continue {self.record.id} fit.max_iterations=…",
            )
        if "/" in self.record.id:
            sweep = self.record.id.partition("/")[0]
            raise RequestError(
                f"{self.record.id} is a run of a sweep", f"the sweep goes on with it: runtree resume {sweep}"
            )
        with self.folder.held():  # somebody who works on it is told before anything is removed
            drop_artifacts(self.folder, ("checkpoints",))
        return self.folder


def go_on(app: App, selector: str, more: Sequence[str], **watching: Any) -> Done:
    """Go on with the run that `selector` names; `more` may set other bounds and another compute."""
    record = find_run(outputs_of(more), selector)
    if not any(RunFolder(record.folder).checkpoints.glob("[0-9]*")):
        raise RequestError(
            f"{record.id} has no checkpoint to go on from", "keep some: runtree train … fit.checkpoint.every=10"
        )
    return train(app, parse_flags([*typed_overrides(record), *more]), opens=Start(record).opens, **watching)


def outputs_of(more: Sequence[str]) -> Path:
    """Return the output tree that a command line names."""
    named = [text.partition("=")[2].strip("'\"") for text in more if text.startswith("outputs=")]
    return Path(named[-1] if named else "outputs")
