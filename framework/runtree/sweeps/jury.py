"""Judging: runs that have ended are counted, and what their configurations came to is told to the tuners."""

from dataclasses import dataclass, field

from runtree.contract.search import Observation
from runtree.sweeps.book import Book, Entry, Trial
from runtree.sweeps.judgement import Front, Judge
from runtree.sweeps.progress import Progress
from runtree.sweeps.proposer import Proposer


@dataclass
class Jury:
    """Judges runs as they end, or with a `lag` in the order of their numbers: then whoever ends first decides nothing.

    Attributes
    ----------
    lag
        How many of the latest runs a proposal knows nothing of; None: it knows whatever has ended.
    admitted
        How many runs have been judged, where they are judged in order.
    """

    book: Book
    judge: Judge
    proposer: Proposer
    progress: Progress
    lag: int | None = None
    front: Front = field(init=False)
    admitted: int = 0

    def __post_init__(self) -> None:
        self.front = Front(self.judge)
        self.proposer.settled = self.settled

    def settled(self, number: int) -> bool:
        """Tell whether the next proposal may know how a run that has ended did so."""
        return self.lag is None or number < self.admitted

    def restore(self, asked: int) -> None:
        """Take over where a former process was: what the book knows is judged and told again."""
        self.admitted = 0 if self.lag is None else max(0, asked - self.lag)
        for number in sorted(self.book.runs):
            self.progress.started(number)
        for number in self.book.ended if self.lag is None else range(self.admitted):
            if number in self.book.runs:
                self._count(self.book.runs[number])
        for trial in sorted(self.book.trials.values(), key=lambda trial: trial.key):
            if trial.same_as is not None:
                self.progress.reused()
            if not all(self.settled(entry.number) for entry in self.book.entries(trial)):
                observation = self.judge.unfinished(trial)
            else:
                observation = self.judge.observation(self.book, trial)
                self.front.add(self.book, trial)
            self.proposer.restore(trial.key[0], observation, self._favour(observation))

    def ready(self, asked: int) -> bool:
        """Judge what the next proposal may know, and tell whether it may be made: all of that has ended."""
        known = 0 if self.lag is None else asked - self.lag + 1
        self.in_order(known)
        return self.lag is None or self.admitted >= known

    def in_order(self, count: int) -> None:
        """Judge runs in the order of their numbers, up to `count` of them: the next proposal may know no more."""
        while self.lag is not None and self.admitted < count:
            entry = self.book.runs.get(self.admitted)
            if entry is None or not entry.has_ended:
                break
            self.admitted += 1
            self._judge(entry)

    def ended(self, entry: Entry) -> None:
        """Judge a run now, unless runs are judged in order."""
        if self.lag is None:
            self._judge(entry)

    def _judge(self, entry: Entry) -> None:
        if self._count(entry):
            trial = self.book.trials[entry.trial]
            for one in (trial, *self.book.takers(trial)):
                self.inform(one)

    def _count(self, entry: Entry) -> bool:
        """Count a run; tell whether it was the last of its trial."""
        trial = self.book.trials[entry.trial]
        entries = self.book.entries(trial)
        states = self.progress.tally.states  # of the runs that were counted before
        last = len(entries) == trial.repeats and all(states.get(other.number) for other in entries if other != entry)
        score = self.judge.mean(entries) if last else None
        single = len(self.judge.objectives) == 1
        value = score[0] if score is not None and single and self.judge.feasible(entries) else None
        seconds = entry.outcome.get("seconds") or 0.0
        self.progress.ended(entry.number, entry.state, value, seconds, counts=last)  # type: ignore[arg-type]
        return last or entry.state == "pruned"

    def inform(self, trial: Trial) -> None:
        """Tell the tuner of a trial all of whose runs have ended, as far as that may be known."""
        observation = self.judge.observation(self.book, trial)
        settled = all(self.settled(entry.number) for entry in self.book.entries(trial))
        if observation.state != "running" and settled:
            self.front.add(self.book, trial)
            self.proposer.tell(trial.key[0], observation, self._favour(observation))

    def _favour(self, observation: Observation) -> float | None:
        """Return what speaks for an algorithm, greater is better."""
        if observation.state != "completed" or observation.objectives is None:
            return None
        value = observation.objectives[0]
        return value if self.judge.objectives[0][1] == "maximize" else -value
