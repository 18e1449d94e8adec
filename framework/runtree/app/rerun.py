"""What a record says was typed, ready to be typed again, and what it means by now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.train import TrainCallbacks, TrainResult, train
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.config.secrets import HIDDEN
from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.hookspecs import hookimpl
from runtree.contract.run import Run, Stage
from runtree.contract.types import RunRecord
from runtree.plugins import installed_plugins_with
from runtree.records.layout import RunFolder, SweepFolder, read_description
from runtree.records.record import sweep_path


def typed_overrides(record: RunRecord) -> list[str]:
    """Return the overrides of a run.

    Raises
    ------
    RequestError
        One of them was hidden when it was written down.
    """
    if any(HIDDEN in text for text in record.overrides):
        raise RequestError(f"{record.id} was given a secret on the command line", "name secrets as ${secret:NAME}")
    return list(record.overrides)


def refuse_changed_config(
    record: RunRecord, frozen: FrozenConfig, *hints: str, but: Callable[[str], bool] = lambda key: False
) -> None:
    """Refuse a config that is not the one of the run; keys of which `but` says so may have other values.

    Raises
    ------
    RequestError
        With the keys in which it differs.
    """
    if frozen.fingerprint == record.fingerprints.get("config"):
        return
    changed = [key for key in changed_keys(record.config, frozen.flat) if not but(key)]
    if changed:
        raise RequestError(f"{record.id}: the config is not what it was: {', '.join(changed[:4])}", *hints)


def changed_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys of two flat configs that have other values."""
    keys = dict.fromkeys([*one, *other])
    return [key for key in keys if one.get(key) != other.get(key) and not key.startswith(("outputs", "experiment"))]


def outputs_of(record: RunRecord) -> Path:
    """Return the output tree that a run lies in; where its folder was named by hand the one of its config."""
    experiment = (sweep_path(record) or record.folder).parent
    return experiment.parent if experiment.name == record.experiment else Path(str(record.config.get("outputs")))


OF_A_SWEEP = ("tuner", "hydra")  # what was typed for a sweep and means nothing to one of its runs


@dataclass(frozen=True)
class Rerun:
    """The run that is done again; `force` takes a config that is not what it was."""

    record: RunRecord
    force: bool = False

    def choose_folder(self, frozen: FrozenConfig, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return how to come by a new folder."""
        hints = (f"see it: runtree show {self.record.id} --config", "with the config as it is now: --force")
        if not self.force:
            refuse_changed_config(self.record, frozen, *hints, but=lambda key: key.partition(".")[0] in IGNORED_GROUPS)
            if frozen.fingerprint != self.record.fingerprints.get("config"):
                raise RequestError(f"{self.record.id}: its config has another fingerprint by now", *hints)
        return open_new


@dataclass(frozen=True)
class DataChangeListener:
    """Hears of the table as soon as it is loaded, and tells where it is not what it was."""

    record: RunRecord
    tell: Callable[[str], None]

    @hookimpl
    def stage_finished(self, run: Run, stage: Stage) -> None:
        """Compare the fingerprints."""
        before = self.record.fingerprints.get("data")
        if stage.name == "load" and before and run.data.fingerprint != before:
            self.tell("the data is not what it was: the run goes on, but its metrics do not compare")


def rerun(record: RunRecord, force: bool, tell: Callable[[str], None], callbacks: TrainCallbacks) -> TrainResult:
    """Train the config of a run again, in the same experiment of the same tree.

    Raises
    ------
    RequestError
        The run is still worked on, it was given a secret, or its config is not what it was.
    """
    if record.state == "running":
        raise RequestError(f"{record.id} is still running", "wait until it has ended")
    words = [
        text
        for text in typed_overrides(record)
        if _key(text) != "outputs" and _key(text).split(".")[0] not in OF_A_SWEEP
    ]
    flags = parse_flags([*words, f"outputs={_quoted(outputs_of(record))}", "hydra.mode=RUN"])
    flags.config_name, flags.config_dir = _config_of_sweep(record)
    app = App(installed_plugins_with(("rerun", DataChangeListener(record, tell))))
    return train(app, flags, replace(callbacks, choose_folder=Rerun(record, force).choose_folder))


def _key(override: str) -> str:
    """Return the key or group of an override: ``+tuner@x=tpe`` is about `tuner`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")


def _config_of_sweep(record: RunRecord) -> tuple[str | None, str | None]:
    """Return the name and the folder of the config that a sweep was asked for with; None where they were not named."""
    folder = sweep_path(record)
    try:
        asked = read_description(SweepFolder(folder)) if folder else {}
    except NotFoundError:  # a sweep of another sweeper's
        asked = {}
    return asked.get("config_name"), asked.get("config_dir")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
