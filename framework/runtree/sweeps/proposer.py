"""What is tried next: which family, what its tuner proposes, and whether that is known already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.config.freeze import Frozen
from runtree.contract.protocols import Tuner
from runtree.contract.search import Observation, Proposal
from runtree.sweeps.allocator import Standing, choose
from runtree.sweeps.book import Book, Key, Trial
from runtree.sweeps.families import Family

IN_A_ROW = 20  # proposals that were known already: a tuner that finds nothing else has nothing left


@dataclass
class Arm:
    """A family, its tuner, and how it stands."""

    family: Family
    tuner: Tuner
    standing: Standing
    exhausted: bool = False


@dataclass(frozen=True)
class Proposed:
    """A trial that may be run; `same` is what two proposals of one configuration have in common."""

    key: Key
    values: Mapping[str, Any]
    memo: Mapping[str, Any]
    same: str
    known: int | None = None  # the run that has this configuration already


class Proposer:
    """Asks tuners, and tells them."""

    def __init__(
        self,
        arms: Sequence[Arm],
        book: Book,
        freeze: Callable[[Family, Mapping[str, Any]], tuple[Frozen, str]],
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
    def open(self) -> list[Arm]:
        """Return the arms that have something left to propose."""
        return [arm for arm in self.arms.values() if not arm.exhausted]

    def propose(self) -> Proposed | None:
        """Return the next trial, None where nothing is left to try."""
        if self.queue:
            return self._queued(*self.queue.pop(0))
        while arms := self.open:
            standing = choose([arm.standing for arm in arms], self.total, self.shares)
            arm = self.arms[standing.name]
            proposal = arm.tuner.ask(standing.asked)
            if proposal is None:
                arm.exhausted = True
                continue
            standing.asked += 1
            return self._proposed(arm, proposal)
        return None

    def _queued(self, family: str, values: Mapping[str, Any]) -> Proposed:
        """Propose what nobody asked a tuner for; it is told, so that it takes it into account."""
        arm = self.arms[family]
        number = arm.standing.asked
        arm.standing.asked += 1
        arm.tuner.tell(Observation(number, "running", values))
        return self._proposed(arm, Proposal(number, values))

    def _proposed(self, arm: Arm, proposal: Proposal) -> Proposed:
        _, same = self.freeze(arm.family, proposal.values)
        known = self.book.known(same, self.settled)
        self._count(arm, known)
        return Proposed((arm.family.name, proposal.number), proposal.values, proposal.memo, same, known)

    def _count(self, arm: Arm, known: int | None) -> None:
        """Count a proposal; an arm that finds nothing new for long has nothing left."""
        self._repeated = self._repeated + 1 if known is not None else 0
        if self._repeated >= IN_A_ROW:
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
