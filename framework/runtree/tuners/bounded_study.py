"""An Optuna study in memory that shows a sampler a bounded number of trials: run 5,000 costs no more than run 500.

Which trials it shows depends on the results only, not on when they arrived: the best, the latest, and all running ones.
"""

import copy
from bisect import insort
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from math import inf, isnan
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

PRUNER_MAX_TRIALS = 500  # the latest: a pruner compares with typical runs, which the best are not
PARENTS = ":parent:"  # in study attributes of genetic algorithms: NSGAIISampler:parent:7 lists trial numbers
INFORMATIVE_STATES = (TrialState.COMPLETE, TrialState.PRUNED)

Score = tuple[float, ...]


class BoundedStudy(InMemoryStorage):
    """The storage of a single study.

    Parameters
    ----------
    directions
        One per objective.
    memory
        How many finished trials a sampler sees: one quarter the best, the rest the latest. None: all.
    """

    def __init__(self, directions: Sequence[StudyDirection], memory: int | None) -> None:
        # in memory: the ledger of the sweep is the durable copy, and Optuna's own storages cost tens of milliseconds a
        # trial or are lost to one torn line
        super().__init__()
        self.signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
        self.memory = memory
        self.count = 0  # of all trials
        self._running: set[int] = set()
        self._finished: list[int] = []  # ascending
        self._best: list[tuple[Score, int]] = []  # with one objective the best first, with several the Pareto front
        self._parents: list[list[int]] = []  # the two latest generations of a genetic algorithm
        self._pruning = False

    @contextmanager
    def visible_to_pruner(self) -> Iterator[None]:
        """Show the trials for a pruner."""
        self._pruning = True
        try:
            yield
        finally:
            self._pruning = False

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the visible trials, by number."""
        if states == (TrialState.WAITING,):  # Optuna looks for enqueued trials before each proposal; there are none
            return []
        # trial number and position in this list are equal, because a storage has one study and `fill_up_to` leaves no
        # gap
        own = self._studies[study_id].trials
        visible = [own[number] for number in self._visible() if states is None or own[number].state in states]
        return copy.deepcopy(visible) if deepcopy else visible

    def _visible(self) -> list[int]:
        if self._pruning:
            return sorted([*self._finished[-PRUNER_MAX_TRIALS:], *self._running])
        if self.memory is None:
            return sorted([*self._finished, *self._running])
        best = self.memory // 4
        latest = self._finished[-(self.memory - best) :] if self.memory else []
        chosen = (number for _, number in self._best[:best])
        # a set: a trial may be among the best and the latest, and TPE would weigh it twice
        return sorted({*chosen, *latest, *self._running, *chain(*self._parents)})

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Store an attribute of a sampler; trials that it names as parents stay visible."""
        super().set_study_system_attr(study_id, key, value)
        # a genetic algorithm looks its parents up by number among the trials that it sees
        if PARENTS in key:
            self._parents = [*self._parents[-1:], value]

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create the trial with the next number, running unless the template says otherwise."""
        number = super().create_new_trial(study_id, template_trial)
        self.count += 1
        if template_trial is None:
            self._running.add(number)
        return number

    def fill_up_to(self, study_id: int, number: int) -> None:
        """Create failed trials up to `number`: numbers that a damaged ledger lost leave no gap."""
        while self.count < number:
            self.create_new_trial(study_id, create_trial(state=TrialState.FAIL))

    def put(self, number: int, trial: FrozenTrial) -> None:
        """Replace the trial with a number."""
        # by private attributes: Optuna's own way to end a trial cannot set params, attributes and values at once
        trial.number = trial._trial_id = number
        self._set_trial(number, trial)
        if trial.state == TrialState.RUNNING:
            self._running.add(number)
            return
        self._running.discard(number)
        if trial.state in INFORMATIVE_STATES:
            # sorted by number, not by arrival: what a sampler sees must not depend on which worker was faster
            insort(self._finished, number)
            self._rank(trial)

    def _rank(self, trial: FrozenTrial) -> None:
        if self.memory is None:
            return
        if len(self.signs) > 1:
            self._rank_among_several(trial)
            return
        insort(self._best, (score(trial, self.signs[0]), trial.number))
        del self._best[self.memory // 4 :]

    def _rank_among_several(self, trial: FrozenTrial) -> None:
        # a pruned trial has no values to compare, and an infeasible one must not push a feasible one off the front
        if trial.state != TrialState.COMPLETE or violation(trial) > 0:
            return
        losses = tuple(sign * value for sign, value in zip(self.signs, trial.values, strict=True))
        if any(_dominates(other, losses) for other, _ in self._best):
            return
        self._best = [entry for entry in self._best if not _dominates(losses, entry[0])]
        insort(self._best, (losses, trial.number), key=lambda entry: -entry[1])  # the latest first


def score(trial: FrozenTrial, sign: float) -> Score:
    """Return the sort key of a trial in the order of TPE: completed by value, pruned by step, infeasible last."""
    if violation(trial) > 0:
        return (2.0, violation(trial))
    if trial.state == TrialState.COMPLETE:
        return (0.0, sign * trial.values[0])
    step = trial.last_step
    if step is None:
        return (1.0, 1.0, 0.0)
    value = trial.intermediate_values[step]
    # the later a trial was pruned the better it was; NaN ranks last because comparisons with it would break the sort
    return (1.0, -float(step), inf if isnan(value) else sign * value)


def violation(trial: FrozenTrial) -> float:
    """Return the sum of a trial's constraint violations, 0 if it is feasible."""
    return sum(value for value in trial.constraints.values() if value > 0)


def _dominates(one: Score, other: Score) -> bool:
    return one != other and all(mine <= yours for mine, yours in zip(one, other, strict=True))
