"""Which of several algorithms is tried next: each its share at first, then by promise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtree.config.freeze import FrozenConfig
from runtree.contract.protocols import Tuner
from runtree.contract.search import Observation, Proposal
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import SweepState, Trial, TrialKey

MIN_RUNS_EACH = 5  # runs that each gets before any is favoured, or one more than it has dimensions
MIN_SHARE_EACH = 0.1  # of all runs that each gets however little it promises
BEST_RUNS_COMPARED = 3  # runs by which an algorithm is judged: one lucky run is none


@dataclass
class Standing:
    """What is known of one algorithm: how often it was asked, and the values of its runs (greater is better)."""

    name: str
    dimensions: int
    asked: int = 0
    values: list[float] = field(default_factory=list)


def choose_study(
    standings: Sequence[Standing], total: int | None = None, shares: Mapping[str, float] | None = None
) -> Standing:
    """Return the algorithm to try next.

    Given `shares` say how the runs are parted. Else each is tried as often as `fair` says; then the one with the least
    is tried as long as it has less than a tenth of all runs; then the one with the highest upper confidence bound
    (UCB1, Auer, Cesa-Bianchi & Fischer 2002) on the mean rank of its three best runs among all runs.
    """
    if len(standings) == 1:
        return standings[0]
    if shares:
        return max(standings, key=lambda one: shares.get(one.name, 0.0) / (one.asked + 1))
    least = min(standings, key=lambda one: one.asked)
    if least.asked < fair(least, len(standings), total):
        return least
    asked = sum(one.asked for one in standings)
    if least.asked < min(MIN_SHARE_EACH, 0.5 / len(standings)) * asked:
        return least
    ranks = _ranks(standings)
    return max(standings, key=lambda one: _promise(one, ranks, asked))


def fair(standing: Standing, count: int, total: int | None) -> int:
    """Return how often an algorithm is tried before any is favoured: at most half of all runs go into that."""
    wanted = max(MIN_RUNS_EACH, standing.dimensions + 1)
    return wanted if total is None else min(wanted, max(1, total // (2 * count)))


def _ranks(standings: Sequence[Standing]) -> dict[float, float]:
    """Return the rank of each value among all, 1 for the best and 0 for the worst."""
    values = sorted({value for one in standings for value in one.values})
    return {value: position / max(len(values) - 1, 1) for position, value in enumerate(values)}


def _promise(standing: Standing, ranks: Mapping[float, float], asked: int) -> float:
    best = sorted(standing.values)[-BEST_RUNS_COMPARED:]
    mean = sum(ranks[value] for value in best) / len(best) if best else 0.0
    return mean + 0.5 * math.sqrt(2 * math.log(max(asked, 2)) / max(standing.asked, 1))


# --- What is tried next: which family, what its tuner proposes, and whether that is known already.

MAX_CONSECUTIVE_DUPLICATES = 20  # proposals that were known already: a tuner that finds nothing else has nothing left


@dataclass
class Study:
    """A family, its tuner, and how it stands."""

    family: SearchSpace
    tuner: Tuner
    standing: Standing
    exhausted: bool = False


@dataclass(frozen=True)
class Candidate:
    """A trial that may be run; `same` is what two proposals of one configuration have in common."""

    key: TrialKey
    values: Mapping[str, Any]
    memo: Mapping[str, Any]
    same: str
    known: int | None = None  # the run that has this configuration already


class Proposer:
    """Asks tuners, and tells them."""

    def __init__(
        self,
        arms: Sequence[Study],
        book: SweepState,
        freeze: Callable[[SearchSpace, Mapping[str, Any]], tuple[FrozenConfig, str]],
        total: int | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.arms = {arm.family.name: arm for arm in arms}
        self.book = book
        self.freeze = freeze
        self.total = total
        self.shares = shares or {}
        self._repeated = 0
        self.queue: list[tuple[str, Mapping[str, Any]]] = []  # what is tried before any tuner is asked
        self.settled: Callable[[int], bool] = lambda number: True  # whether a proposal may know how a run ended
        for trial in book.trials.values():  # those of former sessions, in the order in which they were proposed
            if trial.told is None and trial.key[0] in self.arms:
                self._count(self.arms[trial.key[0]], trial.same_as)

    @property
    def open(self) -> list[Study]:
        """Return the arms that have something left to propose."""
        return [arm for arm in self.arms.values() if not arm.exhausted]

    def propose(self) -> Candidate | None:
        """Return the next trial, None where nothing is left to try."""
        if self.queue:
            return self._queued(*self.queue.pop(0))
        while arms := self.open:
            standing = choose_study([arm.standing for arm in arms], self.total, self.shares)
            arm = self.arms[standing.name]
            proposal = arm.tuner.ask(standing.asked)
            if proposal is None:
                arm.exhausted = True
                continue
            standing.asked += 1
            return self._proposed(arm, proposal)
        return None

    def _queued(self, family: str, values: Mapping[str, Any]) -> Candidate:
        """Propose what nobody asked a tuner for; it is told, so that it takes it into account."""
        arm = self.arms[family]
        number = arm.standing.asked
        arm.standing.asked += 1
        arm.tuner.tell(Observation(number, "running", values))
        return self._proposed(arm, Proposal(number, values))

    def _proposed(self, arm: Study, proposal: Proposal) -> Candidate:
        _, same = self.freeze(arm.family, proposal.values)
        known = self.book.known(same, self.settled)
        self._count(arm, known)
        return Candidate((arm.family.name, proposal.number), proposal.values, proposal.memo, same, known)

    def _count(self, arm: Study, known: int | None) -> None:
        """Count a proposal; an arm that finds nothing new for long has nothing left."""
        self._repeated = self._repeated + 1 if known is not None else 0
        if self._repeated >= MAX_CONSECUTIVE_DUPLICATES:
            arm.exhausted, self._repeated = True, 0

    def tell(self, family: str, observation: Observation, value: float | None) -> None:
        """Tell a tuner what came of a trial; `value` is what its algorithm is favoured by, greater is better."""
        arm = self.arms[family]
        arm.tuner.tell(observation)
        if value is not None:
            arm.standing.values.append(value)

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Tell a tuner an intermediate value, and hear whether the run is given up."""
        return self.arms[trial.key[0]].tuner.report(trial.key[1], step, value)

    def restore(self, family: str, observation: Observation, value: float | None) -> None:
        """Take over a trial of a former process; they come in the order of their numbers."""
        self.tell(family, observation, value)
        standing = self.arms[family].standing
        standing.asked = max(standing.asked, observation.number + 1)
