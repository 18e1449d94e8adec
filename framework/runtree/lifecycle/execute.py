"""Execute one run: call its stages, and write a record of its end in all cases."""

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from runtree.config.build import build
from runtree.config.freeze import FrozenConfig
from runtree.config.resources import compute_arguments, read_resources
from runtree.contract.errors import MissingError, NotFoundError, Pruned, RequestError, RuntreeError
from runtree.contract.protocols import Hooks, TargetResolver
from runtree.contract.run import Stage
from runtree.contract.storage import system_error, system_fault
from runtree.contract.types import Metric, RunRecord
from runtree.lifecycle.outcome import describe_state, final_record, first_record, wrap_error
from runtree.lifecycle.score import score
from runtree.lifecycle.stages import FIT, SAVE, choose_stages, run_stage, write_data_summary
from runtree.lifecycle.trackers import WithTrackers, with_trackers
from runtree.records.environment import environment
from runtree.records.folder_claims import FolderState, discard_folder, folder_state, release_folder
from runtree.records.layout import RunFolder
from runtree.records.manifest import write_manifest
from runtree.records.record import write_record
from runtree.records.run_log import log_to_file
from runtree.records.user_code import write_sources
from runtree.records.writer import write_json, write_text, write_yaml
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun, RunOptions
from runtree.training.contributors import Contributors

log = logging.getLogger(__name__)

PROFILE_ROWS = 30
PROFILE_LIMITS = "Threads and other processes, such as those of folds, are not in it: compute=cpu compute.slots=1."


@dataclass(frozen=True)
class ExecutionRequest:
    """A run to execute.

    Attributes
    ----------
    frozen
        The resolved config.
    open_folder
        Returns the folder of the run; called once the request has proved valid.
    sweep
        The name of the sweep that the run belongs to, or None.
    keep
        Called once the validation split is scored; returns whether the test split is scored too and the artifacts are
        kept. None: they are, and every file is fsynced; a sweep needs neither, since its ledger can restore its runs.
    on_end
        Called with the final record, whatever the state of the run.
    options
        Passed to the run as they are, save `fingerprint` and `slots`.
    """

    frozen: FrozenConfig
    open_folder: Callable[[], RunFolder]
    sweep: str | None = None
    keep: Callable[[ActiveRun], bool] | None = None
    on_end: Callable[[RunRecord], None] = lambda record: None
    options: RunOptions = field(default_factory=RunOptions)


def execute(
    request: ExecutionRequest, hooks: Hooks, trust: TargetResolver, on_stage: Callable[[str], None] = lambda name: None
) -> ActiveRun:
    """Execute one run.

    The folder holds `config.yaml` before the work starts, and a record of the end unless the process is killed: then
    `run.json` still says "running" although no process holds the folder's lock: readers treat it as interrupted.

    Parameters
    ----------
    on_stage
        Called with the name of each stage before it runs.

    Raises
    ------
    RuntreeError
        The request, the data or the algorithm caused the error. Any other exception of a stage is raised as a
        RunFailedError. Both are recorded first.
    """
    # all that can be refused is checked before the folder is made, so that a typo leaves no folder behind
    compute = build(compute_arguments(request.frozen.config["compute"]), "compute", trust)
    registered = list(hooks.contributions("register_stages")), list(hooks.contributions("register_metrics"))
    stages = choose_stages(registered[0], request.frozen.config)
    catalogue = metrics.catalogue(registered[1], request.frozen.config)
    hooks = with_trackers(request.frozen.config, hooks)
    # a run of a sweep fits its folds one after another: the other slots are taken by other runs
    resources = read_resources(request.frozen.config["compute"])
    slots = resources.at_once if request.sweep is None else 1
    options = replace(request.options, fingerprint=request.frozen.fingerprint, slots=slots)
    # the config is written before anything can fail, so that even a run that is killed can be repeated from its folder
    folder = request.open_folder()
    durable = request.keep is None
    before = folder_state(folder)
    try:
        write_yaml(folder.config, request.frozen.written, durable)
    except OSError as error:
        release_folder(folder)
        if (fault := system_fault(error)) is None:
            raise
        raise system_error(fault, folder.config, "nothing was trained") from error
    folder.folds.unlink(missing_ok=True)  # a resumed run fits all of its folds again
    with ExitStack() as stack:
        # the lock is released last, when the record says how the run ended: until then readers must see a running
        # process. The log file closes before it
        stack.enter_context(folder.held())
        stack.enter_context(log_to_file(folder.log, logging.INFO if durable else logging.WARNING))
        run = ActiveRun(request.frozen.config, folder.path, hooks, trust, catalogue, options, records=True)
        run.contributors = find_contributors(hooks, stages, *registered)
        # registered after the log is open: the workers of folds append to it until they are closed
        stack.callback(close_fold_runner, run)
        record = first_record(request.frozen, options, request.sweep, folder)
        # a clock that is never set back: the duration must not be negative when the system time is corrected
        started = time.monotonic()
        try:
            # within the try: a SIGTERM that arrives before this line ends the process by default, and one after it is
            # recorded
            stack.enter_context(sigterm_as_interrupt())
            write_record(folder, record, durable, pid=os.getpid(), host=socket.gethostname())
            run.metadata |= compute.describe()
            if durable:
                write_environment(folder, run, hooks)
            hooks.moment("run_started", run=run)
            with compute.session(run.seed), profiled(run, resources.profile):
                kept = run_stages(run, stages, hooks, on_stage, request.keep)
            # the manifest comes after all artifacts, but before the record: `completed` implies that the files can be
            # verified
            if kept:
                write_manifest(folder)
            record = final_record(record, run, time.monotonic() - started, "completed")
            write_record(folder, record, durable)
        # pruning is not a failure: the run is recorded, `run_finished` is called, and no exception reaches the caller
        except Pruned:
            record = final_record(record, run, time.monotonic() - started, "pruned")
            write_record(folder, record, durable)
        # BaseException: a record is written for Ctrl-C and for an algorithm that calls sys.exit() too
        except BaseException as error:
            log.error("%s", traceback.format_exc())
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            record = final_record(record, run, time.monotonic() - started, state, error)
            unwritten = try_to_record(folder, record, durable)
            if unwritten is not None and state == "failed":
                record = final_record(record, run, time.monotonic() - started, state, unwritten)
            request.on_end(record)
            hooks.moment("run_failed", run=run, error=error)
            if isinstance(error, KeyboardInterrupt):
                raise
            # a run of a sweep is counted there, and has its record
            if request.sweep is None and is_refusal(error) and not has_learnt(run, before):
                discard_folder(folder, before)
            # first what ended the run; that its record could not be written either is in the hints
            if (fault := system_fault(error) or unwritten) is not None:
                raise system_error(fault, folder.path, *describe_state(record, written=unwritten is None)) from error
            # whatever foreign code raises, SystemExit too, is an error of the run and not the end of the process
            if isinstance(error, RuntreeError):
                raise
            named = run.named(error)  # of a session of the compute, say
            raise (wrap_error(error, folder) if named is error else named) from error
        request.on_end(record)
        hooks.moment("run_finished", run=run, record=record)
    return run


def is_refusal(error: BaseException) -> bool:
    """Return whether an error says that the request cannot be done, rather than that a run went wrong."""
    return isinstance(error, RequestError | MissingError | NotFoundError)


def has_learnt(run: ActiveRun, before: FolderState) -> bool:
    """Return whether a run has fitted anything that is worth to be kept: a model, an iteration, a fold."""
    after = folder_state(RunFolder(run.folder))
    return FIT in run.stage_seconds or (after.history, after.folds) != (before.history, before.folds)


def try_to_record(folder: RunFolder, record: RunRecord, durable: bool) -> OSError | None:
    """Write the record of a run that has failed; return why it could not be written, None if it was."""
    try:
        write_record(folder, record, durable)
    except OSError as error:
        return error
    return None


def find_contributors(
    hooks: Hooks,
    stages: Sequence[Stage],
    registered: Iterable[tuple[str, Stage]],
    contributed: Iterable[tuple[str, Metric]],
) -> Contributors:
    """Return the plugins, and which of them registered what; `stages` are those of the run."""
    active = {stage.name for stage in stages}
    active_stages = {stage.name: plugin for plugin, stage in registered if stage.name in active}
    trackers = hooks.owners if isinstance(hooks, WithTrackers) else {}
    return Contributors(
        hooks.identities,
        stages=active_stages,
        metrics={metric.name: plugin for plugin, metric in contributed},
        trackers=trackers,
    )


def run_stages(
    run: ActiveRun,
    stages: Sequence[Stage],
    hooks: Hooks,
    on_stage: Callable[[str], None],
    keep: Callable[[ActiveRun], bool] | None,
) -> bool:
    """Run the stages, and return whether the run is kept. A run that is not kept ends before the stage save."""
    if keep is not None:
        # most runs of a sweep are not kept: they must neither use the test split nor pay for what describes a model
        run.scored_splits = ("train", "validation")
    # the position is needed to hand `finalize` the stages from `save` on, those of plugins included
    for position, stage in enumerate(stages):
        if stage.name == SAVE and keep is not None:
            if not keep(run):
                return False
            finalize(run, stages[position:], hooks)
            return True
        on_stage(stage.name)
        finish_stage(stage, run, hooks)
    return True


def finalize(run: ActiveRun, stages: Sequence[Stage], hooks: Hooks) -> None:
    """Score the test split, write what a run of a sweep has left out so far, and run the remaining stages."""
    # only what is new: train and validation are scored already, and the evaluator adds the test split to them
    run.scored_splits = ("test",)
    score(run)
    write_data_summary(run)
    write_sources(run.sources, RunFolder(run.folder).code)
    write_environment(RunFolder(run.folder), run, hooks)
    for stage in stages:
        finish_stage(stage, run, hooks)


def finalize_later(run: ActiveRun, record: RunRecord, hooks: Hooks, trust: TargetResolver) -> RunRecord:
    """Finalize a completed run of a sweep as `execute` does for a run that is kept, and return its record."""
    compute = build(compute_arguments(run.config.to_dict()["compute"]), "compute", trust)
    stages = choose_stages(list(hooks.contributions("register_stages")), run.config.to_dict())
    run.stage_seconds |= record.stages
    started = time.monotonic()
    # the lock is taken again, as the run has released it: `clean` and readers must not take the folder for idle
    folder = RunFolder(run.folder)
    with folder.held(), log_to_file(folder.log), compute.session(run.seed):
        finalize(run, stages[[stage.name for stage in stages].index(SAVE) :], hooks)
        write_manifest(folder)
        final = final_record(record, run, time.monotonic() - started, "completed")
        record = replace(final, seconds=record.seconds)  # the duration stays that of the run, without the wait between
        write_record(folder, record)
    return record


def close_fold_runner(run: ActiveRun) -> None:
    """Shut down the processes that folds were fitted in."""
    # reading an empty slot raises, and a run that failed before its fit has none
    if run.is_set("fit_folds"):
        run.fit_folds.close()


def finish_stage(stage: Stage, run: ActiveRun, hooks: Hooks) -> None:
    """Run one stage, record its duration and call the hook `stage_finished`."""
    started = time.monotonic()
    # a stage that fails has no duration, so the record shows which stages are finished
    if not run_stage(stage, run):
        return
    seconds = run.stage_seconds[stage.name] = time.monotonic() - started
    log.info("stage %s: %.3f s", stage.name, seconds)
    hooks.moment("stage_finished", run=run, stage=stage, seconds=seconds)


def write_environment(folder: RunFolder, run: ActiveRun, hooks: Hooks) -> None:
    """Write `environment.json`: versions and machine, the facts of plugins, and those of the compute."""
    facts: dict[str, Any] = {}
    for plugin, item in hooks.contributions("environment_facts"):
        facts.setdefault(plugin, {}).update([item])
    active = {name: identity.text for name, identity in hooks.identities.items() if not identity.problem}
    plugins = {name: {"installed": text} for name, text in active.items()}
    for name, own in facts.items():
        plugins.setdefault(name, {}).update(own)
    write_json(folder.environment, {**environment(), "compute": dict(run.metadata), "plugins": plugins})


@contextmanager
def profiled(run: ActiveRun, wanted: bool) -> Iterator[None]:
    """Write `profile.txt`, which says where the time of a run went, also if it fails."""
    if not wanted:
        yield
        return
    import cProfile

    profile = cProfile.Profile()
    try:
        with profile:
            yield
    finally:
        write_text(RunFolder(run.folder).profile, format_profile(profile, run.stage_seconds))


def format_profile(profile: Any, stages: Mapping[str, float]) -> str:
    """Return the seconds of stages and of functions as text: by own time, and by the time with all that they call."""
    import pstats

    functions: list[tuple[float, float, int, str]] = [
        (own, total, calls, _function_name(*place))
        for place, (_, calls, own, total, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    ]
    lines = ["Where the time went, measured by cProfile, which makes Python code slower.", PROFILE_LIMITS, ""]
    lines += [f"{'stage':<22}{'seconds':>9}", *(f"{name:<22}{value:>9.3f}" for name, value in stages.items())]
    by_own = sorted(functions, key=lambda entry: -entry[0])[:PROFILE_ROWS]
    by_total = sorted(functions, key=lambda entry: -entry[1])[:PROFILE_ROWS]
    for title, ranked in (("in the function itself", by_own), ("with all that it calls", by_total)):
        lines += ["", f"by the time {title}", f"{'itself':>9}{'with calls':>12}{'calls':>10}  function"]
        lines += [f"{own:>9.3f}{total:>12.3f}{calls:>10,}  {name}" for own, total, calls, name in ranked]
    return "\n".join(lines) + "\n"


def _function_name(file: str, line: int, name: str) -> str:
    if file == "~":  # written in C
        return name
    root = max((place for place in sys.path if file.startswith(f"{place}/")), key=len, default="")
    return f"{file.removeprefix(f'{root}/')}:{line}({name})"


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that its record says "interrupted".

    A handler that is installed already stays: that of a sweep's worker has its own way to end a run. Signals can be
    handled in the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread() or callable(signal.getsignal(signal.SIGTERM)):
        yield
        return

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    # restored afterwards, since the process may go on: a notebook, or a multirun in this process
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
