"""One run, from a frozen config to a folder that tells all. This page is the story; the details are elsewhere."""

import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtree.config.build import build
from runtree.config.freeze import Frozen
from runtree.contract.errors import RuntreeError
from runtree.contract.protocols import Hooks, Trust
from runtree.contract.run import Run
from runtree.contract.types import Stage
from runtree.lifecycle import metrics
from runtree.lifecycle.order import order
from runtree.lifecycle.outcome import ended, failed, first_record
from runtree.records.environment import environment
from runtree.records.folder import RunFolder
from runtree.records.log import logged
from runtree.records.manifest import write_manifest
from runtree.records.record import write_record
from runtree.records.write import append_line, write_json, write_yaml

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is to be run: a frozen config, the overrides it came from, and how to come by a folder for it."""

    frozen: Frozen
    open_folder: Callable[[], RunFolder]
    overrides: tuple[str, ...] = ()
    sweep: str | None = None


def execute(request: Request, hooks: Hooks, trust: Trust, watch: Callable[[str], None] = lambda _: None) -> Run:
    """Walk through the lifecycle once.

    The folder holds `config.yaml` before the work starts and a record of how it ended whatever happens, short of the
    death of the process; then the record still says "running" while nobody holds the folder's lock.

    Raises
    ------
    RuntreeError
        What a user can mend. Any other exception is a fault of a stage; both are recorded before they are raised.
    """
    compute = build(request.frozen.config["compute"], "compute", trust)
    stages = order(list(hooks.contributions("register_stages")))
    known = metrics.catalogue(hooks.contributions("register_metrics"))
    folder = request.open_folder()  # what is wrong with the request itself has been told by now, and leaves no folder
    write_yaml(folder.config, request.frozen.written)
    with ExitStack() as stack:
        stack.enter_context(folder.held())
        stack.enter_context(logged(folder.log))
        run = Run(request.frozen.config, folder.path, hooks, trust, known, partial(append_line, folder.history))
        record = first_record(request.frozen, request.overrides, request.sweep, folder)
        seconds: dict[str, float] = {}
        clock = time.monotonic()
        try:
            stack.enter_context(terminated_as_interrupt())
            write_record(folder, record, pid=os.getpid(), host=socket.gethostname())
            run.facts |= compute.describe()
            write_environment(folder, run, hooks)
            hooks.moment("run_started", run=run)
            with compute.session(run.seed):
                for stage in stages:
                    watch(stage.name)
                    seconds[stage.name] = walk(stage, run, hooks)
            write_manifest(folder)
            record = ended(record, run, seconds, time.monotonic() - clock, "completed")
            write_record(folder, record)
        except BaseException as error:
            log.error("%s", traceback.format_exc())
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            record = ended(record, run, seconds, time.monotonic() - clock, state, error)
            write_record(folder, record)
            hooks.moment("run_failed", run=run, error=error)
            if isinstance(error, Exception) and not isinstance(error, RuntreeError):
                raise failed(error, folder) from error
            raise
        hooks.moment("run_finished", run=run, record=record)
    return run


def walk(stage: Stage, run: Run, hooks: Hooks) -> float:
    """Run one stage and return its seconds."""
    clock = time.monotonic()
    stage.run(run)
    seconds = time.monotonic() - clock
    log.info("stage %s: %.3f s", stage.name, seconds)
    hooks.moment("stage_finished", run=run, stage=stage, seconds=seconds)
    return seconds


def write_environment(folder: RunFolder, run: Run, hooks: Hooks) -> None:
    """Write `environment.json`: what runtree finds, what plugins add, what the compute found."""
    facts: dict[str, Any] = {}
    for plugin, found in hooks.contributions("environment_facts"):
        facts.setdefault(plugin, {}).update([found])
    write_json(folder.environment, {**environment(), "compute": dict(run.facts), "plugins": facts})


@contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that its record says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
