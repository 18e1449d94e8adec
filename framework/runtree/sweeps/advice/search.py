"""Advice on the search: its budget, its failures, its ties, and ranges whose end the best trial lies at."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from runtree.config.space.domains import domain_text
from runtree.config.space.grammar import literal
from runtree.contract.commands import display_path, typed
from runtree.contract.errors import first_line, without_numbers
from runtree.contract.search import Choice, Dimension, Interval
from runtree.contract.types import Finding
from runtree.records.commands import sweep_verb
from runtree.records.layout import SweepFolder
from runtree.sweeps.leaderboard import rank_trials
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import RunState, SweepState, Trial

End = Literal["low", "high"]

# Criteria that cut a search off, whatever its results
BUDGET_CRITERIA = ("max_runs", "max_seconds", "asked", "interrupted")
MIN_RUNS = 10  # fewer runs, or fewer trials of one algorithm, say nothing about the search
LAST_PART = 5  # an improvement in the last fifth of a sweep suggests that there is more to gain
MANY_FAILED_SHARE = 0.1
EDGE_SHARE = 0.02  # of a range, on its own scale
NEAR_EDGE_SHARE = 0.15  # at least half of the best trials have to lie within it
MAX_BEST_TRIALS = 10  # the best tenth of the trials, but no more than these


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep with one objective that has stopped.

    Attributes
    ----------
    spaces
        The dimensions of each search space, by its name.
    stop
        The content of `stop.json`.
    startup
        How many trials of each algorithm the sampler draws at random before it learns.
    """

    state: SweepState
    objectives: Objectives
    spaces: Mapping[str, Sequence[Dimension]]
    stop: Mapping[str, Any]
    folder: SweepFolder
    startup: int = 0

    def command(self, verb: str, *words: str) -> str:
        """Return a command about the sweep."""
        return sweep_verb(verb, self.folder, *words)

    def run_command(self, verb: str, number: int, *words: str) -> str:
        """Return a command about one of its runs."""
        return sweep_verb(verb, self.folder, *words, run=number)

    @property
    def metric(self) -> str:
        return self.objectives.metrics[0][0]

    @cached_property
    def scored(self) -> list[tuple[Trial, float]]:
        """The feasible trials with a score, the best first."""
        ranked = ((trial, score) for trial, score in rank_trials(self.state, self.objectives) if score is not None)
        feasible = self.objectives.is_feasible
        return [(trial, score[0]) for trial, score in ranked if feasible(self.state.runs_of(trial))]

    @cached_property
    def completed(self) -> list[tuple[RunState, float]]:
        """The runs that completed and their values, in the order of their ends."""
        runs = (self.state.runs[number] for number in self.state.ended)
        return [(run, run.objectives[0]) for run in runs if run.state == "completed" and run.objectives]


def budget_too_small(sweep: FinishedSweep) -> Iterator[Finding]:
    """Find a sweep that was cut off while its best value still improved, or before the tuner had learnt anything."""
    count = len(sweep.completed)
    if count < MIN_RUNS or sweep.stop.get("criterion") not in BUDGET_CRITERIA:
        return
    position, before = last_improvement(sweep)
    resume = sweep.command("resume", f"tuner.stop.{_doubled_budget(sweep)}")
    # each algorithm has a sampler of its own, and each of them draws its first trials at random
    spaces = len({trial.key[0] for trial in sweep.state.trials.values()}) or 1
    if sweep.startup * spaces >= count:
        text = f"all {count} runs were drawn at random: the tuner learns after {sweep.startup} of each algorithm"
        yield Finding("budget", "note", text, f"continue: {resume}", {"runs": count, "startup": sweep.startup})
    elif count - position <= count // LAST_PART and before is not None:
        best = sweep.completed[position - 1][1]
        text = f"still improving when the budget ended: run {position} of {count} improved the best"
        text += f" from {before:.4g} to {best:.4g}"
        yield Finding("budget", "warning", text, f"continue: {resume}", {"runs": count, "improved_at": position})


def budget_too_large(sweep: FinishedSweep) -> Iterator[Finding]:
    """Find a sweep whose best value came early."""
    count = len(sweep.completed)
    # a short sweep whose best came early may have been lucky: an advice to stop earlier needs more runs
    if sweep.stop.get("criterion") not in BUDGET_CRITERIA or count < 5 * MIN_RUNS:
        return
    position, _ = last_improvement(sweep)
    if position <= count // 4:
        text = f"the best came at run {position} of {count}; the {count - position} after it found nothing better"
        advice = f"next time: tuner.stop.patience.runs={max(10, 2 * position)}"
        yield Finding("budget", "note", text, advice, {"improved_at": position})


def many_failures(sweep: FinishedSweep) -> Iterator[Finding]:
    """Find that many runs failed, with the most frequent reason."""
    ended = [sweep.state.runs[number] for number in sweep.state.ended]
    failed = [run for run in ended if run.state == "failed"]
    if not ended or len(failed) <= MANY_FAILED_SHARE * len(ended):
        return
    reasons = [first_line((run.result.error or {}).get("message")) for run in failed]
    # messages that differ only in a number (a size, a value) have one cause
    kind, frequency = Counter(map(without_numbers, reasons)).most_common(1)[0]
    example = next(reason for reason in reasons if without_numbers(reason) == kind)
    yield Finding(
        "failures",
        "warning",
        f"{len(failed)} of {len(ended)} runs failed, {frequency} of them with: {example}",
        f"see the first: {sweep.run_command('show', failed[0].number, '--log')}; remove what fails from the space, or "
        f"mend the code and run them again: {sweep.command('resume', '--retry', 'failed')}",
        {"failed": len(failed), "runs": len(ended)},
    )


def ties(sweep: FinishedSweep) -> Iterator[Finding]:
    """Find that several trials have exactly the best value."""
    if len(sweep.scored) < MIN_RUNS:
        return
    best = sweep.scored[0][1]
    # exactly equal, without a tolerance: ties come from metrics of counts on few rows, such as the accuracy
    tied = sum(value == best for _, value in sweep.scored)
    if tied > 1:
        text = f"{tied} configurations tie for the best validation {sweep.metric}, {best:.4g}"
        advice = f"take the cheapest: {sweep.command('best', '--cheapest')}; or compare them by folds: "
        yield Finding("ties", "note", text, f"{advice}evaluator=cross_validation", {"tied": tied, "value": best})


def last_improvement(sweep: FinishedSweep) -> tuple[int, float | None]:
    """Return after how many completed runs the best came, and the best value before it."""
    best: float | None = None
    position, before = 0, None
    for count, (_, value) in enumerate(sweep.completed, 1):
        if best is None or sweep.objectives.is_better(value, best):
            position, before, best = count, best, value
    return position, before


def _doubled_budget(sweep: FinishedSweep) -> str:
    threshold = sweep.stop.get("threshold")
    if sweep.stop.get("criterion") == "max_seconds" and threshold:
        return f"max_seconds={2 * float(threshold):g}"
    return f"max_runs={2 * len(sweep.state.runs)}"


def best_at_edge(sweep: FinishedSweep) -> Iterator[Finding]:
    """Find each range at whose end the best trial lies, with half of the best tenth near it."""
    if not sweep.scored:
        return
    best = sweep.scored[0][0]
    # of the same algorithm only: another one has other dimensions at the same paths
    own = [trial.values for trial, _ in sweep.scored if trial.key[0] == best.key[0]]
    if len(own) < MIN_RUNS:
        return
    # one trial at the edge may be luck; several good ones near it point beyond
    top = own[: min(MAX_BEST_TRIALS, max(3, len(own) // 10))]
    for dimension in sweep.spaces.get(best.key[0], ()):
        path, domain = dimension.path, dimension.domain
        end = edge_of(dimension, [values[path] for values in top if path in values])
        if end is None or path not in best.values or isinstance(domain, Choice):
            continue
        value, bound = best.values[path], domain.low if end == "low" else domain.high
        wider = typed(
            f"{path}={domain_text(path, widened(domain, end))}",
            f"tuner.warm_start.from={literal(display_path(sweep.folder.path), 'tuner.warm_start.from')}",
        )
        yield Finding(
            "search edge",
            "warning",
            f"the best {path} is {value:.4g}, at the {end} end of its range ({bound:.4g})",
            f"search beyond it: {wider}",
            {"path": path, "value": value, "end": end, "bound": bound},
        )


def edge_of(dimension: Dimension, values: Sequence[Any]) -> End | None:
    """Return the end at which the first of some values lies, if at least half of them lie near it."""
    domain = dimension.domain
    if isinstance(domain, Choice) or dimension.composed or not values or not all(map(_is_number, values)):
        return None
    # on the scale of the range: on a log scale, 2 % of its width would cover all decades but the upper ones
    positions = [position(domain, float(value)) for value in values]
    ends: tuple[tuple[End, list[float]], ...] = (("low", positions), ("high", [1 - place for place in positions]))
    for end, distances in ends:
        near = sum(distance <= NEAR_EDGE_SHARE for distance in distances)
        if distances[0] <= EDGE_SHARE and 2 * near >= len(distances) and not _is_natural(domain, end):
            return end
    return None


def position(domain: Interval, value: float) -> float:
    """Return where a value lies between the ends, from 0 to 1 on the interval's own scale."""

    def scaled(number: float) -> float:
        if domain.scale == "linear":
            return number
        return math.log(number) if domain.scale == "log" else -math.log(1 - number)

    low, high = scaled(domain.low), scaled(domain.high)
    return (scaled(value) - low) / (high - low) if high > low else 0.5


def _is_natural(domain: Interval, end: End) -> bool:
    """Return whether nothing can lie beyond an end: shares end at 0 and 1, counts begin at 1."""
    bound = domain.low if end == "low" else domain.high
    return bound in (0, 1) and (end == "low" or not domain.integer)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def widened(domain: Interval, end: End) -> Interval:
    """Return an interval that extends beyond an end: by half its decades on a log scale, else by half its width."""
    low, high = domain.low, domain.high
    if domain.scale == "reverse_log":
        ratio = math.sqrt((1 - low) / (1 - high))
        beyond = max(0.0, 1 - _two_digits((1 - low) * ratio)), 1 - _two_digits((1 - high) / ratio)
    elif domain.scale == "log":
        ratio = math.sqrt(high / low)
        beyond = _bound(low / ratio, domain), _bound(high * ratio, domain)
    else:
        half = (high - low) / 2
        half = math.ceil(half / domain.step) * domain.step if domain.step else half
        below = low - half if low <= 0 or low > half else low / 2  # a positive range stays positive
        beyond = _bound(below, domain), _bound(high + half, domain)
    return replace(domain, low=beyond[0]) if end == "low" else replace(domain, high=beyond[1])


def _bound(value: float, domain: Interval) -> float:
    if domain.integer:
        return max(1, round(value)) if domain.low > 0 else round(value)
    return _two_digits(value) if domain.step is None else round(value, 12)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
