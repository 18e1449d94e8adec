"""How a sweep stands, counted as its runs end: what is shown while it works, by `status` and at its end alike."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtree.cli.cells import format_cell
from runtree.cli.sweep.words import clock, told_error
from runtree.contract.errors import without_numbers
from runtree.sweeps.results import is_fully_measured

if TYPE_CHECKING:
    from runtree.sweeps.results import Objectives, ParetoFront
    from runtree.sweeps.state import RunState, SweepState, Trial
    from runtree.sweeps.stopping import StopMonitor

STATES = ("completed", "pruned", "failed", "stopped", "interrupted")


@dataclass
class FamilyStanding:
    """What came of one algorithm: how many runs ended, and its best configuration."""

    ended: int = 0
    best: float | None = None
    trial: "Trial | None" = None


@dataclass
class Standing:
    """What is known of a sweep, and what follows from it.

    Parameters
    ----------
    size
        How many runs there are at most by the space alone, None for infinitely many.
    """

    book: "SweepState"
    judge: "Objectives"
    front: "ParetoFront"
    progress: "StopMonitor"
    size: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    families: dict[str, FamilyStanding] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)  # by the first message of each kind
    grounds: set[tuple[str | None, ...]] = field(default_factory=set)  # data and split of what completed
    _kinds: dict[str, str] = field(default_factory=dict)

    def take(self, entry: "RunState") -> None:
        """Count a run that has ended."""
        self.counts[entry.state] += 1
        if entry.state == "failed" or entry.outcome.get("reason") == "max_seconds":
            self._failed(told_error(entry), entry.number)
        if entry.state == "completed" and entry.repeat == 0:  # repeats differ in their seeds on purpose
            told = entry.outcome.get("fingerprints") or {}
            self.grounds.add((told.get("data"), told.get("split")))
        family = self.families.setdefault(entry.trial[0], FamilyStanding())
        family.ended += 1
        self._favour(family, self.book.trials[entry.trial])

    def _failed(self, message: str, number: int) -> None:
        first = self._kinds.setdefault(without_numbers(message), message)
        self.failures.setdefault(first, []).append(number)

    def _favour(self, family: FamilyStanding, trial: "Trial") -> None:
        entries = self.book.entries(trial)
        score = self.judge.mean(entries) if is_fully_measured(trial, entries) else None
        if score is None or not self.judge.feasible(entries):
            return
        if family.best is None or self.judge.better(score[0], family.best):
            family.best, family.trial = score[0], trial

    @property
    def comparable(self) -> bool:
        """Tell whether the runs make one ranking: the same rows, parted alike."""
        return len(self.grounds) < 2

    @property
    def ended(self) -> int:
        """Return how many runs have ended."""
        return sum(self.counts.values())

    @property
    def total(self) -> int | None:
        """Return how many runs there will be at most, None where only time or luck ends it."""
        bounds = [bound for bound in (self.progress.rules.max_runs, self.size) if bound is not None]
        return min(bounds, default=None)

    @property
    def states(self) -> dict[str, int]:
        """Return how many runs ended in each state, in one order."""
        return {state: self.counts[state] for state in STATES}

    @property
    def best(self) -> tuple["Trial", tuple[float, ...]] | None:
        """Return the best configuration; of several objectives the best in the first."""
        if not self.front.best:
            return None
        sign = 1 if self.judge.objectives[0][1] == "maximize" else -1
        return max(self.front.best, key=lambda pair: sign * pair[1][0])

    def share(self, seconds: float) -> float | None:
        """Return how much of the sweep is behind us, from 0 to 1; None where nothing bounds it."""
        limit = self.progress.rules.max_seconds
        found = [self.ended / self.total] if self.total else []
        found += [seconds / limit] if limit else []
        return min(1.0, max(found)) if found else None

    def left(self, seconds: float) -> float | None:
        """Return how many seconds are left at most, judged by the pace so far; None where nothing tells."""
        limit = self.progress.rules.max_seconds
        found = [(self.total - self.ended) * seconds / self.ended] if self.total and self.ended else []
        found += [limit - seconds] if limit else []
        return max(0.0, min(found)) if found else None

    def criteria(self, seconds: float) -> list[tuple[str, str]]:
        """Return each criterion that is set with how near it is."""
        rules, tally = self.progress.rules, self.progress.tally
        rate, (failed, ended) = rules.failures.rate, tally.failed_rate
        best = "-" if tally.best is None else format_cell(tally.best)
        told = {
            "max_runs": rules.max_runs and f"{len(tally.states)}/{rules.max_runs} started",
            "max_seconds": rules.max_seconds and f"{clock(seconds)} of {clock(rules.max_seconds)}",
            "target": rules.target is not None and f"{best} of {rules.target:g}",
            "patience": rules.patience.runs and f"{tally.not_improving}/{rules.patience.runs} without improvement",
            "convergence": rules.convergence.window and self._convergence(),
            "failures": rules.failures.consecutive
            and f"{tally.failed_in_a_row}/{rules.failures.consecutive} failed in a row",
            "failure rate": rate and f"{failed} of {ended} failed, {rate:.0%} end it",
        }
        return [(name, text) for name, text in told.items() if text]

    def _convergence(self) -> str:
        from runtree.sweeps.stopping import observed_and_expected_gain

        rule, scores = self.progress.rules.convergence, self.progress.tally.scores
        needed = max(rule.min_runs, (rule.window or 0) + 1)
        if rule.window is None or len(scores) < needed:
            return f"{len(scores)}/{needed} runs before it is looked at"
        gained, promised = observed_and_expected_gain(scores, rule.window)
        return f"gained {gained:.2%}, promised {promised:.2%}, both below {rule.tolerance:.2%} end it"
