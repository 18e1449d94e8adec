"""Which run begins next: another attempt, a further repeat, or a new trial."""

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

SLOW_TUNER_SHARE = 0.02  # a tuner that takes a greater share of a run's time proposes while runs are running


@dataclass
class Scheduler:
    """Gives runs their numbers and appends their "asked" events.

    Attributes
    ----------
    append
        Appends an event to the ledger and applies it.
    next_number
        The number of the next new run; the number of a run never changes.
    """

    state: SweepState
    proposer: Proposer
    results: ResultTracker
    monitor: StopMonitor
    options: LoopOptions
    append: Callable[[dict[str, Any]], None]
    next_number: int = field(init=False)

    def __post_init__(self) -> None:
        self.next_number = max(self.state.runs, default=-1) + 1
        # Numbers that a damaged ledger lost all lines of: they are used again, first
        self._gaps = [number for number in range(self.next_number) if number not in self.state.runs]
        # Trials that may lack repeats: the last one, or those that a damaged ledger cut short
        self._incomplete = [trial for trial in self.state.trials.values() if self.state.next_repeat(trial) is not None]
        self._retries: list[tuple[float, int]] = []  # a heap of (time, number)
        self._prefetched: Candidate | None = None
        self._tuner_seconds = 0.0

    def restore(self) -> None:
        """Take over the runs that former sessions left unfinished, and the configurations that they were to try."""
        self.proposer.queue += self.state.untried()
        for run in self.state.waiting():
            self.retry(run, 0.0)

    def retry(self, run: RunState, pause: float) -> None:
        """Let a run be tried again after `pause` seconds."""
        heappush(self._retries, (time.monotonic() + pause, run.number))

    @property
    def pause(self) -> float | None:
        """Return the seconds until the next retry, None if there is none."""
        return max(0.0, self._retries[0][0] - time.monotonic()) if self._retries else None

    def pop_retry(self) -> RunState:
        """Return the run whose retry is next, and forget the retry."""
        return self.state.runs[heappop(self._retries)[1]]

    def next(self) -> RunState | None:
        """Return the next run, None if none may begin now."""
        # a retry before anything new: its trial occupies the tuner as running until it has ended
        if self.pause == 0.0:
            return self.pop_retry()
        while self._may_start():
            # repeats before new trials: a tuner learns from a trial only after its last repeat
            run = self._next_repeat()
            if run is not None:
                return run
            candidate, self._prefetched = self._prefetched or self._propose(), None
            if candidate is None:
                self.monitor.exhausted(self.proposer.size)
                return None
            if candidate.duplicate_of is None:
                run = self._begin(candidate.key, candidate.values, candidate.memo, 0, candidate.config_key)
                self._incomplete.append(self.state.trials[run.trial])
                return run
            self._reuse(candidate)
        return None

    def prefetch(self, mean_seconds: float) -> None:
        """Ask a slow tuner ahead of a free slot; `mean_seconds` is how long runs take.

        Not in a deterministic sweep: there, the proposal would depend on when it is made.
        """
        # a quick tuner does not propose ahead: its proposal would lack the result of the run that ends next
        slow = self._tuner_seconds > SLOW_TUNER_SHARE * mean_seconds
        if slow and not self.options.deterministic and self._prefetched is None and self._may_start():
            self._prefetched = self._propose()

    def _may_start(self) -> bool:
        return (bool(self._gaps) or self.results.ready(self.next_number)) and self.monitor.may_start()

    def _propose(self) -> Candidate | None:
        began = time.monotonic()
        candidate = self.proposer.propose()
        self._tuner_seconds = time.monotonic() - began
        return candidate

    def _next_repeat(self) -> RunState | None:
        """Begin the next repeat of the first trial that lacks one."""
        while self._incomplete:
            trial = self._incomplete[0]
            repeat = self.state.next_repeat(trial)
            if repeat is not None:
                first = self.state.runs[trial.runs[0]]
                # The config key of repeat N is that of the first run with #N behind it; the first run may be lost
                key = first.config_key.rpartition("#")[0] if first.repeat else first.config_key
                return self._begin(trial.key, trial.values, {}, repeat, f"{key}#{repeat}" if repeat else key)
            self._incomplete.pop(0)
        return None

    def _begin(
        self, key: TrialKey, values: Mapping[str, Any], memo: Mapping[str, Any], repeat: int, config_key: str
    ) -> RunState:
        number = self._gaps.pop(0) if self._gaps else self.next_number
        event = {"event": "asked", "run": number, "family": key[0], "trial": key[1], "repeat": repeat}
        # before the run is submitted: a run without an event would be lost by a crash, with its proposal
        self.append(event | {"of": self.options.repeats, "values": values, "memo": memo, "same": config_key})
        self.next_number = max(self.next_number, number + 1)
        self.monitor.started(number)
        return self.state.runs[number]

    def _reuse(self, candidate: Candidate) -> None:
        """Give a proposal the result of the run that has its config."""
        space, number = candidate.key
        event = {"event": "reused", "family": space, "trial": number, "of": candidate.duplicate_of}
        self.append(event | {"values": dict(candidate.values), "memo": dict(candidate.memo)})
        self.monitor.reused()
        self.results.report(self.state.trials[candidate.key])
