"""A study in memory of which a sampler sees a bounded part, so that thinking costs the same after 5,000 runs.

What is seen depends on what was told and not on when: the best, the latest, and all that run.
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

PRUNER_MAX_TRIALS = 500  # latest runs: pruners compare like with like, and the best would be no fair sample
PARENTS = ":parent:"  # Optuna's study attributes: NSGAIISampler:parent:7 lists numbers of trials
TAUGHT = (TrialState.COMPLETE, TrialState.PRUNED)

Score = tuple[float, ...]


class BoundedStudy(InMemoryStorage):
    """Holds all trials of one study, each under its own number, and shows some of them.

    Parameters
    ----------
    directions
        Of the objectives.
    memory
        How many finished trials a sampler sees: a quarter the best, the others the latest. None: all.
    """

    def __init__(self, directions: Sequence[StudyDirection], memory: int | None) -> None:
        super().__init__()
        self.signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
        self.memory = memory
        self.count = 0  # trials that exist
        self._running: set[int] = set()
        self._finished: list[int] = []  # ascending
        self._best: list[tuple[Score, int]] = []  # of one objective the best first, of several the Pareto set
        self._parents: list[list[int]] = []  # of the two latest generations of a genetic algorithm
        self._pruning = False

    @contextmanager
    def seen_by_pruner(self) -> Iterator[None]:
        """Show what a pruner is to see."""
        self._pruning = True
        try:
            yield
        finally:
            self._pruning = False

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials that are seen, by number."""
        if states == (TrialState.WAITING,):  # asked before each proposal; nothing is ever enqueued
            return []
        own = self._studies[study_id].trials
        found = [own[number] for number in self._seen() if states is None or own[number].state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _seen(self) -> list[int]:
        if self._pruning:
            return sorted([*self._finished[-PRUNER_MAX_TRIALS:], *self._running])
        if self.memory is None:
            return sorted([*self._finished, *self._running])
        best = self.memory // 4
        latest = self._finished[-(self.memory - best) :] if self.memory else []
        chosen = (number for _, number in self._best[:best])
        return sorted({*chosen, *latest, *self._running, *chain(*self._parents)})

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keep an attribute of a sampler's, and keep in sight whom it names as parents."""
        super().set_study_system_attr(study_id, key, value)
        if PARENTS in key:
            self._parents = [*self._parents[-1:], value]

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Make the trial with the next number, running unless a template says otherwise."""
        number = super().create_new_trial(study_id, template_trial)
        self.count += 1
        if template_trial is None:
            self._running.add(number)
        return number

    def reach(self, study_id: int, number: int) -> None:
        """Fill up with failed trials, so that the next one made has `number`."""
        while self.count < number:
            self.create_new_trial(study_id, create_trial(state=TrialState.FAIL))

    def put(self, number: int, trial: FrozenTrial) -> None:
        """Replace a running trial."""
        trial.number = trial._trial_id = number
        self._set_trial(number, trial)
        if trial.state == TrialState.RUNNING:
            self._running.add(number)
            return
        self._running.discard(number)
        if trial.state in TAUGHT:
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
        if trial.state != TrialState.COMPLETE or violation(trial) > 0:
            return
        losses = tuple(sign * value for sign, value in zip(self.signs, trial.values, strict=True))
        if any(_dominates(other, losses) for other, _ in self._best):
            return
        self._best = [entry for entry in self._best if not _dominates(losses, entry[0])]
        insort(self._best, (losses, trial.number), key=lambda entry: -entry[1])  # the latest first


def score(trial: FrozenTrial, sign: float) -> Score:
    """Return what ranks a trial as TPE ranks it, least first: completed by value, pruned by step, infeasible last."""
    if violation(trial) > 0:
        return (2.0, violation(trial))
    if trial.state == TrialState.COMPLETE:
        return (0.0, sign * trial.values[0])
    step = trial.last_step
    if step is None:
        return (1.0, 1.0, 0.0)
    value = trial.intermediate_values[step]
    return (1.0, -float(step), inf if isnan(value) else sign * value)


def violation(trial: FrozenTrial) -> float:
    """Return by how much a trial breaks its constraints, 0 where it keeps them."""
    return sum(value for value in trial.constraints.values() if value > 0)


def _dominates(one: Score, other: Score) -> bool:
    return one != other and all(mine <= yours for mine, yours in zip(one, other, strict=True))
