"""The counts of a sweep, as runs start and end."""

import math
from collections import Counter
from typing import Literal, get_args

from runtree.contract.types import Direction
from runtree.sweeps.stop import Patience

State = Literal["completed", "pruned", "failed", "interrupted", "stopped"]
JUDGED = ("completed", "pruned")  # what counts against patience
OWN_ENDING: tuple[State, ...] = ("completed", "pruned", "failed")  # nobody else ended it


class Tally:
    """What was told of the runs of a sweep, in the order in which it was told.

    Two values stand for "the best so far". `best` is the best of all. The baseline, which improvement is measured by,
    only moves when a run improves on it by the rule; so many small steps add up to an improvement in the end.
    """

    def __init__(self, patience: Patience, direction: Direction) -> None:
        self.patience = patience
        self.sign = 1 if direction == "maximize" else -1
        self.states: dict[int, State | None] = {}  # None: it runs
        self.scores: list[float] = []  # sign * value of the completed, so that more is better
        self.best_run: int | None = None
        self.last_run: int | None = None
        self.not_improving = self.failed_in_a_row = self.without_value_in_a_row = self.reused = 0
        self.seconds = self.run_seconds = 0.0
        self._baseline = -math.inf
        self._best = -math.inf
        self._judged = 0
        self._count: Counter[State | None] = Counter()

    def start(self, number: int) -> None:
        """Count a run; one that failed, was stopped or interrupted and is tried again takes that ending back."""
        former = self.states.get(number)
        if former in JUDGED:
            raise ValueError(f"run {number} is {former}, and cannot be started again")
        self._move(number, None)

    def end(self, number: int, state: State, value: float | None, seconds: float, counts: bool) -> None:
        """Count an ending; `value`, what its configuration came to, is None, or not finite, where there is none."""
        if self.states.get(number) is not None:
            raise ValueError(f"run {number} has ended already: {self.states[number]}")
        if state not in get_args(State):
            raise ValueError(f"run {number}: no state '{state}'")
        self._move(number, state)
        self.last_run = number
        self.run_seconds += seconds
        if state in OWN_ENDING:
            self.failed_in_a_row = self.failed_in_a_row + 1 if state == "failed" else 0
        if state in JUDGED or value is not None:
            self.without_value_in_a_row = 0
        elif state != "interrupted":
            self.without_value_in_a_row += 1
        # of several runs of a configuration the last may have failed: what the others came to counts all the same
        if counts and (state in JUDGED or value is not None):
            told = value if state != "pruned" and value is not None and math.isfinite(value) else None
            self._judge(number, None if told is None else self.sign * told)

    def _move(self, number: int, state: State | None) -> None:
        if number in self.states:
            self._count[self.states[number]] -= 1
        self.states[number] = state
        self._count[state] += 1

    def _judge(self, number: int, score: float | None) -> None:
        self._judged += 1
        if score is not None:
            self.scores.append(score)
            if score > self._best:
                self._best, self.best_run = score, number
        if score is not None and self._improves(score):
            self._baseline, self.not_improving = score, 0
        elif self._judged > self.patience.warmup:
            self.not_improving += 1

    def _improves(self, score: float) -> bool:
        if self._baseline == -math.inf:
            return True
        return score > self._baseline + max(self.patience.min_delta, self.patience.relative * abs(self._baseline))

    @property
    def best(self) -> float | None:
        """Return the best value of all completed runs that count, None where there is none."""
        return None if self.best_run is None else self.sign * self._best

    @property
    def failed_rate(self) -> tuple[int, int]:
        """Return how many runs failed, and how many came to an end of their own: completed, pruned or failed."""
        return self._count["failed"], sum(self._count[state] for state in OWN_ENDING)

    @property
    def running(self) -> tuple[int, ...]:
        """Return the runs that have started and not ended."""
        return tuple(sorted(number for number, state in self.states.items() if state is None))

    @property
    def counters(self) -> dict[str, int]:
        """Return how many runs started, how many are in each state, and how many results were reused without a run."""
        ended = {state: self._count[state] for state in get_args(State)}
        return {"started": len(self.states), **ended, "reused": self.reused}
