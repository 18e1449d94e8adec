"""The loop of a sweep: fill free slots, record what happened, report it to the tuner.

Every change goes the same way: the event is appended to the ledger, then applied to the state. So the state of a
resumed sweep, which is built from the ledger alone, equals that of the sweep that was interrupted. An event survives
the death of this process as soon as it is appended, and a loss of power once the disk has confirmed it. The loop fills
the free slots before it waits for that, and shows a run as ended after it.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtree.contract.commands import command, display_path
from runtree.contract.errors import RequestError
from runtree.contract.storage import reason, remedy
from runtree.records.layout import timestamp
from runtree.records.ledger import Ledger
from runtree.sweeps.attempts import (
    STOP_REASONS,
    Termination,
    disk_full_message,
    is_disk_full,
    result_from_death,
    result_from_return,
)
from runtree.sweeps.messages import AttemptResult, RunRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.proposer import Proposer
from runtree.sweeps.results import Objectives, ParetoFront, ResultTracker, objective_from_report
from runtree.sweeps.scheduler import Scheduler
from runtree.sweeps.state import RunState, SweepState, died_event, ended_event, retried_event
from runtree.sweeps.stopping import StopMonitor
from runtree.sweeps.tasks import Tasks
from runtree.workers.executor import POLL_SECONDS, Event, Executor, JobDied, JobReported, JobReturned

log = logging.getLogger(__name__)


class SweepObserver(Protocol):
    """Shows the progress of a sweep."""

    def ended(self, driver: "Driver", run: RunState) -> None:
        """Show that a run has ended."""
        ...

    def tick(self, driver: "Driver") -> None:
        """Update what depends on the time; called at least every `POLL_SECONDS` while runs are running."""
        ...


@dataclass
class Driver:
    """Runs a sweep.

    Attributes
    ----------
    result_delay
        How many of the latest runs a proposal must not depend on, in a deterministic sweep (`tuner.lag`).
    running
        Number → when the current attempt began.
    stop_cause
        Why no further run begins although no criterion was reached: "interrupt", "stop", "failure" or "disk".
    signals
        How often Ctrl-C was pressed; SIGTERM and SIGHUP count twice.
    unverified
        Ended runs whose files may be damaged: those of former sessions, and those that could not be kept.
    retry
        States of ended runs that this session tries again, such as "failed".
    """

    executor: Executor
    ledger: Ledger
    state: SweepState
    proposer: Proposer
    objectives: Objectives
    monitor: StopMonitor
    options: LoopOptions
    tasks: Tasks
    observer: SweepObserver
    result_delay: int
    running: dict[int, float] = field(default_factory=dict)
    stop_cause: str | None = None
    signals: int = 0
    unverified: list[int] = field(default_factory=list)
    disk_message: str = "the disk is full"
    retry: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        delay = self.result_delay if self.options.deterministic else None
        self.results = ResultTracker(self.state, self.objectives, self.proposer, self.monitor, delay)
        # the scheduler appends without a sync: the loop waits once for all events of a turn
        self.scheduler = Scheduler(
            self.state, self.proposer, self.results, self.monitor, self.options, self._append_unsynced
        )
        self._opened_at, self._seconds_before = time.monotonic(), self.state.seconds
        self._finished_at: float | None = None  # finalizing the best run is not part of the sweep's time
        self._unconfirmed: list[RunState] = []  # their ends are in the ledger, but not on the disk yet
        self._mean_seconds = 0.0  # of a run, exponentially weighted
        self._terminated: dict[int, Termination] = {}
        self._warned: set[str] = set()
        self._was_over = False  # a criterion had been reached before this session

    @property
    def front(self) -> ParetoFront:
        """Return the best trials so far."""
        return self.results.front

    @property
    def seconds(self) -> float:
        """Return how long the sweep has worked, over all its sessions."""
        return self._seconds_before + (self._finished_at or time.monotonic()) - self._opened_at

    def open(self) -> None:
        """Begin a session, and take over the state of former ones from the ledger.

        Raises
        ------
        RequestError
            The folder cannot be written to, or runs are to be tried again although `max_seconds` have passed.
        """
        again = [run for _, run in sorted(self.state.runs.items()) if run.is_without_value and run.state in self.retry]
        folder, limit = self.ledger.file.parent, self.monitor.rules.max_seconds
        if again and limit is not None and self.seconds >= limit:
            raise RequestError(
                f"tuner.stop.max_seconds: the {limit:g} s of this sweep are over, so no run can be tried again",
                f"allow more, for example: tuner.stop.max_seconds={2 * limit:g}",
            )
        session = {"pid": os.getpid(), "host": socket.gethostname(), "time": timestamp(), "stop": self.options.stop}
        try:
            # The first write of a session: if the disk is full or read-only, it shows before any run begins
            self._append_unsynced({"event": "opened", **session})
            # before the results are counted, as these runs have none any more
            for run in again:
                self._append_unsynced(retried_event(run))
            self.ledger.sync()
        except OSError as error:
            raise RequestError(
                f"{folder}: cannot be written to ({reason(error)})",
                remedy(error),
                f"then: {command('resume', display_path(folder))}",
            ) from None
        self.tasks.session = self.state.sessions
        # ended in former sessions: their files were not durable, so they are compared with the ledger at the end
        self.unverified += self.state.ended
        for number in self.state.ended:
            self.tasks.count_predictions(self.state.runs[number])
        # results first: a retry begins only when the tuners know all that came before it
        self.results.restore(self.scheduler.next_number)
        self.scheduler.restore()
        self._was_over = self.monitor.reason is not None

    def run(self) -> None:
        """Run until a criterion is reached, nothing is left to try, or a stop is requested."""
        while True:
            # the clock and the signals are looked at before slots are filled: a sweep that is over must not begin
            # another run
            self._poll()
            self.on_disk(self._give_up_waiting)
            # the wait for the disk comes after the slots are filled, so that workers are busy during it
            self.on_disk(self._fill_slots)
            self.on_disk(self._confirm)
            if not self.running and (self.stop_cause or self.scheduler.pause is None):
                break
            if not self.running:  # all that is left are runs that wait for another attempt
                time.sleep(self._timeout())
                continue
            for event in self.executor.wait(self._timeout()):
                self.on_disk(self._handle, event)
        # Without a further proposal, the runs within the delay have not been counted yet
        self.results.count_in_order(self.scheduler.next_number)
        self._finished_at = time.monotonic()

    def on_disk(self, step: Callable[..., None], *arguments: Any) -> None:
        """Do a step that writes. A full disk stops the sweep; the next session takes up what the step did not do."""
        try:
            step(*arguments)
        except OSError as error:
            if not is_disk_full(error):
                raise
            self.disk_message = disk_full_message(error)
            self.stop("disk")

    def append(self, event: dict[str, Any]) -> None:
        """Append an event to the ledger and apply it; it is on the disk when this returns."""
        self._append_unsynced(event)
        self.ledger.sync()

    def _append_unsynced(self, event: dict[str, Any]) -> None:
        event["at"] = round(self.seconds, 6)
        # First the ledger: if appending fails, the state must not be ahead of it
        self.ledger.append(event, durable=False)
        self.state.apply(event)

    def repeat_request(self, run: RunState) -> RunRequest:
        """Return the request to do a run again in its folder."""
        return self.tasks.run_request(run, self.state.trials[run.trial])

    # --- begin and end of runs

    def _fill_slots(self) -> None:
        while len(self.running) < self.executor.slots and not self.stop_cause:
            run = self.scheduler.next()
            if run is None:
                break
            self.tasks.archive_attempt(run)
            job = self.tasks.make_job(run, self.state.trials[run.trial], self.front.scores)
            # "running" is not an event: after a crash, a run that was running is one that has not begun
            run.state = "running"
            self.running[run.number] = time.monotonic()
            self.executor.submit(job)
        if self.running:
            self.scheduler.prefetch(self._mean_seconds)

    def _give_up_waiting(self) -> None:
        """End the runs that wait for another attempt once the time is over."""
        while self.monitor.time_is_over and not self.stop_cause and self.scheduler.pause is not None:
            self._end_attempt(self.scheduler.pop_retry(), AttemptResult("stopped", STOP_REASONS["time"]), None)

    def _handle(self, event: Event) -> None:
        if isinstance(event, JobReported):
            self.on_report(event)
            return
        run = self.state.runs[event.job]
        seconds = time.monotonic() - self.running.pop(run.number)
        # of the recent runs rather than of all: a tuner may move to slower configurations
        self._mean_seconds = 0.9 * self._mean_seconds + 0.1 * seconds if self._mean_seconds else seconds
        termination = self._terminated.pop(run.number, None)
        if isinstance(event, JobReturned):
            self.tell_warnings(event.result)
        if isinstance(event, JobDied):
            self._end_attempt(run, result_from_death(event, termination), event)
        else:
            self._end_attempt(run, result_from_return(event.result, termination, event.cause), event)

    def tell_warnings(self, result: Any) -> None:
        """Show the faults of plugins that a worker tells of, each once."""
        for text in getattr(result, "warnings", ()):
            if text not in self._warned:
                self._warned.add(text)
                log.warning("%s", text)

    def _end_attempt(self, run: RunState, result: AttemptResult, event: JobReturned | JobDied | None) -> None:
        """Record an attempt: the run has ended, is tried again, or waits for the next session.

        `event` is None for one that did not begin.
        """
        # no event: for the ledger the run has begun and not ended, which is what makes the next session do it again
        if result.suspends:
            run.state = "queued"
            self.stop_cause = self.stop_cause or result.suspends
            return
        retries = run.attempts - run.first_attempt
        if result.retryable and retries < self.options.retries:
            # doubled each time: what a machine lacks (memory, a file server) needs time to come back
            pause = self.options.backoff * 2**retries
            self._append_unsynced(died_event(run, result))
            self.scheduler.retry(run, pause)
            return
        trial = self.state.trials[run.trial]
        if not (isinstance(event, JobReturned) and getattr(event.result, "state", None) == result.state):
            self.tasks.record_failure(run, result, trial)  # its folder does not say so yet
        # after the files of the run: if this process dies in between, the ledger has no end of the run, and it is done
        # again
        self._append_unsynced(ended_event(run, trial, result))
        self.tasks.count_predictions(run)
        if result.state == "failed" and self.options.on_failure == "stop":
            self.stop_cause = self.stop_cause or "failure"
        self.results.ended(run)
        self._unconfirmed.append(run)

    def on_report(self, event: JobReported) -> None:
        """Take intermediate metrics, and either prune the run or let it go on."""
        run = self.state.runs.get(event.job)
        prune = False
        if run is not None:  # else a job that is not a run of the sweep, such as a recheck
            value = objective_from_report(dict(event.metrics), *self.objectives.metrics[0])
            if value is not None and run.repeat == 0:  # the pruner knows a trial by its first run
                run.reports.append((event.step, value))
                prune = self.proposer.report(self.state.trials[run.trial], event.step, value)
        if prune:
            self.executor.prune(event.job)
        else:
            self.executor.acknowledge(event.job)

    def _confirm(self) -> None:
        """Wait until the disk has the ledger, then show the runs whose end is in it."""
        self.ledger.sync()
        # taken only after the sync: if that fails, they are shown at the next one
        ended, self._unconfirmed = self._unconfirmed, []
        for run in ended:
            self._show(self.observer.ended, run)

    # --- time, signals, requests to stop

    def _poll(self) -> None:
        self.monitor.clock(self.seconds)
        if self.signals:
            self.stop("interrupt", at_once=self.signals > 1)
        # a file and not a signal: `runtree stop` may run on another machine that shares the output folder
        request = self.tasks.stop_request()
        if request:
            self.stop("stop", at_once=request == "terminate")
        rules = self.monitor.rules
        if self.monitor.time_is_over and rules.running != "finish":
            self._terminate("time")
        # not for a reason that ended a former session: what is tried again now is begun on purpose
        elif rules.running == "terminate" and self.monitor.reason is not None and not self._was_over:
            self._terminate("stop")
        self._show(self.observer.tick)

    def _show(self, method: Callable[..., None], *arguments: Any) -> None:
        with suppress(OSError):  # a closed terminal or pipe must not end the sweep
            method(self, *arguments)

    def stop(self, cause: str, at_once: bool = False) -> None:
        """Begin no further run; `at_once` terminates those that are running, too."""
        # the first cause counts: what follows, such as a failed run during Ctrl-C, is its consequence
        self.stop_cause = self.stop_cause or cause
        if at_once:
            self._terminate("stop" if cause == "stop" else "interrupt")

    def _terminate(self, termination: Termination) -> None:
        for number in self.running:
            # once for each run: a second SIGTERM could interrupt a run that is writing its record
            if number not in self._terminated:
                self._terminated[number] = termination
                self.executor.terminate(number)

    def _timeout(self) -> float:
        # no longer than POLL_SECONDS: signals and requests to stop are seen only between two waits
        pause = self.scheduler.pause
        return POLL_SECONDS if pause is None else min(POLL_SECONDS, pause)
