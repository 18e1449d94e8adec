"""Which run begins next: one that is tried again, a further repeat, or what is proposed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from runtree.sweeps.options import LoopOptions
from runtree.sweeps.proposer import Candidate, Proposer
from runtree.sweeps.results import ResultTracker
from runtree.sweeps.state import RunState, SweepState, TrialKey
from runtree.sweeps.stopping import StopMonitor

SLOW_TUNER_SHARE = 0.02  # a tuner that thinks for more than this share of a run is asked ahead of the free slot


@dataclass
class Scheduler:
    """Numbers runs and enters them into the ledger.

    Attributes
    ----------
    tell
        Writes an event down, and takes it.
    asked
        How many numbers were given away; a run's number never changes.
    """

    book: SweepState
    proposer: Proposer
    jury: ResultTracker
    progress: StopMonitor
    options: LoopOptions
    tell: Callable[[dict[str, Any]], None]
    asked: int = field(init=False)

    def __post_init__(self) -> None:
        self.asked = max(self.book.runs, default=-1) + 1
        # Numbers of which a damaged ledger tells nothing any more: they are given away again, first.
        self._gaps = [number for number in range(self.asked) if number not in self.book.runs]
        # Trials that may have fewer runs than they are to have: the last, or those that a damaged ledger cut short.
        self._short = [trial for trial in self.book.trials.values() if self.book.missing(trial) is not None]
        self._due: list[tuple[float, int]] = []
        self._ahead: Candidate | None = None
        self._thinking = 0.0

    def restore(self) -> None:
        """Take over what a former process had begun, and what it was to try first."""
        for family, values in self.book.untried():
            self.proposer.queue.append((family, values))
        for entry in self.book.waiting():
            self.again(entry, 0.0)

    def again(self, entry: RunState, pause: float) -> None:
        """Let a run be tried again, not before `pause` seconds have passed."""
        heappush(self._due, (time.monotonic() + pause, entry.number))

    @property
    def pause(self) -> float | None:
        """Return how many seconds the first run that is tried again still waits, None where there is none."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def next(self) -> RunState | None:
        """Return the next run, None where none may begin now."""
        if self.pause == 0.0:
            return self.book.runs[heappop(self._due)[1]]
        while self._may_start():
            repeat = self._unmeasured()
            if repeat is not None:
                return repeat
            proposed, self._ahead = self._ahead or self._think(), None
            if proposed is None:
                self.progress.exhausted(self._size())
                return None
            if proposed.known is None:
                return self._begin(proposed)
            self._reuse(proposed)
        return None

    def look_ahead(self, mean: float) -> None:
        """Let a tuner that thinks long propose while runs work; `mean` is how many seconds these take."""
        slow = self._thinking > SLOW_TUNER_SHARE * mean
        if slow and not self.options.deterministic and self._ahead is None and self._may_start():
            self._ahead = self._think()

    def _may_start(self) -> bool:
        return (bool(self._gaps) or self.jury.ready(self.asked)) and self.progress.may_start()

    def _think(self) -> Candidate | None:
        clock = time.monotonic()
        proposed = self.proposer.propose()
        self._thinking = time.monotonic() - clock
        return proposed

    def _size(self) -> int | None:
        sizes = [arm.family.size for arm in self.proposer.arms.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _begin(self, proposed: Candidate) -> RunState:
        entry = self._enter(proposed.key, proposed.values, proposed.memo, 0, proposed.same)
        self._short.append(self.book.trials[entry.trial])
        return entry

    def _unmeasured(self) -> RunState | None:
        """Enter the next repeat of a trial that has fewer runs than it is to have."""
        while self._short:
            trial = self._short[0]
            repeat = self.book.missing(trial)
            if repeat is not None:
                first = self.book.runs[trial.runs[0]]
                same = first.same.rpartition("#")[0] if first.repeat else first.same
                return self._enter(trial.key, trial.values, {}, repeat, f"{same}#{repeat}" if repeat else same)
            self._short.pop(0)
        return None

    def _enter(
        self, key: TrialKey, values: Mapping[str, Any], memo: Mapping[str, Any], repeat: int, same: str
    ) -> RunState:
        number = self._gaps.pop(0) if self._gaps else self.asked
        event = {"event": "asked", "run": number, "family": key[0], "trial": key[1], "repeat": repeat}
        self.tell(event | {"of": self.options.repeats, "values": values, "memo": memo, "same": same})
        self.asked = max(self.asked, number + 1)
        self.progress.started(number)
        return self.book.runs[number]

    def _reuse(self, proposed: Candidate) -> None:
        family, number = proposed.key
        event = {"event": "reused", "family": family, "trial": number, "of": proposed.known}
        self.tell(event | {"values": dict(proposed.values), "memo": dict(proposed.memo)})
        self.progress.reused()
        self.jury.inform(self.book.trials[proposed.key])
