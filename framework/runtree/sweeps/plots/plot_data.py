"""The data of a sweep's plots: configurations, parameters, samples of both, and Optuna's view of them."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.redaction import redact
from runtree.contract.search import Choice, Dimension, Interval, TrialState, Values
from runtree.sweeps.results import Objectives, trial_state
from runtree.sweeps.state import SweepState

MAX_POINTS = 2000  # configurations in a plot of the sweep
MAX_FAMILY_POINTS = 1000  # and in a plot of one algorithm, of which there are several


@dataclass(frozen=True)
class PlotPoint:
    """A finished configuration; `run` is its first run and `at` its end in seconds since the sweep began."""

    run: int
    runs: tuple[int, ...]
    family: str
    state: TrialState
    values: Values
    objectives: tuple[float, ...] | None
    violations: tuple[float, ...]
    reports: tuple[tuple[int, float], ...]
    at: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it can be the best: it completed and satisfies every constraint."""
        return self.state == "completed" and max(self.violations, default=0.0) <= 0

    def value(self, index: int = 0) -> float:
        return math.nan if self.objectives is None else self.objectives[index]

    def to_json(self, with_values: bool = True) -> dict[str, Any]:
        """Return the point as JSON."""
        data: dict[str, Any] = {"run": self.run, "runs": self.runs, "family": self.family, "state": self.state}
        within = max(self.violations, default=0.0) <= 0
        return {**data, "objectives": self.objectives, "feasible": within} | (
            {"values": self.values} if with_values else {}
        )


def points(state: SweepState, objectives: Objectives) -> list[PlotPoint]:
    """Return the configurations whose runs have all finished, in order; reused results are left out."""
    result = []
    for trial in state.trials.values():
        entries = state.runs_of(trial) if trial.runs else []
        if not entries or not all(entry.is_finished for entry in entries):
            continue
        seen = objectives.observation(state, trial)
        measured = seen.objectives if seen.state == "completed" else None
        good = measured is not None and all(map(math.isfinite, measured))
        end = "failed" if trial_state(entries) == "completed" and not good else trial_state(entries)
        violations = tuple(math.inf if math.isnan(one) else one for one in seen.constraints)
        runs, reports = tuple(trial.runs), tuple(entries[0].reports)
        score, values = measured if good else None, redact(trial.values)
        at = max(float(entry.finished_at) for entry in entries)
        result.append(PlotPoint(runs[0], runs, trial.key[0], end, values, score, violations, reports, at))
    return sorted(result, key=lambda point: point.run)


def best_of(points: Sequence[PlotPoint], direction: str, index: int = 0) -> PlotPoint | None:
    """Return the best point by one objective, the first of equal ones."""
    sign = -1 if direction == "maximize" else 1
    return min((p for p in points if p.counts), key=lambda p: sign * (p.objectives or (0.0,))[index], default=None)


def sampled(
    points: Sequence[PlotPoint], objectives: Objectives, best: Collection[int], most: int = MAX_POINTS
) -> list[PlotPoint]:
    """Return the best points, those that were the best when they finished, and an even sample of the rest."""
    if len(points) <= most:
        return list(points)
    records = {run for index, (_, sign) in enumerate(objectives.metrics) for run in _records(points, index, sign)}
    kept = {point.run for point in _evenly([p for p in points if p.run in best], most)}
    # half of the room for former records: the line of the best so far must be exact, but not crowd out the rest
    kept |= {point.run for point in _evenly([p for p in points if p.run in records - kept], (most - len(kept)) // 2)}
    kept |= {point.run for point in _evenly([p for p in points if p.run not in kept], most - len(kept))}
    return [point for point in points if point.run in kept]


def _records(points: Sequence[PlotPoint], index: int, direction: str) -> list[int]:
    sign, before, runs = -1 if direction == "maximize" else 1, math.inf, []
    for point in points:
        if point.counts and point.objectives and sign * point.objectives[index] < before:
            before = sign * point.objectives[index]
            runs.append(point.run)
    return runs


def reach(values: Sequence[float], direction: str) -> tuple[float, float]:
    """Return the limits of an axis: all values, except a few outliers that would compress the rest to one line."""
    ordered = sorted(values, reverse=direction == "maximize")
    best, usual, worst = ordered[0], ordered[int(0.8 * (len(ordered) - 1))], ordered[-1]
    # an outlier: the worst value is twenty times as far from the best as four fifths of the values are
    if abs(worst - best) > 20 * abs(usual - best) > 0:
        worst = best + 3 * (usual - best)
    return min(best, worst), max(best, worst)


def _evenly(items: Sequence[PlotPoint], count: int) -> list[PlotPoint]:
    return list(items) if len(items) <= count else [items[place * len(items) // count] for place in range(count)]


# --- Parameters as plots show them: labels, numbers, texts.

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAX_LABEL_CHARACTERS = 24


@dataclass(frozen=True)
class ParameterColumn:
    """A parameter: its label, and by run the value that a plot shows, a number or a text."""

    label: str
    path: str
    domain: Choice | Interval
    shown: Mapping[int, Any]
    texts: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return isinstance(self.domain, Interval) and self.domain.integer

    @property
    def distribution(self) -> "BaseDistribution":
        """Optuna's distribution, whose limits include all values: some may lie outside the space."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if isinstance(self.domain, Choice):
            return CategoricalDistribution(self.texts)
        # a warm start or a resumed sweep may bring values from outside, and Optuna refuses a trial outside its
        # distribution
        low, high = min(self.domain.low, *self.shown.values()), max(self.domain.high, *self.shown.values())
        log = self.domain.scale == "log" and low > 0
        if self.domain.integer and all(float(one).is_integer() for one in (low, high, *self.shown.values())):
            return IntDistribution(int(low), int(high), log=log)
        return FloatDistribution(low, high, log=log)


def columns(space: Sequence[Dimension], points: Sequence[PlotPoint]) -> list[ParameterColumn]:
    """Return the parameters that have values; of several dimensions at one path, the one that was active."""
    values: list[dict[int, Any]] = [{} for _ in space]
    for point in points:
        seen: dict[str, Any] = {}
        for by_run, dimension in zip(values, space, strict=True):
            if dimension.path in point.values and dimension.path not in seen and dimension.holds(seen):
                seen[dimension.path] = by_run[point.run] = point.values[dimension.path]
    labels = distinct([dimension.path.removeprefix("algorithm.") for dimension in space])
    made = (_column(label, dimension, by_run) for label, dimension, by_run in zip(labels, space, values, strict=True))
    return [column for column in made if column.shown]


def _column(label: str, dimension: Dimension, by_run: Mapping[int, Any]) -> ParameterColumn:
    if isinstance(dimension.domain, Interval):
        items = by_run.items()
        numbers = {run: value for run, value in items if isinstance(value, int | float) and math.isfinite(value)}
        return ParameterColumn(label, dimension.path, dimension.domain, numbers)
    known = {identity(value): value for value in (*dimension.domain.values, *by_run.values())}
    texts = dict(zip(known, distinct([text_of(value) for value in known.values()]), strict=True))
    shown = {run: texts[identity(value)] for run, value in by_run.items()}
    return ParameterColumn(label, dimension.path, dimension.domain, shown, tuple(texts.values()))


def identity(value: Any) -> str:
    """Return a key that distinguishes values as YAML does: 1, 1.0, true and "1"."""
    return json.dumps(value, sort_keys=True, default=repr)


def text_of(value: Any) -> str:
    """Return a value as a label: relu, '1', 0.1, true, null, [64, 64]."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    try:
        json.loads(value)
    except ValueError:
        return value
    return f"'{value}'"  # a text that looks like a number


def distinct(texts: Sequence[str]) -> list[str]:
    """Return texts shortened to labels, equal ones numbered."""
    labels: dict[str, None] = {}
    for text in texts:
        plain = short(text) or '""'
        number = 1
        while (label := plain if number == 1 else f"{plain} ({number})") in labels:
            number += 1
        labels[label] = None
    return list(labels)


def short(text: str, most: int = MAX_LABEL_CHARACTERS) -> str:
    """Return the beginning and the end of a text, unprintable characters replaced by spaces."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    half = (most - 1) // 2
    return plain if len(plain) <= most else f"{plain[: most - 1 - half]}…{plain[-half:]}"


# --- The data of one plot, and Optuna's view of it.

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MIN_IMPORTANCE_POINTS = 10  # completed configurations; importances of fewer are noise


def study(
    points: Sequence[PlotPoint], parameters: Sequence[ParameterColumn], directions: Sequence[str], first: int = 0
) -> "Study":
    """Return an Optuna study with a trial for each point, of the objectives from `first` on, one for each direction."""
    import optuna

    signs = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
    result = optuna.create_study(directions=signs, sampler=optuna.samplers.RandomSampler(0))
    distributions = {column.label: column.distribution for column in parameters}
    for point in points:
        raw = {column.label: column.shown[point.run] for column in parameters if point.run in column.shown}
        result.add_trial(_trial(point, raw, distributions, slice(first, first + len(directions))))
    return result


def _trial(
    point: PlotPoint, raw: Values, distributions: Mapping[str, "BaseDistribution"], part: slice
) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    return create_trial(
        state=states[point.state],
        values=None if point.objectives is None else list(point.objectives[part]),
        params=dict(raw),
        distributions={name: distributions[name] for name in raw},
        intermediate_values=dict(point.reports),
        constraints={str(place): value for place, value in enumerate(point.violations)} or None,
    )


@dataclass(frozen=True)
class SweepPlotData:
    """The data of a sweep or of one algorithm in it; `best` holds the first runs of the best configurations."""

    points: Sequence[PlotPoint]
    objectives: Objectives
    names: tuple[str, ...]
    best: frozenset[int]
    space: Sequence[Dimension] = ()
    family: str = ""
    most: int = MAX_POINTS

    def part(self, family: str, space: Sequence[Dimension]) -> "SweepPlotData":
        """Return the data of one algorithm."""
        own = [point for point in self.points if point.family == family]
        return SweepPlotData(own, self.objectives, self.names, self.best, space, family, MAX_FAMILY_POINTS)

    def leading(self, most: int) -> list[str]:
        """Return the algorithms with the best configurations, in the order of the config."""
        stars = [star for name in self.names if (star := self.part(name, ()).star)]
        far = sorted(stars, key=PlotPoint.value, reverse=self.directions[0] == "maximize")[:most]
        return [name for name in self.names if name in {star.family for star in far}]

    @cached_property
    def star(self) -> PlotPoint | None:
        """The best point by the first objective: the best of the sweep if it is among the points."""
        own = [point for point in self.points if point.run in self.best]
        return best_of(own, self.directions[0]) or best_of(self.points, self.directions[0])

    @cached_property
    def shown(self) -> list[PlotPoint]:
        """The points that are drawn."""
        return sampled(self.points, self.objectives, self.kept, self.most)

    @property
    def kept(self) -> frozenset[int]:
        """The runs that every sample includes."""
        return self.best | ({self.star.run} if self.star else set())

    @cached_property
    def completed(self) -> list[PlotPoint]:
        """The points that are drawn and have a value."""
        return [point for point in self.shown if point.objectives is not None]

    @cached_property
    def columns(self) -> list[ParameterColumn]:
        """The parameters."""
        return columns(self.space, self.shown)

    @cached_property
    def study(self) -> "Study":
        """The points that are drawn as an Optuna study of the first objective."""
        return study(self.shown, self.columns, self.directions[:1])

    @cached_property
    def importances(self) -> dict[str, float]:
        """Importance by label, the highest first; empty if there are too few points."""
        if len(self.completed) < MIN_IMPORTANCE_POINTS or len(self.columns) < 2:
            return {}
        from optuna.importance import get_param_importances  # loads scikit-learn

        return get_param_importances(self.study)

    @property
    def directions(self) -> list[str]:
        """The directions of the objectives."""
        return [direction for _, direction in self.objectives.metrics]

    def of(self, name: str, shown: int = 0, among: int = 0) -> str:
        """Return a title that names the algorithm if there are several, and says if only a sample is shown."""
        shown, among = shown or len(self.shown), among or len(self.points)
        whose = f": {short(self.family)}" if self.family and len(self.names) > 1 else ""
        return f"{name}{whose}" + (f" ({shown:,} of {among:,} shown)" if shown < among else "")

    def metric(self, index: int = 0) -> str:
        """Return the label of an objective."""
        name, direction = self.objectives.metrics[index]
        full = "seconds of the fit" if name == "fit_seconds" else f"validation {short(name)}"
        return f"{full} ({direction})"

    def to_json(self, shown: Sequence[PlotPoint], with_values: bool = True, **more: Any) -> dict[str, Any]:
        """Return the data that a plot shows as JSON, with or without the values of parameters."""
        star = [self.star.run] if self.star and len(self.directions) == 1 else sorted(self.best)
        head = {"shown": len(shown), "of": len(self.points), "metric": self.metric(), "best": star}
        return head | more | {"runs": [point.to_json(with_values) for point in shown]}
