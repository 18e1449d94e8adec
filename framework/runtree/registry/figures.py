"""Figures of a registered version that its gate may bound, some beside the version before it on the same rows."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RequestError
from runtree.contract.model_version import ModelVersion
from runtree.contract.predictions import Predictions, read_predictions
from runtree.contract.protocols import Hooks
from runtree.contract.types import Metric, RunRecord
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.record import read_record
from runtree.records.sealed import plain_source
from runtree.statistics.metrics import FIT_SECONDS, catalogue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

CHANGES = ("change", "change.low", "change.high", "change.relative")
HELD_OUT = ("held_out", "held_out.low", "held_out.high", "held_out.relative")
COMPARED = CHANGES + HELD_OUT
FACTS = ("latency_ms", "size_mb", "fairness_gap", FIT_SECONDS)
NEW = "new"  # in the place of a split: the labelled rows that were named
NAME_ROWS = "name labelled rows: --data FILE"
LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
TIMED_CALLS = 30


@dataclass(frozen=True)
class ScoredRows:
    """The predictions of a version, and of the one that it is compared with, for the same labelled rows.

    Attributes
    ----------
    number, other
        Which versions; a first one has no other.
    about
        Which rows these are.
    groups
        The group of each row; None if the rows are independent.
    fairness
        What `evaluator.fairness` measures of the version on these rows.
    notes
        Why that is not known.
    """

    number: int
    other: int | None
    predictions: Predictions
    others: Predictions | None
    about: str
    groups: "Array | None" = None
    fairness: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class GateRows:
    """Labelled rows that a version and the one before it are scored on, when a condition asks for it.

    Attributes
    ----------
    newest
        Those that were named: None if none were, and a sentence if they cannot be used.
    held_out
        Those that the version before had held out, and that neither was made with.
    """

    newest: Callable[[ModelVersion, ModelVersion | None], ScoredRows | str | None]
    held_out: Callable[[ModelVersion, ModelVersion], ScoredRows | str]


@dataclass(frozen=True)
class Figures:
    """The figures that conditions of the gate may bound, each computed when it is asked for.

    `measured` are earlier comparisons of the two, for versions that share no rows now.
    """

    version: ModelVersion
    other: ModelVersion | None
    hooks: Hooks
    rows: GateRows | None = None
    trust: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> tuple[float | None, str]:
        """Return a figure, None if it is not known, and then the reason."""
        if name in COMPARED:
            change, end = self.change if name in CHANGES else self.held_out, name.partition(".")[2]
            return change.get(end or "value"), str(change.get("note") or "")
        computed: Mapping[str, Callable[[], tuple[float | None, str]]] = {
            "latency_ms": self._latency,
            "size_mb": lambda: (_folder_bytes(RunFolder(self.version.folder).model) / 1e6, ""),
            "fairness_gap": self._fairness_gap,
            FIT_SECONDS: lambda: (self.record.stages.get("fit"), ""),
        }
        if name in computed:
            return computed[name]()
        return self._metric(name)

    @cached_property
    def record(self) -> RunRecord:
        """The record of the run that trained the version."""
        return read_record(RunFolder(self.version.folder))

    @cached_property
    def scored(self) -> ScoredRows | str | None:
        """The predictions for the rows that were named."""
        found = self.rows.newest(self.version, self.other) if self.rows else None
        numbers = self.version.number, self.other.number if self.other else None
        # of a version that is not the present one any more they say nothing
        return found if not isinstance(found, ScoredRows) or (found.number, found.other) == numbers else None

    @cached_property
    def change(self) -> dict[str, Any]:
        """What the version gains over the other one in the ranking metric, on the same rows: see `change_on`."""
        if isinstance(self.scored, ScoredRows):
            return self.change_on(self.scored)
        if isinstance(self._shared, ScoredRows):
            return self.change_on(self._shared)
        if "change" in self.measured:
            return dict(self.measured["change"])
        if self.scored is None and isinstance(self._old, ScoredRows):
            return self.change_on(self._old)
        why = self.scored or f"{self._shared}{f'; {self._old}' if self._old else ''}; {NAME_ROWS}"
        return {"metric": self.metric.name, "note": why}

    @cached_property
    def held_out(self) -> dict[str, Any]:
        """The same on the rows that the other version had held out."""
        found = self._shared if isinstance(self._shared, ScoredRows) else self._old
        if isinstance(found, ScoredRows):
            return self.change_on(found)
        return dict(self.measured.get("held_out") or {"metric": self.metric.name, "note": self._old or self._shared})

    def change_on(self, scored: ScoredRows) -> dict[str, Any]:
        """Return the gain of the version in the ranking metric on some rows: above 0 is better.

        `relative` is the gain as a share of the other's score; of a score of 0 any gain is infinite.
        """
        from runtree.statistics.paired_test import compare_predictions

        metric, own, others = self.metric, scored.predictions, scored.others
        assert others is not None
        if metric.needs == "probability" and (own.score is None or others.score is None):
            note = f"a version has no probabilities, and {metric.name} needs them"
            return {"metric": metric.name, "note": note}
        comparison = compare_predictions(own, others, metric, RESAMPLES, LEVEL, SEED, scored.groups)
        sign = 1.0 if self._direction == "maximize" else -1.0
        ends = sorted((sign * comparison.low, sign * comparison.high))
        gain, reference = sign * comparison.value, others.values([metric]).get(metric.name, math.nan)
        relative = gain / abs(reference) if reference else math.copysign(math.inf, gain) if gain else 0.0
        return {
            "metric": metric.name,
            "value": gain,
            "low": ends[0] if math.isfinite(ends[0]) else gain,
            "high": ends[1] if math.isfinite(ends[1]) else gain,
            "relative": relative,
            "rows": scored.about,
            "method": comparison.method,
            **({"note": comparison.note} if comparison.note else {}),
        }

    def value_on(self, scored: ScoredRows, name: str | None = None) -> float | None:
        """Return a metric of the version on some rows, by default the ranking one; None if it cannot be computed."""
        return scored.predictions.value(self._known[name] if name else self.metric)

    @cached_property
    def _known(self) -> Mapping[str, Metric]:
        return catalogue(self.hooks.contributions("register_metrics"))

    @property
    def metric(self) -> Metric:
        """The metric by which the run was ranked."""
        name = str(self.record.objective.get("metric"))
        if name not in self._known:
            raise RequestError(f"{self.version.reference}: no installed plugin has its metric '{name}'")
        return self._known[name]

    @property
    def _direction(self) -> str:
        return str(self.record.objective.get("direction") or self.metric.direction)

    @cached_property
    def _shared(self) -> ScoredRows | str:
        """The test rows, if they are those of both versions."""
        assert self.other is not None
        other = read_record(RunFolder(self.other.folder))
        for key, what in (("data", "other data"), ("split", "other test rows")):
            if self.record.fingerprints.get(key) != other.fingerprints.get(key):
                return f"version {self.other.number} was scored on {what}"
        rows = [_test_rows(version) for version in (self.version, self.other)]
        own, others = (
            _test_predictions(version, table) for version, table in zip((self.version, self.other), rows, strict=True)
        )
        if own is None or others is None:
            return "a version kept no predictions"
        groups = rows[0]["group"].to_numpy() if rows[0] is not None and "group" in rows[0] else None
        about = f"the {len(own.y_true):,} test rows of both"
        return ScoredRows(self.version.number, self.other.number, own, others, about, groups)

    @cached_property
    def _old(self) -> ScoredRows | str:
        """The rows that the other version had held out."""
        return self.rows.held_out(self.version, self.other) if self.rows and self.other else ""

    def _metric(self, name: str) -> tuple[float | None, str]:
        """Return ``test.f1``, or the end of its interval ``test.f1.low``."""
        split, _, rest = name.partition(".")
        metric, _, end = rest.partition(".")
        if split == NEW:
            if not isinstance(self.scored, ScoredRows):
                return None, self.scored or NAME_ROWS
            value = self.value_on(self.scored, rest) if rest in self._known else None
            return value, "" if value is not None else "no such metric of these rows"
        if not end:
            value = self.record.metrics.get(split, {}).get(metric)
            return value, "" if value is not None else f"the run was not scored by it on {split}"
        intervals = self._evaluation.get("intervals") or {}
        value = intervals.get(split, {}).get(metric, {}).get(end)
        return value, "" if value is not None else "the run has no such interval"

    @cached_property
    def _evaluation(self) -> dict[str, Any]:
        return RunReader(self.version.folder).evaluation

    def _fairness_gap(self) -> tuple[float | None, str]:
        """Return the largest gap between groups: on the labelled rows that were named, else as the run measured it."""
        scored = self.scored if isinstance(self.scored, ScoredRows) else None
        unknown = "the run measured none: evaluator.fairness.columns=[COLUMN]"
        gaps = [
            float(gap["value"])
            for column in (self._evaluation.get("fairness") if scored is None else scored.fairness) or ()
            for gap in column.get("gaps") or ()
            if gap.get("kind") == "difference" and isinstance(gap.get("value"), (int, float))
        ]
        return (max(gaps), "") if gaps else (None, "; ".join(scored.notes if scored else ()) or unknown)

    def _latency(self) -> tuple[float | None, str]:
        """Return the median milliseconds of a prediction for one row, on this machine now."""
        from runtree.lifecycle.predict import load_predictor, typical_row

        trusted = [name for _, name in self.hooks.contributions("trusted_types")]
        predictor = load_predictor(RunFolder(self.version.folder), self.hooks, (*trusted, *self.trust))
        row = typical_row(predictor)
        seconds = []
        for _ in range(TIMED_CALLS):
            began = time.perf_counter()
            predictor.predict(row)
            seconds.append(time.perf_counter() - began)
        return 1000 * sorted(seconds)[TIMED_CALLS // 2], ""


def _test_rows(version: ModelVersion) -> "pd.DataFrame | None":
    import pandas as pd

    file = RunFolder(version.folder).predictions
    if not file.is_file():
        return None
    table = pd.read_parquet(plain_source(file))
    return table[table["part"] == "test"].sort_values("row")  # so that both versions have the rows in one order


def _test_predictions(version: ModelVersion, rows: "pd.DataFrame | None") -> Predictions | None:
    if rows is None or rows.empty:
        return None
    classes = (RunReader(version.folder).data.get("target") or {}).get("classes") or ()
    return read_predictions(rows, tuple(classes))


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
