"""A run is done again from what its record says was typed, in a folder of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.recorded import refuse_other_config, sweep_of, tree_of, typed
from runtree.app.training import Done, train
from runtree.config.flags import parse_flags
from runtree.config.freeze import OUTSIDE, Frozen
from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.hookspecs import hookimpl
from runtree.contract.run import Run
from runtree.contract.types import RunRecord, Stage
from runtree.plugins import installed_plugins_and
from runtree.records.folder import RunFolder
from runtree.records.sweep import SweepFolder, read_description

OF_A_SWEEP = ("tuner", "hydra")  # what was typed for a sweep and means nothing to one of its runs


@dataclass(frozen=True)
class Again:
    """The run that is done again; `force` takes a config that is not what it was."""

    record: RunRecord
    force: bool = False

    def opens(self, frozen: Frozen, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return how to come by a new folder."""
        hints = (f"see it: runtree show {self.record.id} --config", "with the config as it is now: --force")
        if not self.force:
            refuse_other_config(self.record, frozen, *hints, but=lambda key: key.partition(".")[0] in OUTSIDE)
            if frozen.fingerprint != self.record.fingerprints.get("config"):
                raise RequestError(f"{self.record.id}: its config has another fingerprint by now", *hints)
        return open_new


@dataclass(frozen=True)
class Listener:
    """Hears of the table as soon as it is loaded, and tells where it is not what it was."""

    record: RunRecord
    tell: Callable[[str], None]

    @hookimpl
    def stage_finished(self, run: Run, stage: Stage) -> None:
        """Compare the fingerprints."""
        before = self.record.fingerprints.get("data")
        if stage.name == "load" and before and run.data.fingerprint != before:
            self.tell("the data is not what it was: the run goes on, but its metrics do not compare")


def rerun(record: RunRecord, force: bool, tell: Callable[[str], None], **watching: Any) -> Done:
    """Train the config of a run again, in the same experiment of the same tree.

    Raises
    ------
    RequestError
        The run is still worked on, it was given a secret, or its config is not what it was.
    """
    if record.state == "running":
        raise RequestError(f"{record.id} is still running", "wait until it has ended")
    words = [text for text in typed(record) if _key(text) != "outputs" and _key(text).split(".")[0] not in OF_A_SWEEP]
    flags = parse_flags([*words, f"outputs={_quoted(tree_of(record))}", "hydra.mode=RUN"])
    flags.config_name, flags.config_dir = _config_of_sweep(record)
    app = App(installed_plugins_and(("rerun", Listener(record, tell))))
    return train(app, flags, opens=Again(record, force).opens, **watching)


def _key(override: str) -> str:
    """Return the key or group of an override: ``+tuner@x=tpe`` is about `tuner`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")


def _config_of_sweep(record: RunRecord) -> tuple[str | None, str | None]:
    """Return the name and the folder of the config that a sweep was asked for with; None where they were not named."""
    folder = sweep_of(record)
    try:
        asked = read_description(SweepFolder(folder)) if folder else {}
    except NotFoundError:  # a sweep of another sweeper's
        asked = {}
    return asked.get("config_name"), asked.get("config_dir")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
