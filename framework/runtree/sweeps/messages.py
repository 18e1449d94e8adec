"""The messages between the driver of a sweep and its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtree.contract.types import RunRecord

Keep = Literal["all", "best", "none"]
MetricDirections = tuple[tuple[str, str], ...]  # (metric, direction)


@dataclass(frozen=True)
class PreflightRequest:
    """Load and split the data and build everything, but fit nothing: errors show before the first run.

    Attributes
    ----------
    trials
        Configs that must be buildable, by the text that an error message names them with.
    environment
        The file to write versions and hardware to.
    prunes
        Whether runs may be pruned.
    """

    config: Mapping[str, Any]
    trials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Path | None = None
    prunes: bool = False


@dataclass(frozen=True)
class PreflightResult:
    """The task, the fingerprints that make runs comparable, the objectives, and whether runs report steps.

    Attributes
    ----------
    searched
        Config paths that the evaluator chooses itself in each run.
    metrics
        Names of the metrics that a run is scored by.
    notes
        What the cheap checks of the table found, a line each.
    scoring
        Which plugins, of which version, contribute to the scores.
    plugins
        The plugins that take part in the runs, as a record holds them.
    has_folds
        Whether the evaluator scores by folds instead of a validation split.
    prediction_bytes
        How many bytes the validation predictions of a run take at most.
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
    notes: tuple[str, ...] = ()
    scoring: str = ""
    plugins: Mapping[str, Any] = field(default_factory=dict)
    has_folds: bool = False
    prediction_bytes: int = 0


@dataclass(frozen=True)
class RunRequest:
    """One run.

    Attributes
    ----------
    attempt
        ``SESSION.ATTEMPT``: what another session, or an earlier attempt, wrote of the same run is not its result.
    front
        Objective values of the best runs so far. A worker holds on to a run that none of them dominates, because it
        may be the one to keep.
    prediction_bytes
        How many bytes its validation predictions may take; 0: none are written.
    """

    number: int
    config: Mapping[str, Any]
    fingerprint: str
    folder: Path
    sweep: str
    attempt: str | None = None
    overrides: tuple[str, ...] = ()
    keep: Keep = "best"
    objectives: MetricDirections = ()
    front: tuple[tuple[float, ...], ...] = ()
    prunes: bool = False
    prediction_bytes: int = 0


@dataclass(frozen=True)
class AttemptResult:
    """How one attempt at a run ended.

    A worker returns it, or the driver makes it for a worker that died (`sweeps/attempts.py`); the "ended" event of the
    ledger holds it, and `RunState.result` is it again, read from there.

    Attributes
    ----------
    state
        "completed", "pruned", "failed", "stopped" or "interrupted".
    objectives
        Values of the sweep's objectives, of a completed run.
    kept
        Whether the run's model and predictions are saved.
    warnings
        Faults of plugins in this worker that it has not reported yet. They are not written to the ledger.
    retryable
        Whether the machine was at fault rather than the run, so that another attempt may succeed.
    suspends
        Why the sweep has to end and the run waits for the next session; None: it does not.
    """

    state: str
    reason: str | None = None
    seconds: float = 0.0
    error: Mapping[str, Any] | None = None
    objectives: tuple[float, ...] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    task: str | None = None
    kept: bool = False
    failed_gates: tuple[str, ...] = ()
    plugins: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = False
    suspends: Literal["interrupt", "disk"] | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: RunRecord, objectives: tuple[float, ...] | None, kept: bool) -> "AttemptResult":
        """Return the result that a run's record describes."""
        return cls(
            state=record.state,
            reason=record.reason,
            seconds=record.seconds or 0.0,
            error=record.error,
            # a run that was pruned or stopped may have validation metrics of an unfinished model
            objectives=objectives if record.state == "completed" else None,
            metrics=record.metrics,
            stages=record.stages,
            fingerprints=record.fingerprints,
            task=record.task,
            kept=kept,
            failed_gates=record.missed,
            plugins=record.plugins,
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "AttemptResult":
        """Return the result that an "ended" event of the ledger describes."""
        objectives = event.get("objectives")
        return cls(
            state=str(event["state"]),
            reason=event.get("reason"),
            seconds=float(event.get("seconds") or 0.0),
            error=event.get("error"),
            objectives=None if objectives is None else tuple(objectives),
            metrics=event.get("metrics") or {},
            stages=event.get("stages") or {},
            fingerprints=event.get("fingerprints") or {},
            task=event.get("task"),
            kept=bool(event.get("kept")),
            failed_gates=tuple(event.get("missed") or ()),
            plugins=event.get("plugins") or {},
        )

    def to_event(self) -> dict[str, Any]:
        """Return the keys of an "ended" event."""
        event: dict[str, Any] = {"state": self.state, "reason": self.reason}
        event |= {"seconds": self.seconds, "error": self.error}
        event |= {"objectives": self.objectives, "metrics": self.metrics, "stages": self.stages}
        event |= {"fingerprints": self.fingerprints, "task": self.task, "kept": self.kept}
        event |= {"missed": list(self.failed_gates)} if self.failed_gates else {}
        return event | ({"plugins": dict(self.plugins)} if self.plugins else {})


@dataclass(frozen=True)
class FinalizeRequest:
    """Keep a run that has ended: score it on the test split and save its model.

    A worker that does not hold the run returns None, unless it gets the request to `refit` it with.
    """

    number: int
    refit: RunRequest | None = None


def dominates(one: tuple[float, ...], other: tuple[float, ...], objectives: MetricDirections) -> bool:
    """Return whether `one` is at least as good as `other` in every objective; an equal one is."""
    pairs = zip(one, other, (direction for _, direction in objectives), strict=True)
    # an equal run counts as dominated, so that of equally good runs the first one stays the best
    return all(a >= b if direction == "maximize" else a <= b for a, b, direction in pairs)
