"""What the runs of a configuration come to, and which configurations are the best."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from runtree.config.space.dimensions import constraint
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.iteration import is_loss
from runtree.contract.search import Ending, Observation
from runtree.sweeps.messages import MetricDirections, dominates
from runtree.sweeps.proposer import Proposer
from runtree.sweeps.state import RunState, SweepState, Trial
from runtree.sweeps.stopping import StopMonitor


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric: ``validation.log_loss <= 0.3``."""

    text: str
    name: str
    violation: Callable[[float], float]


def read_constraints(texts: Sequence[str] | str | None) -> list[Constraint]:
    """Read one bound or several; a name is a metric's with its part, or without for the validation part."""
    found = []
    for text in [texts] if isinstance(texts, str) else texts or []:
        name, violation = constraint(text)
        full = name if "." in name or name == "fit_seconds" else f"validation.{name}"
        if full.partition(".")[0] not in ("train", "validation", "fit_seconds"):
            raise ConfigError(
                f"tuner.constraints: '{text}' looks at {full.partition('.')[0]}", "bound validation.METRIC"
            )
        found.append(Constraint(text, full, violation))
    return found


def check_constraint_metrics(bounds: Sequence[Constraint], metrics: Sequence[str]) -> None:
    """Refuse a bound on a metric that no run is scored by: none would ever keep it."""
    for one in bounds:
        name = one.name.partition(".")[2]
        if name and name not in metrics:
            raise unknown("metric at tuner.constraints:", name, metrics, error=ConfigError)


@dataclass(frozen=True)
class Objectives:
    """Knows what a sweep's runs are judged by."""

    objectives: MetricDirections
    constraints: Sequence[Constraint] = ()

    def violations(self, entry: RunState) -> tuple[float, ...]:
        """Return how far a run exceeds each bound; one whose metric is missing exceeds it without end."""
        return tuple(one.violation(_measured(entry.outcome, one.name)) for one in self.constraints)

    def mean(self, entries: Sequence[RunState]) -> tuple[float, ...] | None:
        """Return the mean objectives of the runs that completed."""
        found = [entry.objectives for entry in entries if entry.state == "completed" and entry.objectives is not None]
        return tuple(sum(column) / len(found) for column in zip(*found, strict=True)) if found else None

    def observation(self, book: SweepState, trial: Trial) -> Observation:
        """Return what a tuner is told of a trial."""
        entries = book.entries(trial)
        tell = partial(Observation, trial.key[1], values=trial.values, memo=trial.memo)
        if trial.told is not None:
            return tell("completed", objectives=trial.told)
        if not all(entry.has_ended for entry in entries):
            return tell("running")
        state = trial_state(entries)
        reports = tuple(entries[0].reports)
        objectives = self.mean(entries)
        if state == "pruned":
            objectives = (reports[-1][1],) if reports else None
        completed_runs = [self.violations(entry) for entry in entries if entry.state == "completed"]
        worst = tuple(max(column) for column in zip(*completed_runs, strict=True)) if completed_runs else ()
        return tell(state, objectives=objectives if state != "failed" else None, constraints=worst, reports=reports)

    def unfinished(self, trial: Trial) -> Observation:
        """Return what a tuner is told of a trial whose end it is not to know yet."""
        return Observation(trial.key[1], "running", trial.values, memo=trial.memo)

    def feasible(self, entries: Sequence[RunState]) -> bool:
        """Tell whether every run that completed keeps every bound."""
        return all(max(self.violations(entry), default=0.0) <= 0 for entry in completed_runs(entries))

    def better(self, one: float, other: float) -> bool:
        """Tell whether one value of the first objective is better than another."""
        return one > other if self.objectives[0][1] == "maximize" else one < other


class ParetoFront:
    """The best configuration so far; of several objectives those that no other is as good as in all."""

    def __init__(self, judge: Objectives) -> None:
        self.judge = judge
        self.best: list[tuple[Trial, tuple[float, ...]]] = []

    def add(self, book: SweepState, trial: Trial) -> bool:
        """Take a trial whose runs have ended, and tell whether it belongs to the best."""
        entries = book.entries(trial)
        score = self.judge.mean(entries)
        if score is None or trial.same_as is not None or not self.judge.feasible(entries):
            return False
        if not is_fully_measured(trial, entries):
            return False
        if any(dominates(other, score, self.judge.objectives) for _, other in self.best):
            return False
        self.best = [pair for pair in self.best if not dominates(score, pair[1], self.judge.objectives)]
        self.best.append((trial, score))
        return True

    @property
    def scores(self) -> tuple[tuple[float, ...], ...]:
        """Return the objectives of the best."""
        return tuple(score for _, score in self.best)


def is_fully_measured(trial: Trial, entries: Sequence[RunState]) -> bool:
    """Tell whether all repeats of a configuration were run, or given up: the mean of fewer does not compare."""
    ended = all(entry.has_ended for entry in entries)
    return ended and (len(entries) >= trial.repeats or any(entry.state == "pruned" for entry in entries))


def completed_runs(entries: Sequence[RunState]) -> list[RunState]:
    """Return those that completed."""
    return [entry for entry in entries if entry.state == "completed"]


def trial_state(entries: Sequence[RunState]) -> Ending:
    """Return how a configuration ended whose runs have: one that completed is enough."""
    states = {entry.state for entry in entries}
    return "completed" if "completed" in states else "pruned" if "pruned" in states else "failed"


def _measured(outcome: Mapping[str, Any], name: str) -> float:
    part, _, metric = name.partition(".")
    value = (
        outcome.get("stages", {}).get("fit")
        if name == "fit_seconds"
        else outcome.get("metrics", {}).get(part, {}).get(metric)
    )
    return float("nan") if value is None else float(value)


# --- Judging: runs that have ended are counted, and what their configurations came to is told to the tuners.


@dataclass
class ResultTracker:
    """Judges runs as they end, or with a `lag` in the order of their numbers: then whoever ends first decides nothing.

    Attributes
    ----------
    lag
        How many of the latest runs a proposal knows nothing of; None: it knows whatever has ended.
    admitted
        How many runs have been judged, where they are judged in order.
    """

    book: SweepState
    judge: Objectives
    proposer: Proposer
    progress: StopMonitor
    lag: int | None = None
    front: ParetoFront = field(init=False)
    admitted: int = 0

    def __post_init__(self) -> None:
        self.front = ParetoFront(self.judge)
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

    def ended(self, entry: RunState) -> None:
        """Judge a run now, unless runs are judged in order."""
        if self.lag is None:
            self._judge(entry)

    def _judge(self, entry: RunState) -> None:
        if self._count(entry):
            trial = self.book.trials[entry.trial]
            for one in (trial, *self.book.takers(trial)):
                self.inform(one)

    def _count(self, entry: RunState) -> bool:
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


# --- The runs of a sweep, the best first.


def rank_trials(book: SweepState, judge: Objectives) -> list[tuple[Trial, tuple[float, ...] | None]]:
    """Return the trials that were run, the best by the first objective first, then by the others.

    Those that break a bound come behind them, then those of which some repeats were not run, without a score the last.
    """
    scored = [(trial, judge.mean(book.entries(trial))) for trial in book.trials.values() if trial.runs]
    signs = [-1 if direction == "maximize" else 1 for _, direction in judge.objectives]

    def place(pair: tuple[Trial, tuple[float, ...] | None]) -> tuple[bool, bool, bool, tuple[float, ...], int]:
        trial, score = pair
        entries = book.entries(trial)
        partial, breaks = not is_fully_measured(trial, entries), not judge.feasible(entries)
        goals = tuple(sign * value for sign, value in zip(signs, score or (), strict=False))
        return score is None, partial, breaks, goals, trial.runs[0]

    return sorted(scored, key=place)


def best_of_each(book: SweepState, judge: Objectives) -> list[tuple[Trial, tuple[float, ...]]]:
    """Return the best trial of each family, the best first; bounds kept."""
    found: dict[str, tuple[Trial, tuple[float, ...]]] = {}
    for trial, score in rank_trials(book, judge):
        if score is not None and judge.feasible(book.entries(trial)):
            found.setdefault(trial.key[0], (trial, score))
    return list(found.values())


def leaderboard_csv(book: SweepState, judge: Objectives) -> str:
    """Return `leaderboard.csv`: rank, run, family, state, objectives, values, seconds, test metrics where there are."""
    names = [name for name, _ in judge.objectives]
    paths = list(dict.fromkeys(path for trial in book.trials.values() if trial.runs for path in trial.values))
    tests = list(dict.fromkeys(name for entry in book.completed() for name in _test(entry)))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["rank", "runs", "family", "state", *(f"validation.{name}" for name in names), *paths, "seconds"]
        + [f"test.{name}" for name in tests]
    )
    for rank, (trial, score) in enumerate(rank_trials(book, judge), 1):
        table.writerow(_row(rank, book, trial, score, paths, tests, len(names)))
    return text.getvalue()


def _row(
    rank: int,
    book: SweepState,
    trial: Trial,
    score: tuple[float, ...] | None,
    paths: Sequence[str],
    tests: Sequence[str],
    width: int,
) -> list[Any]:
    entries = book.entries(trial)
    seconds = sum(float(entry.outcome.get("seconds") or 0.0) for entry in entries)
    test: dict[str, float] = next((_test(entry) for entry in entries if _test(entry)), {})
    states = "+".join(dict.fromkeys(entry.state for entry in entries))
    runs = " ".join(f"{entry.number:04d}" for entry in entries)
    values = list(score) if score is not None else [None] * width
    cells = [trial.values.get(path) for path in paths]
    return [rank, runs, trial.key[0], states, *values, *cells, round(seconds, 3), *(test.get(name) for name in tests)]


def _test(entry: RunState) -> dict[str, float]:
    found: dict[str, float] = entry.outcome.get("metrics", {}).get("test") or {}
    return found


# --- Which of the metrics that a run reports stands for the objective.


def objective_from_report(metrics: Mapping[str, float], name: str, direction: str) -> float | None:
    """Return the intermediate value of the objective, None where nothing reported stands for it.

    That is the metric itself on the validation part; else a validation loss, turned so that it points the same way.
    """
    for key in (f"validation_{name}", f"validation.{name}", name):
        if key in metrics:
            return metrics[key]
    losses = [key for key in metrics if key.startswith("validation") and is_loss(key.removeprefix("validation_"))]
    losses += [key for key in ("loss",) if key in metrics]
    if not losses:
        return None
    return metrics[losses[0]] if direction == "minimize" else -metrics[losses[0]]
