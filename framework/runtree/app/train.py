"""From a command line to runs: Hydra composes the config and calls the one task that runs it."""

import argparse
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App, existing_folder, flags_of, typed_words
from runtree.config.provenance import TypedWords
from runtree.contract.errors import NotFoundError, RequestError, RunFailedError, RuntreeError, UnknownKeyError
from runtree.contract.types import RunRecord
from runtree.records.commands import composing_words
from runtree.training.active_run import ActiveRun

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runtree.app.sweep import SweepResult
    from runtree.app.sweep_plan import SweepRequest
    from runtree.config.freeze import FrozenConfig
    from runtree.records.layout import RunFolder

OpenFolder = Callable[[], "RunFolder"]
SWEEPER = "hydra_plugins.runtree_hydra.RuntreeSweeper"


@dataclass(frozen=True)
class TrainCallbacks:
    """Functions that follow single runs and choose their folders.

    Attributes
    ----------
    on_stage, on_iteration, on_run_end
        Called as a stage begins, after each checked iteration, and after each run that completed.
    choose_folder
        Gets the config and a function that makes a new folder; returns the function that the run calls for its folder.
    """

    on_stage: Callable[[str], None] = lambda name: None
    on_run_end: Callable[[ActiveRun], None] = lambda run: None
    on_iteration: Callable[[ActiveRun, Mapping[str, Any]], None] = lambda run, line: None
    choose_folder: Callable[["FrozenConfig", OpenFolder], OpenFolder] = lambda frozen, open_new: open_new


NO_CALLBACKS = TrainCallbacks()


@dataclass
class TrainResult:
    """The run or the sweep of a command line.

    Under a sweeper that is not runtree's, `records` and `failures` (overrides, error) list the runs one by one.
    """

    runs: list[ActiveRun] = field(default_factory=list)
    records: list[RunRecord] = field(default_factory=list)
    failures: list[tuple[tuple[str, ...], Exception]] = field(default_factory=list)
    folder: Path | None = None
    multirun: bool = False
    swept: "SweepResult | None" = None


def train(
    app: App,
    flags: argparse.Namespace,
    callbacks: TrainCallbacks = NO_CALLBACKS,
    order: "SweepRequest | None" = None,
) -> TrainResult:
    """Run a command line: one run, or with -m a sweep, which `order` configures."""
    from runtree.config.hydra_engine import force_open_parameters, repeat_below_swept_groups
    from runtree.config.hydra_errors import translate_error, unknown_key_error
    from runtree.config.provenance import check_recorded
    from runtree.config.root_keys import check_choices, check_root_keys
    from runtree.config.space.grammar import quote

    app = app.with_folders_of(flags)
    typed = typed_words(flags)
    check_recorded(flags.recorded, typed, "the record")
    words = [*flags.recorded, *flags.overrides]
    overrides = force_open_parameters(words)
    engine = app.engine(flags, app.allow_list(typed))
    result = TrainResult()
    check_choices(words, app.catalogue)
    try:
        # as Hydra does it: a file may make several values on the command line a sweep
        several = flags.multirun or (names_several_runs(overrides) and is_multirun(engine.compose(overrides, True)))
        if several:
            overrides = repeat_below_swept_groups(overrides, app.catalogue.groups)
        composed = engine.compose(overrides, multirun=several)
        check_root_keys(composed, app.catalogue)
        # `hydra.mode` in a config file starts a multirun without -m
        result.multirun = several or is_multirun(composed)
        composed_by = (*flags_of(flags), *composing_words(words))
        task = HydraTask(app, result, callbacks, order, flags, typed, composed_by)
        planned = order is not None and order.plan_only
        if not result.multirun:
            with placed_run(composed, task):
                engine.run(composed, task)
        elif composed.hydra.sweeper.get("_target_") == SWEEPER:
            (engine.plan if planned else engine.multirun)(overrides, task)
        elif planned:  # another sweeper would run its jobs
            raise RequestError("plan needs runtree's own sweeper", "type: hydra/sweeper=runtree")
        else:
            refuse_unused_tuner(composed)
            if names_several_runs(overrides):
                from runtree.app.engines import refuse_shared_folder

                refuse_shared_folder(composed)
            # the folder is made here and passed as an override, because Hydra's sweeper would reuse an existing one
            result.folder = _sweep_folder(composed)
            returned = engine.multirun([*overrides, f"hydra.sweep.dir={quote(str(result.folder))}"], task)
            collect_jobs(returned, result)
    except UnknownKeyError as error:  # a sweep knows its own keys, the catalogue those of other options
        raise unknown_key_error(error.key, words, app.catalogue, error.known) from None
    except RuntreeError:
        raise
    except Exception as error:
        # an error of the run is not Hydra's, and its traceback must not be replaced by a hint on overrides
        if not _comes_from_hydra(error):
            raise
        multirun, named = result.multirun or flags.multirun, flags_of(flags)
        raise translate_error(error, words, app.catalogue, multirun, named) from error
    return result


@dataclass
class HydraTask:
    """What Hydra calls: with the config of one job, or, if the sweeper is runtree's, with a whole sweep."""

    app: App
    result: TrainResult
    callbacks: TrainCallbacks = field(default_factory=TrainCallbacks)
    order: "SweepRequest | None" = None
    flags: argparse.Namespace | None = None
    typed: TypedWords = field(default_factory=TypedWords)
    composed_by: tuple[str, ...] = ()  # `RunRecord.flags`
    attempts: Mapping[int, str] = field(default_factory=dict)  # of the runs of a sweep that are launched, by number
    placed: "RunFolder | None" = None  # of a single run, if it was made before Hydra's job began

    def __reduce__(self) -> Any:
        """Pickle for the process of a Hydra launcher, which makes its own application."""
        # only what the other process cannot find by itself: plugins that were registered by hand, the folder of the
        # sweep, what was typed, and which attempts are launched
        place = self.app.plugins.extra, self.result.folder, self.result.swept is not None
        return make_remote_task, (*place, self.typed, self.composed_by, self.attempts)

    def __call__(self, config: "DictConfig") -> Any:
        """Run one job: config in, objective out."""
        return run_job(config, self)

    def sweep(self, sweeper: Any, arguments: list[str]) -> Any:
        """Run a sweep and return the best value of the objective."""
        from runtree.app.sweep import SweepResult, run_sweep
        from runtree.app.sweep_plan import SweepRequest
        from runtree.config.hydra_versions import hydra_values, set_hydra_dir

        order = self.order or SweepRequest(self.app)
        order.app = self.app  # which has the options of the folders that the command line names
        # as typed: Hydra leaves its own words, such as hydra/launcher, out of the arguments of a sweeper
        words = arguments if self.flags is None else [*self.flags.recorded, *self.flags.overrides]
        order.overrides, order.typed = tuple(words), self.typed
        if self.flags is not None:
            order.config_name = self.flags.config_name or "config"
            order.config_dir = existing_folder(self.flags.config_dir)
            order.config_path = existing_folder(self.flags.config_path)

        def open_folder(config: "DictConfig") -> Path:
            folder = order.resume.path if order.resume else _sweep_folder(config)
            self.result.folder, self.result.swept = folder, SweepResult()
            # a launcher composes each job again, from its overrides
            set_hydra_dir(config, "hydra.sweep.dir", str(folder))
            renew_launcher(sweeper)
            return folder

        with hydra_values(sweeper.config):
            self.result.swept = run_sweep(order, sweeper, arguments, open_folder)
        driver = self.result.swept.driver
        return driver.monitor.counters.best if driver else None


def renew_launcher(sweeper: Any) -> None:
    """Make the launcher of a sweep again: some keep files in `hydra.sweep.dir`, which is known only now."""
    from hydra.core.plugins import Plugins

    from runtree.app.engines import RUNTREE_LAUNCHER

    if sweeper.config.hydra.launcher.get("_target_") != RUNTREE_LAUNCHER:
        sweeper.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=sweeper.hydra_context, task_function=sweeper.task_function, config=sweeper.config
        )


@contextmanager
def placed_run(composed: "DictConfig", task: HydraTask) -> Iterator[None]:
    """Make the folder of a single run before Hydra's job begins, if Hydra writes into it or the config names it.

    Else the run makes it later, when it is known to be possible.
    """
    from runtree.app.engines import needs_hydra
    from runtree.config.freeze import freeze
    from runtree.config.hydra_versions import set_hydra_dir

    if str(composed.hydra.run.dir) != "." or not needs_hydra(composed):
        yield
        return
    if composed.hydra.job.get("chdir"):  # the run works in its folder
        composed.outputs = str(Path(str(composed.outputs)).absolute())
    frozen = freeze(composed)
    task.placed = task.callbacks.choose_folder(frozen, _new_folder(frozen))()
    set_hydra_dir(composed, "hydra.run.dir", str(task.placed.path.absolute()))
    try:
        yield
    finally:
        if not task.placed.config.exists():  # it was refused before it began
            shutil.rmtree(task.placed.path, ignore_errors=True)


def _new_folder(frozen: "FrozenConfig") -> OpenFolder:
    from runtree.records.folder_claims import make_run_folder

    parent = Path(frozen.config["outputs"]) / str(frozen.config["experiment"]["name"])
    return partial(make_run_folder, parent, frozen.fingerprint)


def make_remote_task(
    extra: tuple[tuple[str, object], ...],
    folder: Path | None,
    of_sweep: bool,
    typed: TypedWords,
    composed_by: tuple[str, ...],
    attempts: Mapping[int, str],
) -> HydraTask:
    """Make the task in the process of a Hydra launcher."""
    from runtree.app.sweep import SweepResult
    from runtree.plugins import installed_plugins_with

    app = App(installed_plugins_with(*extra)) if extra else App()
    _ = app.consent  # before `hydra.job.chdir` leaves the folder that it is about
    result = TrainResult(folder=folder, multirun=True, swept=SweepResult() if of_sweep else None)
    return HydraTask(app, result, typed=typed, composed_by=composed_by, attempts=attempts)


def run_job(config: "DictConfig", task: HydraTask) -> Any:
    """Run one of Hydra's jobs and return its objective; its error if it failed in a multirun that continues."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from runtree.config.freeze import freeze
    from runtree.lifecycle.cache import SINGLE_RUN_BYTES, RunCache
    from runtree.lifecycle.execute import ExecutionRequest, execute
    from runtree.lifecycle.outcome import objective_entry
    from runtree.records.folder_claims import join_folders, use_run_folder
    from runtree.records.layout import RunFolder, SweepFolder
    from runtree.training.active_run import RunOptions

    hydra, result, callbacks = HydraConfig.get(), task.result, task.callbacks
    # as Hydra has them: of a multirun with the values of this job
    # unresolved: a recorded ${hydra:…} has to have another value in another run
    overrides = tuple(map(str, OmegaConf.to_container(hydra.overrides.task, resolve=False)))  # type: ignore[arg-type]
    frozen = freeze(config)
    output_dir = Path(hydra.runtime.output_dir)
    number = int(hydra.job.num) if result.multirun else None
    if result.swept is not None and result.folder is not None and number is not None:
        # by the number of the run alone: the user's name for it, of `hydra.sweep.subdir`, becomes a link to it
        place = SweepFolder(result.folder.absolute())
        open_new: OpenFolder = partial(use_run_folder, join_folders(place, number, output_dir).path)
    elif task.placed is not None:
        open_new = partial(RunFolder, task.placed.path)
    elif output_dir == Path.cwd():  # the default: the user named no folder
        open_new = _new_folder(frozen)
    else:
        open_new = partial(use_run_folder, output_dir)
    sweep = result.folder.name if result.folder else None
    keep = later_keep_filter(config) if result.swept is not None else None
    folder = callbacks.choose_folder(frozen, open_new) if task.placed is None else open_new
    cached = RunCache(SINGLE_RUN_BYTES).get_or_compute
    options = RunOptions(
        overrides,
        task.composed_by,
        number=number,
        attempt=task.attempts.get(number) if number is not None else None,
        cached=cached,
        on_iteration=callbacks.on_iteration,
        # a run that is not kept keeps what `compare` tests it by; the driver bounds that for the sweep
        prediction_bytes=_prediction_bytes(config) if keep else 0,
    )
    request = ExecutionRequest(frozen, folder, sweep, keep, options=options)
    try:
        # what was typed, and not the overrides of the job: these come from config files, tuners and records, too
        run = execute(request, task.app.plugins, task.app.allow_list(task.typed), callbacks.on_stage)
    except Exception as error:
        # in a sweep of runtree's the driver records the failure; under another sweeper the other jobs go on, and all
        # failures are listed at the end. As a value: Hydra's sweeper would end at the first exception, and the job may
        # be in another process
        if not result.multirun or result.swept is not None:
            raise
        result.failures.append((overrides, error))
        return error
    result.runs.append(run)
    callbacks.on_run_end(run)
    return objective_entry(run)["value"]


def _prediction_bytes(config: "DictConfig") -> int:
    from omegaconf import OmegaConf

    from runtree.sweeps.options import read_loop_options

    return read_loop_options(OmegaConf.to_container(config.tuner, resolve=True)).prediction_bytes  # type: ignore[arg-type]


def refuse_unused_tuner(composed: "DictConfig") -> None:
    """Refuse a tuner beside a sweeper that is not runtree's, and would not use it."""
    chosen = composed.hydra.runtime.choices
    if chosen.get("tuner") not in (None, "grid"):
        raise RequestError(
            f"tuner={chosen['tuner']} has no effect with hydra/sweeper={chosen['hydra/sweeper']}",
            "leave one of the two out",
        )


def is_multirun(composed: "DictConfig") -> bool:
    """Return whether `hydra.mode` of a composed config is MULTIRUN."""
    return str(composed.hydra.mode).endswith("MULTIRUN")


def names_several_runs(overrides: Sequence[str]) -> bool:
    """Return whether a command line names several values, and so several runs."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    return any(parser.parse_override(text).is_sweep_override() for text in overrides)


def collect_jobs(returned: Any, result: TrainResult) -> None:
    """Read the records of the jobs that Hydra's own sweeper returned: a launcher may have run them elsewhere.

    A sweeper that returns no jobs, as those that optimize do, ran them in this process or leaves them to be listed.
    """
    from runtree.contract.redaction import redact_override
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record

    batches = returned if isinstance(returned, list) else []
    jobs = [job for batch in batches if isinstance(batch, list | tuple) for job in batch]
    if not jobs:
        result.records = [read_record(RunFolder(run.folder)) for run in result.runs]
    else:
        result.failures = []  # those of this process, which are among the jobs
    for job in jobs:
        overrides, hydra = tuple(str(text) for text in job.overrides), job.hydra_cfg.hydra
        if isinstance(job._return_value, Exception):
            result.failures.append((overrides, job._return_value))
            continue
        try:
            record = read_record(RunFolder(Path(str(hydra.runtime.output_dir))))
        except NotFoundError as error:
            result.failures.append((overrides, error))
            continue
        written = tuple(map(redact_override, overrides))
        if (record.number, tuple(record.overrides)) == (int(hydra.job.num), written):
            result.records.append(record)
        else:
            message = f"{record.folder}: the record there is of another run"
            result.failures.append((overrides, RunFailedError(message, "give each run a folder: hydra.sweep.subdir")))


def later_keep_filter(config: "DictConfig") -> Callable[[ActiveRun], bool] | None:
    """Return a filter that keeps no artifacts if the sweep's driver runs the best again, to keep theirs.

    None if each run keeps its own: all are wanted, or the driver could not run one again.
    """
    from omegaconf import OmegaConf

    # the driver composes without Hydra's job, so it cannot resolve interpolations of `hydra:`
    repeatable = "${hydra:" not in str(OmegaConf.to_container(config, resolve=False))
    return (lambda run: False) if repeatable and config.tuner.keep != "all" else None


def _sweep_folder(composed: "DictConfig") -> Path:
    """Make the folder of a sweep: the one that the user named, else a new one."""
    from omegaconf import OmegaConf

    from runtree.config.freeze import check_root
    from runtree.records.folder_claims import make_sweep_folder, use_sweep_folder

    if OmegaConf.is_missing(composed.hydra.sweep, "dir") or composed.hydra.sweep.dir != ".":
        return use_sweep_folder(Path(str(composed.hydra.sweep.dir)))
    # these keys name the folder, so they are checked before there is one; the seed may be swept, and is checked later
    check_root({"seed": 0, "outputs": composed.outputs, "experiment": {"name": composed.experiment.name}})
    return make_sweep_folder(Path(str(composed.outputs)) / str(composed.experiment.name))


def _comes_from_hydra(error: BaseException | None) -> bool:
    # Hydra wraps errors, so the cause is looked at, too
    while error is not None:
        if type(error).__module__.split(".")[0] in ("hydra", "omegaconf", "yaml"):
            return True
        error = error.__cause__
    return False
