"""One run, from a frozen config to a folder that tells all. This page is the story; the details are elsewhere."""

import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from runtree.config.build import build
from runtree.config.freeze import FrozenConfig
from runtree.config.resources import compute_arguments, read_resources
from runtree.contract.errors import RuntreeError
from runtree.contract.protocols import Hooks, TargetResolver
from runtree.contract.run import Pruned, Run, Stage, call_uncached
from runtree.contract.types import RunRecord
from runtree.lifecycle.outcome import ended, failed, first_record
from runtree.lifecycle.score import score
from runtree.lifecycle.stages import SAVE, describe, order_stages
from runtree.lifecycle.trackers import with_trackers
from runtree.records.environment import environment
from runtree.records.layout import RunFolder
from runtree.records.manifest import write_manifest
from runtree.records.record import write_record
from runtree.records.run_log import log_to_file
from runtree.records.writer import append_line, write_json, write_yaml
from runtree.statistics import metrics

log = logging.getLogger(__name__)


def always(run: Run) -> bool:
    """Keep every run."""
    return True


@dataclass(frozen=True)
class Request:
    """What is to be run.

    Attributes
    ----------
    frozen, overrides, sweep
        The config, what was typed for it, and the name of the sweep that the run is of.
    open_folder
        How to come by a folder for it.
    keep
        Asked once the run is scored whether its heavy leaves are kept: test scores, predictions, the model. None: they
        are, and every file is made durable; a sweep has a ledger that outlives its runs.
    cached, given_up
        What `Run.cached` and `Run.report` turn to.
    prunable
        Whether `given_up` may ever answer True.
    validated
        Whether all that differs between such runs was tried before: an algorithm looks at its parameters as it fits.
    ended
        Told the record in which the run ends, whether well or not.
    iterated
        Told each line of the history.
    """

    frozen: FrozenConfig
    open_folder: Callable[[], RunFolder]
    overrides: tuple[str, ...] = ()
    sweep: str | None = None
    keep: Callable[[Run], bool] | None = None
    cached: Callable[[str, Hashable, Callable[[], Any]], Any] = call_uncached
    given_up: Callable[[int, Mapping[str, float]], bool] = lambda step, metrics: False
    prunable: bool = False
    validated: bool = False
    ended: Callable[[RunRecord], None] = lambda record: None
    iterated: Callable[[Run, Mapping[str, Any]], None] = lambda run, line: None


def execute(
    request: Request, hooks: Hooks, trust: TargetResolver, watch: Callable[[str], None] = lambda _: None
) -> Run:
    """Walk through the lifecycle once.

    The folder holds `config.yaml` before the work starts and a record of how it ended whatever happens, short of the
    death of the process; then the record still says "running" while nobody holds the folder's lock.

    Raises
    ------
    RuntreeError
        What a user can mend. Any other exception is a fault of a stage; both are recorded before they are raised.
    """
    compute = build(compute_arguments(request.frozen.config["compute"]), "compute", trust)
    stages = order_stages(list(hooks.contributions("register_stages")))
    known = metrics.catalogue(hooks.contributions("register_metrics"))
    hooks = with_trackers(request.frozen.config, hooks)
    slots = read_resources(request.frozen.config["compute"]).at_once if request.sweep is None else 1
    folder = request.open_folder()  # what is wrong with the request itself has been told by now, and leaves no folder
    durable = request.keep is None
    write_yaml(folder.config, request.frozen.written, durable)
    folder.folds.unlink(missing_ok=True)  # a run that goes on begins its folds anew
    with ExitStack() as stack:
        stack.enter_context(folder.held())
        stack.enter_context(log_to_file(folder.log, logging.INFO if durable else logging.WARNING))

        def journal(line: Mapping[str, Any]) -> None:
            append_line(folder.history, line)
            request.iterated(run, line)

        run = Run(
            request.frozen.config,
            folder.path,
            hooks,
            trust,
            known,
            journal,
            request.cached,
            request.given_up,
            request.frozen.fingerprint,
            request.prunable,
            request.overrides,
            lambda line: append_line(folder.folds, line),
        )
        run.slots, run.validated = slots, request.validated
        stack.callback(close_folds, run)
        record = first_record(request.frozen, request.overrides, request.sweep, folder)
        clock = time.monotonic()
        try:
            stack.enter_context(terminated_as_interrupt())
            write_record(folder, record, durable, pid=os.getpid(), host=socket.gethostname())
            run.metadata |= compute.describe()
            if durable:
                write_environment(folder, run, hooks)
            hooks.moment("run_started", run=run)
            with compute.session(run.seed):
                kept = work(run, stages, hooks, watch, request.keep)
            if kept:
                write_manifest(folder)
            record = ended(record, run, time.monotonic() - clock, "completed")
            write_record(folder, record, durable)
        except Pruned:
            record = ended(record, run, time.monotonic() - clock, "pruned")
            write_record(folder, record, durable)
        except BaseException as error:
            log.error("%s", traceback.format_exc())
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            record = ended(record, run, time.monotonic() - clock, state, error)
            write_record(folder, record, durable)
            request.ended(record)
            hooks.moment("run_failed", run=run, error=error)
            if isinstance(error, Exception) and not isinstance(error, RuntreeError):
                raise failed(error, folder) from error
            raise
        request.ended(record)
        hooks.moment("run_finished", run=run, record=record)
    return run


def work(
    run: Run,
    stages: Sequence[Stage],
    hooks: Hooks,
    watch: Callable[[str], None],
    keep: Callable[[Run], bool] | None,
) -> bool:
    """Walk through the stages, and tell whether the run is kept: one that is not stops where saving begins."""
    if keep is not None:
        run.scored_splits = ("train", "validation")
    for position, stage in enumerate(stages):
        if stage.name == SAVE and keep is not None:
            if not keep(run):
                return False
            complete(run, stages[position:], hooks)
            return True
        watch(stage.name)
        walk(stage, run, hooks)
    return True


def complete(run: Run, stages: Sequence[Stage], hooks: Hooks) -> None:
    """Score the test part and walk through the stages that a run in a sweep was spared."""
    run.scored_splits = ("test",)
    score(run)
    describe(run)
    write_environment(RunFolder(run.folder), run, hooks)
    for stage in stages:
        walk(stage, run, hooks)


def complete_later(run: Run, record: RunRecord, hooks: Hooks, trust: TargetResolver) -> RunRecord:
    """Keep a run that ended before: what `execute` would have done had it been told so."""
    compute = build(compute_arguments(run.config.to_dict()["compute"]), "compute", trust)
    stages = order_stages(list(hooks.contributions("register_stages")))
    run.stage_seconds |= record.stages
    clock = time.monotonic()
    folder = RunFolder(run.folder)
    with folder.held(), log_to_file(folder.log), compute.session(run.seed):
        complete(run, stages[[stage.name for stage in stages].index(SAVE) :], hooks)
        write_manifest(folder)
        record = replace(ended(record, run, time.monotonic() - clock, "completed"), seconds=record.seconds)
        write_record(folder, record)
    return record


def close_folds(run: Run) -> None:
    """End the processes that folds were fitted in."""
    if run.is_set("each_fold"):
        run.fit_folds.close()


def walk(stage: Stage, run: Run, hooks: Hooks) -> None:
    """Run one stage, and keep how long it took."""
    clock = time.monotonic()
    stage.run(run)
    seconds = run.stage_seconds[stage.name] = time.monotonic() - clock
    log.info("stage %s: %.3f s", stage.name, seconds)
    hooks.moment("stage_finished", run=run, stage=stage, seconds=seconds)


def write_environment(folder: RunFolder, run: Run, hooks: Hooks) -> None:
    """Write `environment.json`: what runtree finds, what plugins add, what the compute found."""
    facts: dict[str, Any] = {}
    for plugin, found in hooks.contributions("environment_facts"):
        facts.setdefault(plugin, {}).update([found])
    write_json(folder.environment, {**environment(), "compute": dict(run.metadata), "plugins": facts})


@contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that its record says so; whoever handles it already goes on doing so."""
    if threading.current_thread() is not threading.main_thread() or callable(signal.getsignal(signal.SIGTERM)):
        yield
        return

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
