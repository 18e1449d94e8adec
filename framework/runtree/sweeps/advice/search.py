"""What advice is drawn from."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from runtree.config.space.domains import domain_text
from runtree.contract.errors import first_line, without_numbers
from runtree.contract.finding import Finding
from runtree.contract.search import Choice, Dimension, Interval
from runtree.records.layout import SweepFolder
from runtree.sweeps.results import Objectives, rank_trials
from runtree.sweeps.state import RunState, SweepState, Trial


@dataclass(frozen=True)
class FinishedSweep:
    """A sweep that has ended, by one objective.

    Attributes
    ----------
    spaces
        What was searched, by family.
    stop
        What `stop.json` says.
    startup
        How many runs of a family the tuner draws at random before it learns from any.
    name
        By which the sweep is named in commands.
    """

    book: SweepState
    judge: Objectives
    spaces: Mapping[str, Sequence[Dimension]]
    stop: Mapping[str, Any]
    folder: SweepFolder
    startup: int = 0

    @property
    def name(self) -> str:
        """By which the sweep is named in commands."""
        return self.folder.path.name

    @property
    def maximize(self) -> bool:
        """Tell whether more is better."""
        return self.judge.objectives[0][1] == "maximize"

    @property
    def metric(self) -> str:
        """The metric that the sweep is judged by."""
        return self.judge.objectives[0][0]

    @cached_property
    def scored(self) -> list[tuple[Trial, float]]:
        """The configurations that came to a value and keep every bound, the best first."""
        found = ((trial, score) for trial, score in rank_trials(self.book, self.judge) if score is not None)
        return [(trial, score[0]) for trial, score in found if self.judge.feasible(self.book.entries(trial))]

    @cached_property
    def in_order(self) -> list[tuple[RunState, float]]:
        """The runs that completed, in the order in which they ended, each with its value."""
        entries = (self.book.runs[number] for number in self.book.ended)
        return [(one, one.objectives[0]) for one in entries if one.state == "completed" and one.objectives]

    def better(self, one: float, other: float) -> bool:
        """Tell whether one value is better than another."""
        return one > other if self.maximize else one < other


# --- Whether the sweep was long enough, or too long, and what was lost on the way.

CUT = ("max_runs", "max_seconds", "asked", "interrupted")  # endings that say nothing of the search itself
MIN_RUNS = 10  # fewer runs, or fewer configurations of one algorithm, say nothing of the search
LAST = 5  # the last fifth of a sweep: an improvement in it speaks for more
LOST = 0.1  # share of runs that failed


def too_small(facts: FinishedSweep) -> Iterator[Finding]:
    """Find a budget that ended while the best still rose, or before the tuner had learnt anything."""
    count, criterion = len(facts.in_order), facts.stop.get("criterion")
    if count < MIN_RUNS or criterion not in CUT:
        return
    place, before = last_improvement(facts)
    more = f"runtree resume {facts.name} tuner.stop.{_doubled(facts)}"
    families = len({trial.key[0] for trial in facts.book.trials.values()}) or 1
    if facts.startup * families >= count:
        said = f"all {count} runs were drawn at random: the tuner learns after {facts.startup} of each algorithm"
        yield Finding("budget", "note", said, f"let it go on: {more}", {"runs": count, "startup": facts.startup})
    elif count - place <= count // LAST and before is not None:
        best = facts.in_order[place - 1][1]
        said = f"still improving when the budget ended: run {place} of {count} took the best from {before:.4g}"
        found = {"runs": count, "improved_at": place}
        yield Finding("budget", "warning", f"{said} to {best:.4g}", f"go on: {more}", found)


def too_large(facts: FinishedSweep) -> Iterator[Finding]:
    """Find a budget of which most came to nothing."""
    count = len(facts.in_order)
    if facts.stop.get("criterion") not in CUT or count < 5 * MIN_RUNS:
        return
    place, _ = last_improvement(facts)
    if place <= count // 4:
        said = f"the best came at run {place} of {count}; the {count - place} after it found nothing better"
        patience = max(10, 2 * place)
        yield Finding("budget", "note", said, f"next time: tuner.stop.patience.runs={patience}", {"improved_at": place})


def failures(facts: FinishedSweep) -> Iterator[Finding]:
    """Find that many runs failed, and why most of them did."""
    ended = [facts.book.runs[number] for number in facts.book.ended]
    failed = [entry for entry in ended if entry.state == "failed"]
    if not ended or len(failed) <= LOST * len(ended):
        return
    reasons = [first_line((entry.outcome.get("error") or {}).get("message")) for entry in failed]
    kind, often = Counter(map(without_numbers, reasons)).most_common(1)[0]
    reason = next(one for one in reasons if without_numbers(one) == kind)
    yield Finding(
        "failures",
        "warning",
        f"{len(failed)} of {len(ended)} runs failed, {often} of them so: {reason}",
        f"leave what fails out of the space; one of them: runtree show {facts.name}/{failed[0].number:04d} --log",
        {"failed": len(failed), "runs": len(ended)},
    )


def alike(facts: FinishedSweep) -> Iterator[Finding]:
    """Find that several configurations come to the very same best value."""
    if len(facts.scored) < MIN_RUNS:
        return
    best = facts.scored[0][1]
    same = sum(value == best for _, value in facts.scored)
    if same > 1:
        said = f"{same} configurations come to the same best validation {facts.metric}, {best:.4g}: it cannot part them"
        advice = f"take the cheapest of them: runtree best {facts.name} --cheapest; or judge by folds: "
        yield Finding("ties", "note", said, f"{advice}evaluator=cross_validation", {"tied": same, "value": best})


def last_improvement(facts: FinishedSweep) -> tuple[int, float | None]:
    """Return after how many completed runs the best was found, and the best before that."""
    best: float | None = None
    place, before = 0, None
    for number, (_, value) in enumerate(facts.in_order, 1):
        if best is None or facts.better(value, best):
            place, before, best = number, best, value
    return place, before


def _doubled(facts: FinishedSweep) -> str:
    threshold = facts.stop.get("threshold")
    if facts.stop.get("criterion") == "max_seconds" and threshold:
        return f"max_seconds={2 * float(threshold):g}"
    return f"max_runs={2 * len(facts.book.runs)}"


# --- Whether the best lies at the edge of what was searched: beyond it may be better.

NEAR = 0.02  # share of a range, on its own scale, that is its edge
AROUND = 0.15  # … and in which at least half of the best few lie too
FEW = 10  # the best tenth, but no more than so many
End = Literal["low", "high"]


def at_the_edge(facts: FinishedSweep) -> Iterator[Finding]:
    """Find each range at whose end the best configuration lies, half of the best tenth near it."""
    if not facts.scored:
        return
    best = facts.scored[0][0]
    own = [trial.values for trial, _ in facts.scored if trial.key[0] == best.key[0]]
    if len(own) < MIN_RUNS:
        return
    top = own[: min(FEW, max(3, len(own) // 10))]
    for one in facts.spaces.get(best.key[0], ()):
        end = edge_of(one, [values[one.path] for values in top if one.path in values])
        if end is not None and one.path in best.values:
            yield _finding(one, end, best.values[one.path], facts.name)


def edge_of(one: Dimension, values: Sequence[Any]) -> End | None:
    """Return the end at which the first of some values lies, if at least half of them lie near it."""
    domain = one.domain
    if isinstance(domain, Choice) or one.composed or not values or not all(map(_is_number, values)):
        return None
    places = [position(domain, float(value)) for value in values]
    for end, far in (("low", places), ("high", [1 - place for place in places])):
        around = sum(place <= AROUND for place in far)
        if far[0] <= NEAR and 2 * around >= len(far) and not _is_natural(domain, end):
            return "low" if end == "low" else "high"
    return None


def position(domain: Interval, value: float) -> float:
    """Return where a value lies between the ends, from 0 to 1 on the interval's own scale."""
    low, high, place = (_scaled(domain, one) for one in (domain.low, domain.high, value))
    return (place - low) / (high - low) if high > low else 0.5


def _scaled(domain: Interval, value: float) -> float:
    if domain.scale == "linear":
        return value
    return math.log(value) if domain.scale == "log" else -math.log(1 - value)


def _is_natural(domain: Interval, end: str) -> bool:
    """Tell whether nothing can lie beyond: shares end at 0 and 1, counts begin at 1."""
    bound = domain.low if end == "low" else domain.high
    return bound in (0, 1) and (end == "low" or not domain.integer)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finding(one: Dimension, end: End, value: float, name: str) -> Finding:
    assert isinstance(one.domain, Interval)
    wider = widened(one.domain, end)
    bound = one.domain.low if end == "low" else one.domain.high
    values = {"path": one.path, "value": value, "end": end, "bound": bound}
    return Finding(
        "search edge",
        "warning",
        f"the best {one.path} is {value:.4g}, at the {end} end of what was searched ({bound:.4g})",
        f"search beyond it: '{one.path}={domain_text(one.path, wider)}' tuner.warm_start.from={name}",
        values,
    )


def widened(domain: Interval, end: End) -> Interval:
    """Return an interval that goes on beyond an end: by half its decades on a log scale, else by half its width."""
    low, high = _beyond(domain)
    return replace(domain, low=low) if end == "low" else replace(domain, high=high)


def _beyond(domain: Interval) -> tuple[float, float]:
    low, high = domain.low, domain.high
    if domain.scale == "reverse_log":
        ratio = math.sqrt((1 - low) / (1 - high))
        return max(0.0, 1 - _rounded((1 - low) * ratio)), 1 - _rounded((1 - high) / ratio)
    if domain.scale == "log":
        ratio = math.sqrt(high / low)
        return _bound(low / ratio, domain), _bound(high * ratio, domain)
    half = (high - low) / 2
    half = math.ceil(half / domain.step) * domain.step if domain.step else half
    below = low - half if low <= 0 or low > half else low / 2  # what was positive stays so
    return _bound(below, domain), _bound(high + half, domain)


def _bound(value: float, domain: Interval) -> float:
    if domain.integer:
        return max(1, round(value)) if domain.low > 0 else round(value)
    return _rounded(value) if domain.step is None else round(value, 12)


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
