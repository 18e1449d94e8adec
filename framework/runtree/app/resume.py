"""Continues an interrupted sweep to its original total, or a run from its last checkpoint."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.rerun import check_recorded_plugins, recorded_flags, recorded_overrides, refuse_changed_config
from runtree.app.train import NO_CALLBACKS, TrainCallbacks, TrainResult, train
from runtree.config.allowlist import add_import_folder
from runtree.config.catalogue import flatten
from runtree.config.freeze import FrozenConfig
from runtree.config.hydra_engine import parse_flags
from runtree.contract.commands import command, display_path
from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord
from runtree.records.commands import outputs_of, run_name
from runtree.records.find import find_run
from runtree.records.folder_claims import drop_artifacts
from runtree.records.layout import RunFolder, SweepFolder
from runtree.sweeps.function_space import SpaceFunction
from runtree.sweeps.identity import MAY_CHANGE_ON_RESUME, read_request
from runtree.training.checkpoints import retarget_checkpoints

MAY_CHANGE_ON_CONTINUE = ("fit.max_iterations", "fit.max_seconds", "fit.checkpoint", "compute")


def resume_sweep(
    app: App,
    folder: SweepFolder,
    overrides: Sequence[str] = (),
    observer: Any = None,
    retry: Sequence[str] = (),
    trusted: Sequence[str] = (),
    space: SpaceFunction | None = None,
) -> TrainResult:
    """Resume a sweep with its own command line; `overrides` may change its bounds and `compute`, nothing else.

    `space` is the function that the sweep began with, if its space was one; a module's is found if `trusted` names it.
    Its ended runs in the states `retry` ("failed", "stopped") are tried again. Code that the record names is run only
    if `trusted` names it, too.

    Raises
    ------
    RequestError
        Another process works on it, its config has changed, or `overrides` would make it another sweep.
    """
    from runtree.app.sweep_plan import SilentObserver, SweepRequest

    check_resume_overrides(overrides)
    earlier = read_request(folder)
    config: dict[str, Any] = next((family["config"] for family in earlier["identity"]["families"].values()), {})
    check_recorded_plugins(app, earlier.get("plugins") or {}, flatten(config), "the sweep began")
    # the new overrides come last: of several values for a key, the last one counts
    flags = parse_flags(["-m", *overrides])
    flags.recorded, flags.trusted = tuple(earlier["overrides"]), list(trusted)
    flags.config_name = earlier.get("config_name")
    flags.config_dir, flags.config_path = earlier.get("config_dir"), earlier.get("config_path")
    request = SweepRequest(
        app,
        resume=SweepFolder(Path(folder.path)),
        retry=frozenset(retry),
        observer=observer or SilentObserver(),
        space=_find_space(folder, earlier.get("space"), trusted, space),
    )
    return train(app, flags, order=request)


def _find_space(
    folder: SweepFolder, recorded: Mapping[str, str] | None, trusted: Sequence[str], space: SpaceFunction | None
) -> SpaceFunction | None:
    """Return the space function of a sweep.

    Raises
    ------
    RequestError
        It is needed and was not passed, or was passed to a sweep whose space is declared.
    """
    if recorded is None and space is not None:
        raise RequestError("space: this sweep began with a declared space, not with a function", "leave it out")
    if recorded is None or space is not None:
        return space
    name = str(recorded.get("function"))
    if name in trusted:
        add_import_folder(Path.cwd(), (name,))
        module, _, attribute = name.rpartition(".")
        with suppress(ImportError, AttributeError):
            function: SpaceFunction = getattr(import_module(module), attribute)
            return function
        raise RequestError(f"--trust {name}: there is no such function", *_resume_hints(folder, name)[:1])
    raise RequestError(f"space: this sweep needs the function that makes it, {name}", *_resume_hints(folder, name))


def _resume_hints(folder: SweepFolder, name: str) -> list[str]:
    importable = not name.startswith("__main__.") and "<" not in name
    place = display_path(folder.path)
    return [
        f'from Python: rt.resume("{place}", space=…)',
        f"its source is in {display_path(folder.description)}",
        *([f"or let it be imported: {command('resume', place, '--trust', name)}"] if importable else []),
    ]


def check_resume_overrides(overrides: Sequence[str]) -> None:
    """Refuse overrides that would make it another sweep."""
    for text in overrides:
        if not text.startswith(("compute.", "compute=", *(f"tuner.{key}" for key in MAY_CHANGE_ON_RESUME))):
            raise RequestError(
                f"'{text}' would make it another sweep",
                f"may be changed: compute, {', '.join(f'tuner.{key}' for key in MAY_CHANGE_ON_RESUME)}",
                "begin a new one: runtree train -m …",
            )


def continue_run(
    app: App,
    selector: str,
    more: Sequence[str],
    callbacks: TrainCallbacks = NO_CALLBACKS,
    trusted: Sequence[str] = (),
) -> TrainResult:
    """Continue a run from its last checkpoint, or train a completed one further.

    Code that the record names is run only if `trusted` names it, too.

    Parameters
    ----------
    selector
        Names the run: its id, `latest`, a folder.
    more
        Overrides of `MAY_CHANGE_ON_CONTINUE`, and `outputs`, where the run is looked for.
    """
    # read from the text: the run has to be found before its config can be composed
    trees = [text.partition("=")[2].strip("'\"") for text in more if text.startswith("outputs=")]
    record = find_run(Path(trees[-1] if trees else "outputs"), selector)
    if not any(RunFolder(record.folder).checkpoints.glob("[0-9]*")):
        raise RequestError(
            f"{record.id} has no checkpoint to continue from", "keep some: runtree train … fit.checkpoint.every=10"
        )
    check_recorded_plugins(app, record.plugins, record.config, "the run was made")
    # a new folder lies beside the run, not where its record says
    flags = recorded_flags(record, recorded_overrides(record), more)
    flags.trusted = list(trusted)
    return train(app, flags, replace(callbacks, choose_folder=ContinuedRun(record).choose_folder))


@dataclass(frozen=True)
class ContinuedRun:
    """A run that has checkpoints."""

    record: RunRecord

    @property
    def folder(self) -> RunFolder:
        """Return the folder of the run."""
        return RunFolder(self.record.folder)

    def choose_folder(self, frozen: FrozenConfig, open_new: Callable[[], RunFolder]) -> Callable[[], RunFolder]:
        """Return what opens the run's own folder, or if it is trained further a new one with its checkpoints.

        Raises
        ------
        RequestError
            The config differs in more than may change.
        """
        before = self.record.fingerprints.get("config")
        if frozen.fingerprint == before:
            # a function and not a folder: it is called once the request has proved valid
            return self._reopen
        refuse_changed_config(
            self.record,
            frozen,
            f"a run that continues may change: {', '.join(MAY_CHANGE_ON_CONTINUE)}",
            "for any other change start a new run: runtree train …",
            but=lambda key: key.startswith(MAY_CHANGE_ON_CONTINUE),
        )

        def open_with_checkpoints() -> RunFolder:
            folder = open_new()
            # copied, not moved: the completed run keeps its own checkpoints, and may be continued in several ways
            shutil.copytree(self.folder.checkpoints, folder.checkpoints)
            # checkpoints carry the fingerprint of their config: a fit loads no other's
            retarget_checkpoints(folder.checkpoints, str(before), frozen.fingerprint)
            if self.folder.history.is_file():
                shutil.copy(self.folder.history, folder.history)
            return folder

        return open_with_checkpoints

    def _reopen(self) -> RunFolder:
        record = self.record
        if record.state == "completed":
            raise RequestError(
                f"{record.id} has completed",
                f"to train it further: runtree train --continue {run_name(record)} fit.max_iterations=…",
            )
        if "/" in record.id:
            resume = command("resume", record.id.partition("/")[0], outputs=outputs_of(record))
            raise RequestError(f"{record.id} is a run of a sweep", f"resume the sweep: {resume}")
        with self.folder.held():  # refuses a run that another process works on, before anything is removed
            drop_artifacts(self.folder, ("checkpoints",))
        return self.folder
