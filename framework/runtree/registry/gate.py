"""The gate before a protected alias moves: bounds of the policy, and a comparison with the version it means now."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, RequestError
from runtree.contract.expression import Bound, parse
from runtree.contract.model_version import ModelVersion
from runtree.contract.predictions import Predictions, read_predictions
from runtree.contract.protocols import Hooks
from runtree.contract.types import SPLITS, Metric, RunRecord
from runtree.records.layout import RunFolder
from runtree.records.model_versions import RegisteredModel
from runtree.records.reader import RunReader
from runtree.records.record import read_record
from runtree.records.sealed import plain_source
from runtree.statistics.metrics import FIT_SECONDS, catalogue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

PATH = "policy.require"
# where the policy has no bound on the change, a version that replaces another must not be worse beyond chance
NOT_WORSE = "change.high >= 0"
LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
CHANGES = ("change", "change.low", "change.high", "change.relative")
FACTS = ("latency_ms", "size_mb", "fairness_gap", FIT_SECONDS)
TIMED_CALLS = 30
SAME_ROWS = "name labelled rows for both: --data FILE"
POSSIBLE = (
    "possible: SPLIT.METRIC, test.METRIC.low, change, change.low, change.relative, fairness_gap, latency_ms, size_mb",
    'for example: require=\'["test.f1 >= 0.9","change.low > 0","latency_ms < 20"]\'',
)


@dataclass(frozen=True)
class ScoredRows:
    """The predictions of two versions, by number, for the same labelled rows.

    Attributes
    ----------
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
    other: int
    predictions: Predictions
    others: Predictions
    about: str
    groups: "Array | None" = None
    fairness: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Requirement:
    """A bound of the policy as it was typed, and as it was parsed."""

    text: str
    bound: Bound


def parse_requirement(text: str) -> Requirement:
    """Parse ``change.low > 0``.

    Raises
    ------
    ConfigError
        It is no bound, or names a figure that the gate does not know.
    """
    bound = parse(str(text), source=PATH, error=ConfigError).bound
    if bound is None:
        raise ConfigError(f"{PATH}: '{text}' is not a bound", *POSSIBLE)
    split, _, rest = bound.name.partition(".")
    if bound.name not in (*CHANGES, *FACTS) and not (split in SPLITS and rest):
        raise ConfigError(f"{PATH}: the gate knows no '{bound.name}'", *POSSIBLE)
    return Requirement(str(text).strip(), bound)


def check_gate(
    model: RegisteredModel,
    version: ModelVersion,
    alias: str,
    hooks: Hooks,
    scored: ScoredRows | None = None,
    trust: Iterable[str] = (),
    also: Iterable[str] = (),
) -> dict[str, Any]:
    """Return each condition of the policy with its value, and whether all are met.

    Parameters
    ----------
    also
        Further conditions.
    scored
        Predictions of both versions on new rows; without them the test rows of both count, if they are the same, else
        what the log has of an earlier comparison of the two.
    trust
        The types that the model may hold besides those of runtree and of plugins.
    """
    present = model.aliases.get(alias)
    other = model.versions[present] if present is not None else None
    # of a version that is not the present one any more they say nothing
    fitting = (
        scored if other is not None and scored and (scored.number, scored.other) == (version.number, present) else None
    )
    figures = Figures(version, other, hooks, fitting, tuple(trust), _measured(model, version, present))
    conditions = [parse_requirement(text) for text in (*model.policy.require, *also)]
    if other is not None and not any(condition.bound.name in CHANGES for condition in conditions):
        conditions.append(parse_requirement(NOT_WORSE))
    if other is None:
        # nothing to compare with: the first champion is the best there is
        conditions = [condition for condition in conditions if condition.bound.name not in CHANGES]
    results = [_check(condition, figures) for condition in conditions]
    failed = [result["reason"] for result in results if not result["passed"]]
    met = ", ".join(str(result["condition"]) for result in results)
    explanation = "; ".join(failed) or (f"met: {met}" if results else "no condition is set")
    gate: dict[str, Any] = {"passed": not failed, "conditions": results, "explanation": explanation}
    if other is not None:
        gate["present"] = other.number
        if any(condition.bound.name in CHANGES for condition in conditions):
            gate["change"] = figures.change
    return gate


def _measured(model: RegisteredModel, version: ModelVersion, present: int | None) -> Mapping[str, Any] | None:
    """Return the change between two versions that the log has, None if they were never compared."""
    gates = [entry["gate"] for entry in model.entries if entry["act"] == "gate" and entry["version"] == version.number]
    changes = [gate["change"] for gate in gates if gate.get("present") == present and "change" in gate]
    return next((change for change in reversed(changes) if "value" in change), None)


def _check(condition: Requirement, figures: "Figures") -> dict[str, Any]:
    bound = condition.bound
    value, why = figures.value(bound.name)
    passed = bound.holds(value)
    shown = f"{value:.4g}" if value is not None and math.isfinite(value) else f"not known ({why or 'no such figure'})"
    reason = "" if passed else f"{bound.name} is {shown}, required {bound.operator} {bound.limit:g}"
    return {"condition": condition.text, "value": value, "passed": passed, "reason": reason}


@dataclass(frozen=True)
class Figures:
    """The figures that conditions of the gate may bound, each computed when it is asked for.

    `measured` is an earlier `change` of the two, for versions that share no rows now.
    """

    version: ModelVersion
    other: ModelVersion | None
    hooks: Hooks
    scored: ScoredRows | None = None
    trust: tuple[str, ...] = ()
    measured: Mapping[str, Any] | None = None

    def value(self, name: str) -> tuple[float | None, str]:
        """Return a figure, None if it is not known, and then the reason."""
        if name in CHANGES:
            key = name.partition(".")[2] or "value"
            return self.change.get(key), str(self.change.get("note") or "")
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
    def change(self) -> dict[str, Any]:
        """What the version gains over the other one in the ranking metric, on the same rows: above 0 is better.

        `relative` is the gain as a share of the other's score; of a score of 0 any gain is infinite.
        """
        from runtree.statistics.paired_test import compare_predictions

        assert self.other is not None
        metric, direction = self._objective()
        found = self._predictions(metric)
        if isinstance(found, str):
            return dict(self.measured or {"metric": metric.name, "note": found})
        own, others, about = found
        groups = self._groups() if self.scored is None else self.scored.groups
        comparison = compare_predictions(own, others, metric, RESAMPLES, LEVEL, SEED, groups)
        sign = 1.0 if direction == "maximize" else -1.0
        ends = sorted((sign * comparison.low, sign * comparison.high))
        gain, reference = sign * comparison.value, others.values([metric]).get(metric.name, math.nan)
        relative = gain / abs(reference) if reference else math.copysign(math.inf, gain) if gain else 0.0
        return {
            "metric": metric.name,
            "value": gain,
            "low": ends[0] if math.isfinite(ends[0]) else gain,
            "high": ends[1] if math.isfinite(ends[1]) else gain,
            "relative": relative,
            "rows": about,
            "method": comparison.method,
            **({"note": comparison.note} if comparison.note else {}),
        }

    def _objective(self) -> tuple[Metric, str]:
        known = catalogue(self.hooks.contributions("register_metrics"))
        name = str(self.record.objective.get("metric"))
        if name not in known:
            raise RequestError(f"{self.version.reference}: no installed plugin has its metric '{name}'")
        return known[name], str(self.record.objective.get("direction") or known[name].direction)

    def _predictions(self, metric: Metric) -> tuple[Predictions, Predictions, str] | str:
        """Return the predictions of both on the same rows and what rows these are, or why there are none."""
        assert self.other is not None
        if self.scored is not None:
            return self._with_scores(metric, self.scored.predictions, self.scored.others, self.scored.about)
        other = read_record(RunFolder(self.other.folder))
        for key, what in (("data", "other data"), ("split", "other test rows")):
            if self.record.fingerprints.get(key) != other.fingerprints.get(key):
                return f"version {self.other.number} was scored on {what}; {SAME_ROWS}"
        tables = [_test_predictions(version) for version in (self.version, self.other)]
        if any(table is None for table in tables):
            return f"a version kept no predictions; {SAME_ROWS}"
        own, others = tables
        assert own is not None and others is not None
        return self._with_scores(metric, own, others, f"the {len(own.y_true):,} test rows of both")

    def _groups(self) -> "Array | None":
        """Return the group of each test row, None if the rows are independent."""
        rows = _test_rows(self.version)
        groups: Array | None = rows["group"].to_numpy() if rows is not None and "group" in rows else None
        return groups

    def _with_scores(
        self, metric: Metric, own: Predictions, others: Predictions, about: str
    ) -> tuple[Predictions, Predictions, str] | str:
        if metric.needs == "probability" and (own.score is None or others.score is None):
            return f"a version has no probabilities, and {metric.name} needs them"
        return own, others, about

    def _metric(self, name: str) -> tuple[float | None, str]:
        """Return ``test.f1``, or the end of its interval ``test.f1.low``."""
        split, _, rest = name.partition(".")
        metric, _, end = rest.partition(".")
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
        scored, unknown = self.scored, "the run measured none: evaluator.fairness.columns=[COLUMN]"
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


def _test_predictions(version: ModelVersion) -> Predictions | None:
    rows = _test_rows(version)
    if rows is None or rows.empty:
        return None
    classes = (RunReader(version.folder).data.get("target") or {}).get("classes") or ()
    return read_predictions(rows, tuple(classes))


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
