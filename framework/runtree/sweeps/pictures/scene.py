"""All that one picture is drawn from, and Optuna's view of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.search import Dimension, Values
from runtree.sweeps.pictures.columns import Column, columns, short
from runtree.sweeps.pictures.points import MOST, MOST_OF_FAMILY, Point, best_of, sampled
from runtree.sweeps.results import Objectives

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

ENOUGH = 10  # completed configurations that importance is told from


def study(found: Sequence[Point], parameters: Sequence[Column], directions: Sequence[str], first: int = 0) -> "Study":
    """Return a study of as many objectives as there are directions, from the `first` on; a trial for each point."""
    import optuna

    signs = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
    made = optuna.create_study(directions=signs, sampler=optuna.samplers.RandomSampler(0))
    distributions = {one.label: one.distribution for one in parameters}
    for point in found:
        raw = {one.label: one.shown[point.run] for one in parameters if point.run in one.shown}
        made.add_trial(_trial(point, raw, distributions, slice(first, first + len(directions))))
    return made


def _trial(point: Point, raw: Values, distributions: Mapping[str, "BaseDistribution"], part: slice) -> "FrozenTrial":
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
class Scene:
    """What there is to draw, of a sweep or of one family of it; `best` holds the first runs of the best."""

    points: Sequence[Point]
    judge: Objectives
    names: tuple[str, ...]
    best: frozenset[int]
    space: Sequence[Dimension] = ()
    family: str = ""
    most: int = MOST

    def part(self, family: str, space: Sequence[Dimension]) -> "Scene":
        """Return what there is of one family."""
        own = [point for point in self.points if point.family == family]
        return Scene(own, self.judge, self.names, self.best, space, family, MOST_OF_FAMILY)

    def leading(self, most: int) -> list[str]:
        """Return the families that came farthest, in the order in which they were named."""
        stars = [star for name in self.names if (star := self.part(name, ()).star)]
        far = sorted(stars, key=Point.value, reverse=self.directions[0] == "maximize")[:most]
        return [name for name in self.names if name in {star.family for star in far}]

    @cached_property
    def star(self) -> Point | None:
        """Return the best by the first objective: the sweep's where it is here."""
        own = [point for point in self.points if point.run in self.best]
        return best_of(own, self.directions[0]) or best_of(self.points, self.directions[0])

    @cached_property
    def shown(self) -> list[Point]:
        """Return as many configurations as a picture holds."""
        return sampled(self.points, self.judge, self.kept, self.most)

    @property
    def kept(self) -> frozenset[int]:
        """Return the runs that no sample leaves out."""
        return self.best | ({self.star.run} if self.star else set())

    @cached_property
    def completed(self) -> list[Point]:
        """Return what is shown and has a value."""
        return [point for point in self.shown if point.objectives is not None]

    @cached_property
    def columns(self) -> list[Column]:
        """Return the parameters."""
        return columns(self.space, self.shown)

    @cached_property
    def study(self) -> "Study":
        """Return what is shown, judged by the first objective."""
        return study(self.shown, self.columns, self.directions[:1])

    @cached_property
    def importances(self) -> dict[str, float]:
        """Return the importance of each parameter by its label, the highest first; nothing where it is unknown."""
        if len(self.completed) < ENOUGH or len(self.columns) < 2:
            return {}
        from optuna.importance import get_param_importances  # loads scikit-learn

        return get_param_importances(self.study)

    @property
    def directions(self) -> list[str]:
        """Return the directions of the objectives."""
        return [direction for _, direction in self.judge.objectives]

    def of(self, name: str, shown: int = 0, among: int = 0) -> str:
        """Return a title, with the family where there are several, and how many are shown where not all are."""
        shown, among = shown or len(self.shown), among or len(self.points)
        whose = f": {short(self.family)}" if self.family and len(self.names) > 1 else ""
        return f"{name}{whose}" + (f" ({shown:,} of {among:,} shown)" if shown < among else "")

    def metric(self, index: int = 0) -> str:
        """Return the name of an objective, for people."""
        name, direction = self.judge.objectives[index]
        full = "seconds of the fit" if name == "fit_seconds" else f"validation {short(name)}"
        return f"{full} ({direction})"

    def told(self, shown: Sequence[Point], fully: bool = True, **more: Any) -> dict[str, Any]:
        """Return what a picture shows, as JSON; with the values of parameters, or without."""
        star = [self.star.run] if self.star and len(self.directions) == 1 else sorted(self.best)
        head = {"shown": len(shown), "of": len(self.points), "metric": self.metric(), "best": star}
        return head | more | {"runs": [point.told(fully) for point in shown]}
