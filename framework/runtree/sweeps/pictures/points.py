"""What the pictures of a sweep show: its configurations, and of many a fair sample."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.search import Ending, Values
from runtree.sweeps.results import Objectives, trial_state
from runtree.sweeps.state import SweepState

if TYPE_CHECKING:
    pass

MOST = 2000  # configurations in a picture of a sweep
MOST_OF_FAMILY = 1000  # and in those of one family, of which there are several


@dataclass(frozen=True)
class Point:
    """One configuration that has ended, by the first of its runs; `at`: so many seconds into the sweep."""

    run: int
    runs: tuple[int, ...]
    family: str
    state: Ending
    values: Values
    objectives: tuple[float, ...] | None
    violations: tuple[float, ...]
    reports: tuple[tuple[int, float], ...]
    at: float = 0.0

    @property
    def counts(self) -> bool:
        """Tell whether it may be the best: it completed and keeps every bound."""
        return self.state == "completed" and max(self.violations, default=0.0) <= 0

    def value(self, index: int = 0) -> float:
        """Return an objective."""
        return math.nan if self.objectives is None else self.objectives[index]

    def told(self, fully: bool = True) -> dict[str, Any]:
        """Return what is known of it, as JSON."""
        told = {"run": self.run, "runs": self.runs, "family": self.family, "state": self.state}
        within = max(self.violations, default=0.0) <= 0
        return {**told, "objectives": self.objectives, "feasible": within} | ({"values": self.values} if fully else {})


def points(book: SweepState, judge: Objectives) -> list[Point]:
    """Return the configurations whose runs have all ended, by run; those that took over a result are left out."""
    found = []
    for trial in book.trials.values():
        entries = book.entries(trial) if trial.runs else []
        if not entries or not all(entry.has_ended for entry in entries):
            continue
        seen = judge.observation(book, trial)
        objectives = seen.objectives if seen.state == "completed" else None
        good = objectives is not None and all(map(math.isfinite, objectives))
        state = "failed" if trial_state(entries) == "completed" and not good else trial_state(entries)
        violations = tuple(math.inf if math.isnan(one) else one for one in seen.constraints)
        runs, reports = tuple(trial.runs), tuple(entries[0].reports)
        score = objectives if good else None
        at = max(float(entry.outcome.get("at") or 0.0) for entry in entries)
        found.append(Point(runs[0], runs, trial.key[0], state, trial.values, score, violations, reports, at))
    return sorted(found, key=lambda point: point.run)


def best_of(found: Sequence[Point], direction: str, index: int = 0) -> Point | None:
    """Return the best by one objective, the first of equals."""
    sign = -1 if direction == "maximize" else 1
    return min((p for p in found if p.counts), key=lambda p: sign * (p.objectives or (0.0,))[index], default=None)


def sampled(found: Sequence[Point], judge: Objectives, best: Collection[int], most: int = MOST) -> list[Point]:
    """Return the best, those that were the best when they ended, and an even sample of the others."""
    if len(found) <= most:
        return list(found)
    records = {run for index, (_, sign) in enumerate(judge.objectives) for run in _records(found, index, sign)}
    kept = {point.run for point in _evenly([p for p in found if p.run in best], most)}
    kept |= {point.run for point in _evenly([p for p in found if p.run in records - kept], (most - len(kept)) // 2)}
    kept |= {point.run for point in _evenly([p for p in found if p.run not in kept], most - len(kept))}
    return [point for point in found if point.run in kept]


def _records(found: Sequence[Point], index: int, direction: str) -> list[int]:
    sign, before, runs = -1 if direction == "maximize" else 1, math.inf, []
    for point in found:
        if point.counts and point.objectives and sign * point.objectives[index] < before:
            before = sign * point.objectives[index]
            runs.append(point.run)
    return runs


def reach(values: Sequence[float], direction: str) -> tuple[float, float]:
    """Return the ends of an axis: all, but for a few values so bad that nothing else could be told apart."""
    found = sorted(values, reverse=direction == "maximize")
    best, usual, worst = found[0], found[int(0.8 * (len(found) - 1))], found[-1]
    if abs(worst - best) > 20 * abs(usual - best) > 0:
        worst = best + 3 * (usual - best)
    return min(best, worst), max(best, worst)


def _evenly(items: Sequence[Point], count: int) -> list[Point]:
    return list(items) if len(items) <= count else [items[place * len(items) // count] for place in range(count)]
