"""A rerun: the recorded overrides of a run, composed and trained again in a new folder."""

import argparse
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runtree.app.application import App
from runtree.app.train import TrainCallbacks, TrainResult, train
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.contract.errors import RequestError
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.hookspecs import hookimpl
from runtree.contract.redaction import HIDDEN
from runtree.contract.run import Run, Stage
from runtree.contract.types import RunRecord
from runtree.plugins import installed_plugins_with
from runtree.records.commands import (
    composing_flags,
    composing_words,
    is_of_sweep,
    outputs_of,
    override_key,
    run_command,
)
from runtree.records.layout import RunFolder
from runtree.records.plugin_identity import compare_plugins, is_needed_by
from runtree.records.user_code import changed_modules

log = logging.getLogger(__name__)


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


def check_recorded_plugins(
    app: App,
    recorded: Mapping[str, Any],
    config: Mapping[str, Any],
    subject: str,
    warn: Callable[[str], None] = log.warning,
) -> None:
    """Report plugins that are installed in another version now; refuse where one is missing that the config needs.

    Raises
    ------
    MissingError
        With the command that installs it.
    """
    for note in compare_plugins(recorded, app.plugins.identities, subject, is_needed_by(config)):
        warn(note)


def outputs_override(record: RunRecord) -> str:
    """Return the override for the output folder that contains a run."""
    path = str(outputs_of(record)).replace("\\", "\\\\").replace("'", "\\'")
    return f"outputs='{path}'"


def recorded_flags(record: RunRecord, words: Iterable[str], typed: Iterable[str] = ()) -> argparse.Namespace:
    """Return the flags that compose the config of a run again: its recorded `words`, then those `typed` now."""
    composed = composing_flags(record)
    known = composing_words(composed)
    flags = parse_flags([*(flag for flag in composed if flag not in known), *typed])
    flags.recorded = (*known, *words, outputs_override(record))
    return flags


@dataclass(frozen=True)
class Rerun:
    """The run to repeat; with `force` even if its config has changed."""

    record: RunRecord
    force: bool = False

    def choose_folder(self, frozen: FrozenConfig, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return the function that makes the folder, after a check of the config."""
        see = run_command("show", self.record, "--config")
        hints = (f"see it: {see}", "with the config as it is now: --force")
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
    words = [text for text in recorded_overrides(record) if override_key(text) != "outputs" and not is_of_sweep(text)]
    flags = recorded_flags(record, words, ["hydra.mode=RUN"])
    flags.trusted = list(trusted)
    app = App(installed_plugins_with(("rerun", ChangeListener(record, warn))))
    check_recorded_plugins(app, record.plugins, record.config, "the run was made", warn)
    return train(app, flags, replace(callbacks, choose_folder=Rerun(record, force).choose_folder))
