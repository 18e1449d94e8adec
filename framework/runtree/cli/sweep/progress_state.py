"""The progress of a sweep, counted as its runs end: for the live view, `runtree status` and the report alike."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtree.cli.format import format_cell, format_duration, format_error, pluralize
from runtree.contract.errors import without_numbers
from runtree.sweeps.results import is_fully_measured

if TYPE_CHECKING:
    from runtree.sweeps.results import Objectives, ParetoFront
    from runtree.sweeps.state import RunState, SweepState, Trial
    from runtree.sweeps.stopping import StopMonitor

STATES = ("completed", "pruned", "failed", "stopped", "interrupted")


@dataclass
class AlgorithmProgress:
    """Runs of one algorithm that ended, and its best configuration."""

    ended: int = 0
    best: float | None = None
    trial: "Trial | None" = None


@dataclass
class ProgressState:
    """The progress of a sweep, and what follows from it.

    Parameters
    ----------
    size
        Number of runs in the search space, None where it is continuous.
    failures
        Numbers of the failed runs, by the first message of each kind. Messages are of one kind if they differ only in
        numbers.
    ranking_keys
        On and by what the scores were measured. Several make the scores incomparable.
    """

    sweep_state: "SweepState"
    objectives: "Objectives"
    front: "ParetoFront"
    monitor: "StopMonitor"
    size: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    algorithms: dict[str, AlgorithmProgress] = field(default_factory=dict)
    failures: dict[str, list[int]] = field(default_factory=dict)
    ranking_keys: set[tuple[str | None, ...] | None] = field(default_factory=set)
    _first_messages: dict[str, str] = field(default_factory=dict)

    def count(self, entry: "RunState") -> None:
        """Count a run that has ended."""
        self.counts[entry.state] += 1
        # a run that hit its limit is listed with the failures, because it needs the same attention
        if entry.needs_attention:
            message = format_error(entry)
            first = self._first_messages.setdefault(without_numbers(message), message)
            self.failures.setdefault(first, []).append(entry.number)
        if entry.state == "completed" and entry.repeat == 0:
            self.ranking_keys.add(self.objectives.ranking_key(self.sweep_state, self.sweep_state.trials[entry.trial]))
        algorithm = self.algorithms.setdefault(entry.trial[0], AlgorithmProgress())
        algorithm.ended += 1
        trial = self.sweep_state.trials[entry.trial]
        entries = self.sweep_state.runs_of(trial)
        # with repeats a trial has a score only when the last has
        # ended: a mean of fewer would be noisier than the others
        score = self.objectives.mean(entries) if is_fully_measured(trial, entries) else None
        if score is None or not self.objectives.is_feasible(entries):
            return
        if algorithm.best is None or self.objectives.is_better(score[0], algorithm.best):
            algorithm.best, algorithm.trial = score[0], trial

    @property
    def comparable(self) -> bool:
        """Return whether all runs may be ranked together."""
        return len(self.ranking_keys) < 2

    @property
    def ended(self) -> int:
        """Return the number of runs that have ended."""
        return sum(self.counts.values())

    @property
    def total(self) -> int | None:
        """Return the maximum number of runs, None where neither `max_runs` nor the search space limits it."""
        limits = [limit for limit in (self.monitor.rules.max_runs, self.size) if limit is not None]
        return min(limits, default=None)

    @property
    def states(self) -> dict[str, int]:
        """Return the number of runs that ended in each state, always in the same order."""
        return {state: self.counts[state] for state in STATES}

    @property
    def first_objective_sign(self) -> int:
        """Return 1 where a larger first objective is better, else -1."""
        return 1 if self.objectives.metrics[0][1] == "maximize" else -1

    @property
    def best(self) -> tuple["Trial", tuple[float, ...]] | None:
        """Return the best trial; with several objectives that with the best first objective."""
        return max(self.front.best, key=lambda pair: self.first_objective_sign * pair[1][0], default=None)

    @property
    def deaths(self) -> str:
        """Return how many attempts died and were tried again, and of what, and how often the sweep; "" if none did."""
        counts = self.sweep_state.count_deaths()
        times = pluralize(counts.get("driver", 0), "time")
        own = f"the sweep's own process died {times}, and its runs were begun again" if "driver" in counts else ""
        if not counts["attempts"]:
            return own
        causes = ", ".join(f"{cause} ({count})" for cause, count in counts["causes"].items())
        runs = pluralize(counts["runs"], "run")
        text = f"{pluralize(counts['attempts'], 'attempt')} at {runs} died and were tried again: {causes}"
        return f"{text}; {own}" if own else text

    @property
    def bests(self) -> list[tuple["Trial", tuple[float, ...]]]:
        """Return the best trial, or where not all runs may be ranked together, those of each ranking."""
        if self.comparable:
            return [self.best] if self.best is not None else []
        return sorted(self.front.best, key=lambda pair: pair[0].runs[0])

    def format_score(self, trial: "Trial", score: tuple[float, ...]) -> str:
        """Return the first objective of a trial, and of one with several runs mean and standard deviation."""
        runs = self.sweep_state.runs_of(trial)
        deviation = self.objectives.deviation(runs)
        if trial.repeats < 2 or deviation is None:
            return format_cell(score[0])
        count = sum(run.state == "completed" for run in runs)
        return f"{format_cell(score[0])} \N{PLUS-MINUS SIGN} {format_cell(deviation[0])} over {count} seeds"

    def ranked_algorithms(self) -> list[tuple[str, AlgorithmProgress]]:
        """Return the algorithms, the best first, those without a score last."""

        def sort_key(pair: tuple[str, AlgorithmProgress]) -> float:
            return float("inf") if pair[1].best is None else -self.first_objective_sign * pair[1].best

        return sorted(self.algorithms.items(), key=sort_key)

    def fraction(self, seconds: float) -> float | None:
        """Return the fraction of the sweep that is done, None without a limit."""
        max_seconds = self.monitor.rules.max_seconds
        fractions = [self.ended / self.total] if self.total else []
        fractions += [seconds / max_seconds] if max_seconds else []
        # the limit that is nearest ends the sweep
        return min(1.0, max(fractions)) if fractions else None

    def seconds_left(self, seconds: float) -> float | None:
        """Return the seconds left at most, extrapolated from the pace so far; None where that is impossible."""
        max_seconds = self.monitor.rules.max_seconds
        # without any ended run there is no pace yet
        estimates = [(self.total - self.ended) * seconds / self.ended] if self.total and self.ended else []
        estimates += [max_seconds - seconds] if max_seconds else []
        return max(0.0, min(estimates)) if estimates else None

    def criteria(self, seconds: float) -> list[tuple[str, str]]:
        """Return each stop criterion that is set, and how near it is."""
        rules, tally = self.monitor.rules, self.monitor.counters
        rate, (failed, ended) = rules.failures.rate, tally.failed_of_ended
        best = "-" if tally.best is None else format_cell(tally.best)
        texts = {
            "max_runs": rules.max_runs and f"{len(tally.states)} of {rules.max_runs} started",
            "max_seconds": rules.max_seconds and f"{format_duration(seconds)} of {format_duration(rules.max_seconds)}",
            "target": rules.target is not None and f"{best} of {rules.target:g}",
            "patience": rules.patience.runs
            and f"{tally.not_improving} of {rules.patience.runs} runs without improvement",
            "convergence": rules.convergence.window and self._format_convergence(),
            "failures": rules.failures.consecutive
            and f"{tally.failed_in_a_row} of {rules.failures.consecutive} consecutive failures",
            "failure rate": rate and f"{failed} of {ended} runs failed, stops at {rate:.0%}",
        }
        return [(name, text) for name, text in texts.items() if text]

    def _format_convergence(self) -> str:
        from runtree.sweeps.stopping import observed_and_expected_gain

        rule, scores = self.monitor.rules.convergence, self.monitor.counters.scores
        required = max(rule.min_runs, (rule.window or 0) + 1)
        if rule.window is None or len(scores) < required:
            return f"{len(scores)} of {required} runs before it is evaluated"
        observed, expected = observed_and_expected_gain(scores, rule.window)
        return f"gain observed {observed:.2%}, expected {expected:.2%}, stops when both are below {rule.tolerance:.2%}"
