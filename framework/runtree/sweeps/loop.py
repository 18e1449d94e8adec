"""The loop of a sweep: free slots are filled, what has happened is written down, judged and told.

Every change of state goes the same way: the event is appended to the ledger, then the book takes it. So a sweep that is
resumed, whose book is made from the ledger alone, stands where it stood. What was appended survives the death of this
process at once, and a loss of power once the disk has confirmed it: that is waited for, and shown, while the next runs
work already.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtree.contract.errors import RequestError
from runtree.records.layout import timestamp
from runtree.records.ledger import Ledger
from runtree.sweeps.attempts import AttemptEnd, disk_full_message, from_death, from_return, is_disk_full
from runtree.sweeps.messages import RunRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.proposer import Proposer
from runtree.sweeps.results import Objectives, ParetoFront, ResultTracker
from runtree.sweeps.scheduler import Scheduler
from runtree.sweeps.state import RunState, SweepState, Trial, died_event, ended_event
from runtree.sweeps.stopping import StopMonitor
from runtree.workers.executor import POLL_SECONDS, Event, Executor, Job, JobDied, JobReported, JobReturned


class SweepObserver(Protocol):
    """Whoever looks on."""

    def ended(self, driver: "Driver", entry: RunState) -> None:
        """A run has ended."""
        ...

    def tick(self, driver: "Driver") -> None:
        """Time has passed."""
        ...


@dataclass
class Driver:
    """What the loop works with, and its state."""

    executor: Executor
    ledger: Ledger
    book: SweepState
    proposer: Proposer
    judge: Objectives
    progress: StopMonitor
    options: LoopOptions
    job: Callable[[RunState, Trial, tuple[tuple[float, ...], ...]], Job]
    watcher: SweepObserver
    lag: int
    failed: Callable[[RunState, AttemptEnd, Trial], None]
    aside: Callable[[RunState], None]
    work: Callable[[RunState, Trial], RunRequest]
    by_folds: Callable[[RunState, Trial], RunRequest]
    asked_to_stop: Callable[[], str | None] = lambda: None
    value_of: Callable[[dict[str, float]], float | None] = lambda metrics: None
    running: dict[int, float] = field(default_factory=dict)  # number → when it began
    leaving: str | None = None  # why nothing new begins: interrupt | terminate | stop | failure
    signals: int = 0
    disk_full_message: str = "the disk is full"

    def __post_init__(self) -> None:
        lag = self.lag if self.options.deterministic else None
        self.jury = ResultTracker(self.book, self.judge, self.proposer, self.progress, lag)
        self.upcoming = Scheduler(self.book, self.proposer, self.jury, self.progress, self.options, self._note)
        self._began, self._before = time.monotonic(), self.book.seconds
        self._over: float | None = None  # when the search ended: to score and to keep the best is no part of its time
        self._ended: list[RunState] = []  # whose end is not on the disk yet
        self._mean = 0.0
        self._terminated: dict[int, str] = {}
        self.doubtful: list[int] = []  # what has ended, and whose files may not be as the ledger tells

    @property
    def front(self) -> ParetoFront:
        """Return the best configurations so far."""
        return self.jury.front

    @property
    def seconds(self) -> float:
        """Return how long the sweep has worked over its life."""
        return self._before + (self._over or time.monotonic()) - self._began

    def run(self) -> None:
        """Go on until a criterion holds, nothing is left to try, or somebody says stop; then let what runs end."""
        while True:
            self._look_around()
            self.on_disk(self._fill)
            self.on_disk(self._settle)
            if not self.running and (self.leaving or self.upcoming.pause is None):
                break
            if not self.running:  # what is tried again waits for its time
                time.sleep(self._patience())
                continue
            for event in self.executor.wait(self._patience()):
                self.on_disk(self._take, event)
        self.jury.in_order(self.upcoming.asked)
        self._over = time.monotonic()

    def on_disk(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step that writes; a full disk ends the sweep in order, and what it did not take waits for the next."""
        try:
            step(*arguments)
        except OSError as error:
            if not is_disk_full(error):
                raise
            self.no_room = disk_full_message(error)
            self.leave("disk")

    def open(self) -> None:
        """Begin a session: what the ledger told is taken over."""
        self.restore()
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "time": timestamp(), "stop": self.options.stop}
        try:
            self.tell({"event": "opened", **facts})
        except OSError as error:
            folder = self.ledger.file.parent
            raise RequestError(
                f"{folder}: cannot be written to ({error.strerror})", f"make room, then: runtree resume {folder.name}"
            ) from None

    def redo(self, entry: RunState) -> RunRequest:
        """Return the work of a run that is done again in its own folder."""
        return self.work(entry, self.book.trials[entry.trial])

    def restore(self) -> None:
        """Take over where a former process was."""
        self.doubtful += self.book.ended
        self.jury.restore(self.upcoming.asked)
        self.upcoming.restore()

    # --- beginning runs

    def _fill(self) -> None:
        while len(self.running) < self.executor.slots and not self.leaving:
            entry = self.upcoming.next()
            if entry is None:
                break
            self._begin(entry)
        if self.running:
            self.upcoming.look_ahead(self._mean)

    def _begin(self, entry: RunState) -> None:
        self.aside(entry)
        job = self.job(entry, self.book.trials[entry.trial], self.front.scores)
        entry.state = "running"
        self.running[entry.number] = time.monotonic()
        self.executor.submit(job)

    # --- hearing of them

    def _take(self, event: Event) -> None:
        entry = self.book.runs[event.job]
        if isinstance(event, JobReported):
            self.hear(event)
            return
        began = self.running.pop(entry.number)
        seconds = time.monotonic() - began
        self._mean = seconds if not self._mean else 0.9 * self._mean + 0.1 * seconds
        asked = self._terminated.pop(entry.number, None)
        if isinstance(event, JobReturned):
            ending = from_return(event.result, asked, event.cause)
        else:
            ending = from_death(event, asked)
        self._close(entry, ending, event)

    def hear(self, event: JobReported) -> None:
        """Take intermediate metrics, and answer whether the run is given up."""
        if event.job not in self.book.runs:  # an errand's
            self.executor.acknowledge(event.job)
            return
        entry = self.book.runs[event.job]
        value = self.value_of(dict(event.metrics))
        give_up = False
        if value is not None and entry.repeat == 0:
            entry.reports.append((event.step, value))
            give_up = self.proposer.report(self.book.trials[entry.trial], event.step, value)
        if give_up:
            self.executor.prune(entry.number)
        else:
            self.executor.acknowledge(entry.number)

    def _close(self, entry: RunState, ending: AttemptEnd, event: JobReturned | JobDied) -> None:
        """Write down how an attempt ended: for good, to be tried again, or to be taken up by the next session."""
        if ending.leave:
            entry.state = "queued"
            self.leaving = self.leaving or ending.leave
            return
        if ending.again and entry.attempts <= self.options.retries:
            pause = self.options.backoff * 2 ** (entry.attempts - 1)
            self._note(died_event(entry, ending))
            self.upcoming.again(entry, pause)
            return
        if not (isinstance(event, JobReturned) and getattr(event.result, "state", None) == ending.state):
            self.failed(entry, ending, self.book.trials[entry.trial])  # its folder does not say so yet
        self._note(ended_event(entry, self.book.trials[entry.trial], ending))
        if ending.state == "failed" and self.options.on_failure == "stop":
            self.leaving = self.leaving or "failure"
        self.jury.ended(entry)
        self._ended.append(entry)

    def _settle(self) -> None:
        """Wait until the disk has what was written, then show whose end that was."""
        self.ledger.sync()
        ended, self._ended = self._ended, []
        for entry in ended:
            self._show(self.watcher.ended, entry)

    # --- time, signals, requests

    def _look_around(self) -> None:
        self.progress.clock(self.seconds)
        if self.signals:
            self.leave("interrupt", at_once=self.signals > 1)
        wanted = self.asked_to_stop()
        if wanted:
            self.leave("stop", at_once=wanted == "terminate")
        verdict = self.progress.verdict()
        if verdict is not None and self.progress.rules.running == "terminate" and not self._terminated:
            self._terminate("stop")
        self._show(self.watcher.tick)

    def _show(self, what: Callable[..., None], *of: Any) -> None:
        with suppress(OSError):  # a terminal that was closed, a pipe whose reader left: the runs are worth more
            what(self, *of)

    def leave(self, why: str, at_once: bool = False) -> None:
        """Begin nothing more; `at_once` ends what runs too."""
        self.leaving = self.leaving or why
        if at_once:
            self._terminate("stop" if why == "stop" else "interrupt")

    def _terminate(self, why: str) -> None:
        for number in self.running:
            if number not in self._terminated:
                self._terminated[number] = why
                self.executor.terminate(number)

    def _patience(self) -> float:
        pause = self.upcoming.pause
        return POLL_SECONDS if pause is None else min(POLL_SECONDS, pause)

    def tell(self, event: dict[str, Any]) -> None:
        """Write an event down, then take it; it is on the disk when this returns."""
        self._note(event)
        self.ledger.sync()

    def _note(self, event: dict[str, Any]) -> None:
        event["at"] = round(self.seconds, 6)
        self.ledger.append(event, durable=False)
        self.book.apply(event)
