"""What the runs of a configuration come to, and which configurations are the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtree.config.space.condition import constraint
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.search import Ending, Observation
from runtree.sweeps.book import Book, Entry, Trial
from runtree.sweeps.messages import MetricDirections, dominates


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric: ``validation.log_loss <= 0.3``."""

    text: str
    name: str
    violation: Callable[[float], float]


def constraints(texts: Sequence[str] | str | None) -> list[Constraint]:
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


def check_measured(bounds: Sequence[Constraint], metrics: Sequence[str]) -> None:
    """Refuse a bound on a metric that no run is scored by: none would ever keep it."""
    for one in bounds:
        name = one.name.partition(".")[2]
        if name and name not in metrics:
            raise unknown("metric at tuner.constraints:", name, metrics, error=ConfigError)


@dataclass(frozen=True)
class Judge:
    """Knows what a sweep's runs are judged by."""

    objectives: MetricDirections
    constraints: Sequence[Constraint] = ()

    def violations(self, entry: Entry) -> tuple[float, ...]:
        """Return how far a run exceeds each bound; one whose metric is missing exceeds it without end."""
        return tuple(one.violation(_measured(entry.outcome, one.name)) for one in self.constraints)

    def mean(self, entries: Sequence[Entry]) -> tuple[float, ...] | None:
        """Return the mean objectives of the runs that completed."""
        found = [entry.objectives for entry in entries if entry.state == "completed" and entry.objectives is not None]
        return tuple(sum(column) / len(found) for column in zip(*found, strict=True)) if found else None

    def observation(self, book: Book, trial: Trial) -> Observation:
        """Return what a tuner is told of a trial."""
        entries = book.entries(trial)
        tell = partial(Observation, trial.key[1], values=trial.values, memo=trial.memo)
        if trial.told is not None:
            return tell("completed", objectives=trial.told)
        if not all(entry.has_ended for entry in entries):
            return tell("running")
        state = ending(entries)
        reports = tuple(entries[0].reports)
        objectives = self.mean(entries)
        if state == "pruned":
            objectives = (reports[-1][1],) if reports else None
        done = [self.violations(entry) for entry in entries if entry.state == "completed"]
        worst = tuple(max(column) for column in zip(*done, strict=True)) if done else ()
        return tell(state, objectives=objectives if state != "failed" else None, constraints=worst, reports=reports)

    def unfinished(self, trial: Trial) -> Observation:
        """Return what a tuner is told of a trial whose end it is not to know yet."""
        return Observation(trial.key[1], "running", trial.values, memo=trial.memo)

    def feasible(self, entries: Sequence[Entry]) -> bool:
        """Tell whether every run that completed keeps every bound."""
        return all(max(self.violations(entry), default=0.0) <= 0 for entry in done(entries))

    def better(self, one: float, other: float) -> bool:
        """Tell whether one value of the first objective is better than another."""
        return one > other if self.objectives[0][1] == "maximize" else one < other


class Front:
    """The best configuration so far; of several objectives those that no other is as good as in all."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.best: list[tuple[Trial, tuple[float, ...]]] = []

    def add(self, book: Book, trial: Trial) -> bool:
        """Take a trial whose runs have ended, and tell whether it belongs to the best."""
        entries = book.entries(trial)
        score = self.judge.mean(entries)
        if score is None or trial.same_as is not None or not self.judge.feasible(entries):
            return False
        if not is_whole(trial, entries):
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


def is_whole(trial: Trial, entries: Sequence[Entry]) -> bool:
    """Tell whether all repeats of a configuration were run, or given up: the mean of fewer does not compare."""
    ended = all(entry.has_ended for entry in entries)
    return ended and (len(entries) >= trial.repeats or any(entry.state == "pruned" for entry in entries))


def done(entries: Sequence[Entry]) -> list[Entry]:
    """Return those that completed."""
    return [entry for entry in entries if entry.state == "completed"]


def ending(entries: Sequence[Entry]) -> Ending:
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
