"""A rerun: the recorded overrides of a run, composed and trained again in a new folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.train import TrainCallbacks, TrainResult, train
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import NotFoundError, RequestError
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.hookspecs import hookimpl
from runtree.contract.redaction import HIDDEN
from runtree.contract.run import Run, Stage
from runtree.contract.types import RunRecord
from runtree.plugins import installed_plugins_with
from runtree.records.layout import RunFolder, SweepFolder, read_description
from runtree.records.record import sweep_path
from runtree.records.user_code import changed_modules


def recorded_overrides(record: RunRecord) -> list[str]:
    """Return the overrides of a run.

    Raises
    ------
    RequestError
        One of them contained a secret, which was not recorded.
    """
    if any(HIDDEN in text for text in record.overrides):
        raise RequestError(f"{record.id} was given a secret on the command line", "name secrets as ${secret:NAME}")
    return list(record.overrides)


def refuse_changed_config(
    record: RunRecord, frozen: FrozenConfig, *hints: str, but: Callable[[str], bool] = lambda key: False
) -> None:
    """Refuse a config that differs from that of the run, except in keys for which `but` is true.

    Raises
    ------
    RequestError
        With the keys in which it differs.
    """
    # the fingerprint covers what affects results; the keys are compared only to say what has changed
    if frozen.fingerprint == record.fingerprints.get("config"):
        return
    changed = [key for key in changed_keys(record.config, frozen.flat) if not but(key)]
    if changed:
        raise RequestError(f"{record.id}: the config has changed: {', '.join(changed[:4])}", *hints)


def changed_keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return the keys in which two flat configs differ, without those that say where the run is written."""
    keys = dict.fromkeys([*first, *second])
    return [key for key in keys if first.get(key) != second.get(key) and not key.startswith(("outputs", "experiment"))]


def outputs_of(record: RunRecord) -> Path:
    """Return the output folder that contains a run; the one in its config if the user named the folder of the run."""
    # from the place of the folder, since a tree may have been moved after the run
    experiment = (sweep_path(record) or record.folder).parent
    return experiment.parent if experiment.name == record.experiment else Path(str(record.config.get("outputs")))


def outputs_override(record: RunRecord) -> str:
    """Return the override for the output folder that contains a run."""
    path = str(outputs_of(record)).replace("\\", "\\\\").replace("'", "\\'")
    return f"outputs='{path}'"


SWEEP_GROUPS = ("tuner", "hydra")  # overrides that concern the sweep, not one of its runs


@dataclass(frozen=True)
class Rerun:
    """The run to repeat; with `force` even if its config has changed."""

    record: RunRecord
    force: bool = False

    def choose_folder(self, frozen: FrozenConfig, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return the function that makes the folder, after a check of the config."""
        hints = (f"see it: runtree show {self.record.id} --config", "with the config as it is now: --force")
        if not self.force:
            refuse_changed_config(self.record, frozen, *hints, but=lambda key: key.partition(".")[0] in IGNORED_GROUPS)
            # no key that counts differs, but the fingerprint does: another version of runtree may hash other keys
            if frozen.fingerprint != self.record.fingerprints.get("config"):
                raise RequestError(f"{self.record.id}: the config has another fingerprint now", *hints)
        return open_new


@dataclass(frozen=True)
class ChangeListener:
    """Reports as soon as the data is loaded, and the config built, if the data or the user's code has changed."""

    record: RunRecord
    warn: Callable[[str], None]

    @hookimpl
    def stage_finished(self, run: Run, stage: Stage) -> None:
        """Compare the fingerprints of the data, and the user's own modules with their copies."""
        before = self.record.fingerprints.get("data")
        if stage.name == "load" and before and run.data.fingerprint != before:
            self.warn("the data has changed: the run continues, but its metrics are not comparable")
        if stage.name == "check" and (changed := changed_modules(RunFolder(self.record.folder).code)):
            self.warn(f"the code of {', '.join(changed)} has changed: the run continues with the code as it is now")


def rerun(
    record: RunRecord,
    force: bool,
    warn: Callable[[str], None],
    callbacks: TrainCallbacks,
    trusted: Sequence[str] = (),
) -> TrainResult:
    """Train the config of a run again, in the same experiment of the same tree.

    Code that the record names is run only if `trusted` names it, too.

    Raises
    ------
    RequestError
        The run is still running, its overrides contained a secret, or its config has changed.
    """
    if record.state == "running":
        raise RequestError(f"{record.id} is still running", "wait until it has ended")
    # the keys of a sweep would start another sweep, and the output folder is set below
    words = [
        text
        for text in recorded_overrides(record)
        if _key(text) != "outputs" and _key(text).split(".")[0] not in SWEEP_GROUPS
    ]
    flags = parse_flags(["hydra.mode=RUN"])
    flags.recorded, flags.trusted = (*words, outputs_override(record)), list(trusted)
    flags.config_name, flags.config_dir = _config_of_sweep(record)
    app = App(installed_plugins_with(("rerun", ChangeListener(record, warn))))
    return train(app, flags, replace(callbacks, choose_folder=Rerun(record, force).choose_folder))


def _key(override: str) -> str:
    """Return the key or group of an override: `tuner` for ``+tuner@x=tpe``."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")


def _config_of_sweep(record: RunRecord) -> tuple[str | None, str | None]:
    """Return ``--config-name`` and ``--config-dir`` of the sweep that a run belongs to, None if not given."""
    folder = sweep_path(record)
    try:
        description = read_description(SweepFolder(folder)) if folder else {}
    except NotFoundError:  # a multirun of Hydra's own sweeper
        description = {}
    return description.get("config_name"), description.get("config_dir")
