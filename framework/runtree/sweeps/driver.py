"""The loop of a sweep: free slots are filled, what has happened is written down, judged and told.

Every change of state goes the same way: the event is appended to the ledger, then the book takes it. So a sweep that is
resumed, whose book is made from the ledger alone, stands where it stood.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol

from runtree.contract.errors import RequestError
from runtree.records.ledger import Ledger
from runtree.records.record import timestamp
from runtree.sweeps import events
from runtree.sweeps.book import Book, Entry, Trial
from runtree.sweeps.endings import Ending, ending_of_death, ending_of_outcome, is_full, no_room
from runtree.sweeps.executor import Died, Event, Executor, Job, Reported, Returned
from runtree.sweeps.judgement import Front, Judge
from runtree.sweeps.jury import Jury
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.payload import Work
from runtree.sweeps.progress import Progress
from runtree.sweeps.proposer import Proposed, Proposer

TICK = 0.5  # seconds between two looks at clock, signals and requests
SLOW = 0.02  # a tuner that thinks for more than this share of a run is asked ahead of the free slot


class Watcher(Protocol):
    """Whoever looks on."""

    def ended(self, driver: "Driver", entry: Entry) -> None:
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
    book: Book
    proposer: Proposer
    judge: Judge
    progress: Progress
    options: LoopOptions
    job: Callable[[Entry, Trial, tuple[tuple[float, ...], ...]], Job]
    watcher: Watcher
    lag: int
    failed: Callable[[Entry, Ending, Trial], None]
    aside: Callable[[Entry], None]
    work: Callable[[Entry, Trial], Work]
    by_folds: Callable[[Entry, Trial], Work]
    asked_to_stop: Callable[[], str | None] = lambda: None
    value_of: Callable[[dict[str, float]], float | None] = lambda metrics: None
    running: dict[int, float] = field(default_factory=dict)  # number → when it began
    leaving: str | None = None  # why nothing new begins: interrupt | terminate | stop | failure
    signals: int = 0
    no_room: str = "the disk is full"

    def __post_init__(self) -> None:
        lag = self.lag if self.options.deterministic else None
        self.jury = Jury(self.book, self.judge, self.proposer, self.progress, lag)
        self._began, self._before = time.monotonic(), self.book.seconds
        self._due: list[tuple[float, int]] = []
        self._ahead: Proposed | None = None
        self._asked = max(self.book.runs, default=-1) + 1
        # Numbers of which a damaged ledger tells nothing any more: they are given away again, first.
        self._gaps = [number for number in range(self._asked) if number not in self.book.runs]
        # Trials that may have fewer runs than they are to have: the last, or those that a damaged ledger cut short.
        self._short = [trial for trial in self.book.trials.values() if self.book.missing(trial) is not None]
        self._thinking = 0.0
        self._mean = 0.0
        self._terminated: dict[int, str] = {}
        self.doubtful: list[int] = []  # what has ended, and whose files may not be as the ledger tells

    @property
    def front(self) -> Front:
        """Return the best configurations so far."""
        return self.jury.front

    @property
    def seconds(self) -> float:
        """Return how long the sweep has worked over its life."""
        return self._before + time.monotonic() - self._began

    def run(self) -> None:
        """Go on until a criterion holds, nothing is left to try, or somebody says stop; then let what runs end."""
        while True:
            self._look_around()
            self.on_disk(self._fill)
            if not self.running and (self.leaving or not self._due):
                break
            if not self.running:  # what is tried again waits for its time
                time.sleep(self._patience())
                continue
            for event in self.executor.wait(self._patience()):
                self.on_disk(self._take, event)
        self.jury.in_order(self._asked)

    def on_disk(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step that writes; a full disk ends the sweep in order, and what it did not take waits for the next."""
        try:
            step(*arguments)
        except OSError as error:
            if not is_full(error):
                raise
            self.no_room = no_room(error)
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

    def redo(self, entry: Entry) -> Work:
        """Return the work of a run that is done again in its own folder."""
        return self.work(entry, self.book.trials[entry.trial])

    def restore(self) -> None:
        """Take over where a former process was."""
        self.doubtful += self.book.ended
        self.jury.restore(self._asked)
        for family, values in self.book.untried():
            self.proposer.queue.append((family, values))
        for entry in self.book.waiting():
            heappush(self._due, (0.0, entry.number))

    # --- beginning runs

    def _fill(self) -> None:
        while len(self.running) < self.executor.slots and not self.leaving:
            entry = self._next()
            if entry is None:
                break
            self._begin(entry)
        if not self.options.deterministic and self._ahead is None and self._thinks_slowly() and self._may_start():
            self._ahead = self._think()

    def _next(self) -> Entry | None:
        """Return the next run: one that is tried again, or waits since the last session, or a new one."""
        if self._due and self._due[0][0] <= time.monotonic():
            return self.book.runs[heappop(self._due)[1]]
        while self._may_start():
            repeat = self._unmeasured()
            if repeat is not None:
                return repeat
            proposed, self._ahead = self._ahead or self._think(), None
            if proposed is None:
                self.progress.exhausted(self._size())
                return None
            if proposed.known is not None:
                self._reuse(proposed)
            else:
                return self._enter(proposed)
        return None

    def _may_start(self) -> bool:
        return (bool(self._gaps) or self.jury.ready(self._asked)) and self.progress.may_start()

    def _think(self) -> Proposed | None:
        clock = time.monotonic()
        proposed = self.proposer.propose()
        self._thinking = time.monotonic() - clock
        return proposed

    def _thinks_slowly(self) -> bool:
        return bool(self.running) and self._thinking > SLOW * self._mean

    def _size(self) -> int | None:
        sizes = [arm.family.size for arm in self.proposer.arms.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _unmeasured(self) -> Entry | None:
        """Begin the next repeat of a trial that has fewer runs than it is to have."""
        while self._short:
            trial = self._short[0]
            repeat = self.book.missing(trial)
            if repeat is not None:
                first = self.book.runs[trial.runs[0]]
                same = first.same.rpartition("#")[0] if first.repeat else first.same
                return self._write_asked(trial.key, trial.values, {}, repeat, f"{same}#{repeat}" if repeat else same)
            self._short.pop(0)
        return None

    def _enter(self, proposed: Proposed) -> Entry:
        entry = self._write_asked(proposed.key, proposed.values, proposed.memo, 0, proposed.same)
        self._short.append(self.book.trials[entry.trial])
        return entry

    def _write_asked(self, key: Any, values: Any, memo: Any, repeat: int, same: str) -> Entry:
        number = self._gaps.pop(0) if self._gaps else self._asked
        event = {"event": "asked", "run": number, "family": key[0], "trial": key[1], "repeat": repeat}
        event |= {"of": self.options.repeats, "values": values, "memo": memo, "same": same}
        self.tell(event, durable=False)  # what a loss of power takes of it, the end's line makes up for
        self._asked = max(self._asked, number + 1)
        self.progress.started(number)
        return self.book.runs[number]

    def _reuse(self, proposed: Proposed) -> None:
        self.tell(events.reused(proposed), durable=False)
        self.progress.reused()
        self.jury.inform(self.book.trials[proposed.key])

    def _begin(self, entry: Entry) -> None:
        self.aside(entry)
        job = self.job(entry, self.book.trials[entry.trial], self.front.scores)
        entry.state = "running"
        self.running[entry.number] = time.monotonic()
        self.executor.submit(job)

    # --- hearing of them

    def _take(self, event: Event) -> None:
        entry = self.book.runs[event.job]
        if isinstance(event, Reported):
            self.hear(event)
            return
        began = self.running.pop(entry.number)
        seconds = time.monotonic() - began
        self._mean = seconds if not self._mean else 0.9 * self._mean + 0.1 * seconds
        asked = self._terminated.pop(entry.number, None)
        if isinstance(event, Returned):
            ending = ending_of_outcome(event.result, asked, event.cause)
        else:
            ending = ending_of_death(event, asked)
        self._close(entry, ending, event)

    def hear(self, event: Reported) -> None:
        """Take intermediate metrics, and answer whether the run is given up."""
        if event.job not in self.book.runs:  # an errand's
            self.executor.go_on(event.job)
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
            self.executor.go_on(entry.number)

    def _close(self, entry: Entry, ending: Ending, event: Returned | Died) -> None:
        """Write down how an attempt ended: for good, to be tried again, or to be taken up by the next session."""
        if ending.leave:
            entry.state = "queued"
            self.leaving = self.leaving or ending.leave
            return
        if ending.again and entry.attempts <= self.options.retries:
            pause = self.options.backoff * 2 ** (entry.attempts - 1)
            self.tell(events.died(entry, ending))
            heappush(self._due, (time.monotonic() + pause, entry.number))
            return
        if not (isinstance(event, Returned) and getattr(event.result, "state", None) == ending.state):
            self.failed(entry, ending, self.book.trials[entry.trial])  # its folder does not say so yet
        self.tell(events.ended(entry, self.book.trials[entry.trial], ending))
        if ending.state == "failed" and self.options.on_failure == "stop":
            self.leaving = self.leaving or "failure"
        self.jury.ended(entry)
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
        due = self._due[0][0] - time.monotonic() if self._due else TICK
        return max(0.0, min(TICK, due))

    def tell(self, event: dict[str, Any], durable: bool = True) -> None:
        """Write an event down, then take it."""
        event["at"] = round(self.seconds, 6)
        self.ledger.append(event, durable=durable)
        self.book.apply(event)
