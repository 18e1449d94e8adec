"""The next trial: which algorithm, what its tuner proposes, and whether that config has been run already."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.contract.protocols import Tuner
from runtree.contract.search import Observation, Proposal
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import SweepState, Trial, TrialKey

MIN_TRIALS_EACH = 5  # trials of each algorithm before any is favoured; at least its number of dimensions + 1
MIN_SHARE_EACH = 0.1  # of all trials, for the algorithm that does worst
BEST_TRIALS_COMPARED = 3  # an algorithm is compared by its best trials: a single one may be luck
MAX_CONSECUTIVE_DUPLICATES = 20  # duplicate proposals, after which a tuner counts as exhausted


@dataclass
class Study:
    """A search space with its tuner.

    Attributes
    ----------
    next_number
        The number of the next proposal, which is also how many there have been.
    values
        Objective values of its trials, greater is better.
    """

    space: SearchSpace
    tuner: Tuner
    next_number: int = 0
    values: list[float] = field(default_factory=list)
    exhausted: bool = False


@dataclass(frozen=True)
class Candidate:
    """A trial that may be run.

    Attributes
    ----------
    config_key
        Equal for two proposals of the same config.
    duplicate_of
        The run that has this config already.
    """

    key: TrialKey
    values: Mapping[str, Any]
    memo: Mapping[str, Any]
    config_key: str
    duplicate_of: int | None = None


class Proposer:
    """Gets trials from the tuners, and passes the results to them.

    Attributes
    ----------
    queue
        (space, values) to try before those of the tuners: the configurations of a warm start.
    is_visible
        Returns whether a proposal may know how a run ended; `ResultTracker` sets it.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        state: SweepState,
        freeze: Callable[[SearchSpace, Mapping[str, Any]], tuple[FrozenConfig, str]],
        max_runs: int | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.studies = {study.space.name: study for study in studies}
        self.state = state
        self.freeze = freeze
        self.max_runs = max_runs
        self.shares = shares or {}
        self.queue: list[tuple[str, Mapping[str, Any]]] = []
        self.is_visible: Callable[[int], bool] = lambda number: True
        self._duplicates_in_a_row = 0
        for trial in state.trials.values():  # of former sessions, in the order of their proposal
            if trial.earlier_objectives is None and trial.key[0] in self.studies:
                self._count_duplicates(self.studies[trial.key[0]], trial.same_as)

    @property
    def size(self) -> int | None:
        """Return how many configurations there are at most, None for a continuous space."""
        sizes = [study.space.size for study in self.studies.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def propose(self) -> Candidate | None:
        """Return the next trial, None if nothing is left to try."""
        if self.queue:
            name, values = self.queue.pop(0)
            study = self.studies[name]
            proposal = Proposal(study.next_number, values)
            # The tuner did not propose it, yet must know that it runs, and must not propose under its number
            study.tuner.tell(Observation(study.next_number, "running", values))
            study.next_number += 1
            return self._candidate(study, proposal)
        while studies := [study for study in self.studies.values() if not study.exhausted]:
            study = choose_study(studies, self.max_runs, self.shares)
            proposed = study.tuner.ask(study.next_number)
            if proposed is None:
                study.exhausted = True
                continue
            study.next_number += 1
            return self._candidate(study, proposed)
        return None

    def _candidate(self, study: Study, proposal: Proposal) -> Candidate:
        # Two proposals are equal if their configs are: values that a condition leaves unused, say, make no difference
        _, config_key = self.freeze(study.space, proposal.values)
        duplicate_of = self.state.duplicate_of(config_key, self.is_visible)
        self._count_duplicates(study, duplicate_of)
        return Candidate((study.space.name, proposal.number), proposal.values, proposal.memo, config_key, duplicate_of)

    def _count_duplicates(self, study: Study, duplicate_of: int | None) -> None:
        self._duplicates_in_a_row = self._duplicates_in_a_row + 1 if duplicate_of is not None else 0
        # in a finite space a tuner that learns repeats its favourites for ever instead of ending
        if self._duplicates_in_a_row >= MAX_CONSECUTIVE_DUPLICATES:
            study.exhausted, self._duplicates_in_a_row = True, 0

    def tell(self, space: str, observation: Observation, score: float | None) -> None:
        """Tell a tuner the result of a trial; `score`, greater is better, is what algorithms are compared by."""
        study = self.studies[space]
        study.tuner.tell(observation)
        if score is not None:
            study.values.append(score)

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Tell a tuner an intermediate value; return whether the run is to be pruned."""
        return self.studies[trial.key[0]].tuner.report(trial.key[1], step, value)

    def restore(self, space: str, observation: Observation, score: float | None) -> None:
        """Tell a tuner a trial of a former session; they have to come in the order of their numbers."""
        self.tell(space, observation, score)
        study = self.studies[space]
        study.next_number = max(study.next_number, observation.number + 1)


def first_trials(study: Study, studies: int, max_runs: int | None) -> int:
    """Return how many trials an algorithm gets before any is favoured."""
    # one more than there are dimensions: with fewer trials a model of the space is not determined
    first = max(MIN_TRIALS_EACH, len(study.space.space) + 1)
    # at most half of all runs go into first trials
    return first if max_runs is None else min(first, max(1, max_runs // (2 * studies)))


def choose_study(
    studies: Sequence[Study], max_runs: int | None = None, shares: Mapping[str, float] | None = None
) -> Study:
    """Return the algorithm to try next.

    With `shares`, the trials are split accordingly. Without, each algorithm first gets a few trials: five, or one more
    than it has dimensions, but all of them together at most half of `max_runs`. From then on, one that has less than a
    tenth of all trials comes first, and else the one with the highest upper confidence bound (UCB1, Auer, Cesa-Bianchi
    & Fischer 2002) on the mean rank of its three best trials among all trials.
    """
    if len(studies) == 1:
        return studies[0]
    if shares:
        return max(studies, key=lambda study: shares.get(study.space.name, 0.0) / (study.next_number + 1))
    fewest = sorted(studies, key=lambda study: study.next_number)
    total = sum(study.next_number for study in studies)
    for study in fewest:
        if study.next_number < first_trials(study, len(studies), max_runs):
            return study
    if fewest[0].next_number < min(MIN_SHARE_EACH, 0.5 / len(studies)) * total:
        return fewest[0]
    # ranks and not values: an algorithm that diverges once would stretch the scale, and make all others look alike
    values = sorted({value for study in studies for value in study.values})
    ranks = {value: position / max(len(values) - 1, 1) for position, value in enumerate(values)}  # 1 is the best

    def upper_bound(study: Study) -> float:
        # the best few and not the mean of all: the user gets the best trial, and a wide space has many bad ones
        best = sorted(study.values)[-BEST_TRIALS_COMPARED:]
        mean = sum(ranks[value] for value in best) / len(best) if best else 0.0
        # 0.5: ranks lie within [0, 1], and the full bound of UCB1 would spread the trials almost evenly
        return mean + 0.5 * math.sqrt(2 * math.log(max(total, 2)) / max(study.next_number, 1))

    return max(studies, key=upper_bound)
