"""What travels between the driver of a sweep and its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Keep = Literal["all", "best", "none"]
MetricDirections = tuple[tuple[str, str], ...]  # (metric, direction)


@dataclass(frozen=True)
class PreflightRequest:
    """Load the data, split it and build everything, but fit nothing: what cannot work is told before the first run.

    `trials` holds configs that must be buildable, by the text that a complaint names. `environment` is the file that
    versions and hardware are written to, `prunes` tells whether runs may be given up on their way.
    """

    config: Mapping[str, Any]
    trials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Path | None = None
    prunes: bool = False


@dataclass(frozen=True)
class PreflightResult:
    """What a probe found: the task, what makes runs comparable, the objectives, and whether the runs report steps.

    `searched` names the config paths that the evaluator chooses itself in each run, `metrics` what is scored.
    """

    task: str
    data: str
    split: str
    rows: int
    objectives: MetricDirections
    reports: bool
    bytes: int
    searched: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """One run.

    `front` holds the objectives of the best runs so far; one that none of them is as good as may be kept, and its
    worker holds on to it.
    """

    number: int
    config: Mapping[str, Any]
    fingerprint: str
    folder: Path
    sweep: str
    overrides: tuple[str, ...] = ()
    keep: Keep = "best"
    objectives: MetricDirections = ()
    front: tuple[tuple[float, ...], ...] = ()
    prunes: bool = False


@dataclass(frozen=True)
class AttemptResult:
    """How a run ended: what its record says, without what the driver knows already."""

    state: str
    reason: str | None
    metrics: Mapping[str, Any]
    objectives: tuple[float, ...] | None
    seconds: float
    stages: Mapping[str, float]
    fingerprints: Mapping[str, str]
    task: str | None
    error: Mapping[str, Any] | None
    kept: bool
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinalizeRequest:
    """Keep a run after all: score its test part, save its model.

    A worker that does not hold the run answers None, unless it is given the work to `refit` it.
    """

    number: int
    refit: RunRequest | None = None


def dominates(one: tuple[float, ...], other: tuple[float, ...], objectives: MetricDirections) -> bool:
    """Tell whether one run is at least as good as another in every objective; an equal one is."""
    pairs = zip(one, other, (direction for _, direction in objectives), strict=True)
    return all(a >= b if direction == "maximize" else a <= b for a, b, direction in pairs)
