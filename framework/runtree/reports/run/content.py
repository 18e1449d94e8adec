"""The files of a run, read once for its page and its plots; each missing file is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from runtree.contract.predictions import Predictions, read_predictions
from runtree.contract.types import RunRecord
from runtree.records.cleanup import removed_artifacts
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader, read_json
from runtree.records.sealed import plain_source


@dataclass(frozen=True)
class RunContent:
    """A run as its files describe it.

    Attributes
    ----------
    record, data, environment, evaluation, folds, history
        The content of the files of these names; empty where there is none.
    missing
        A line for each file that is missing or cannot be read, with the reason.
    undefined
        Why a metric has no value: reasons by name, by split.
    """

    record: RunRecord
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    folds: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    missing: Sequence[str]
    undefined: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.record.folder)

    def result(self, name: str) -> Mapping[str, Any]:
        """Return a result of the evaluation that is a mapping; empty if it is missing or has another shape."""
        return _mapping(self.evaluation.get(name))

    def results(self, name: str) -> list[Mapping[str, Any]]:
        """Return a result of the evaluation that is a list of mappings; empty likewise."""
        return _mappings(self.evaluation.get(name))

    def data_entry(self, name: str) -> Mapping[str, Any]:
        """Return the entry of `data.json` on the target or the split."""
        return _mapping(self.data.get(name))

    @property
    def metric(self) -> str:
        """The metric that runs are ranked by; empty if the run did not get so far."""
        return str(self.record.objective.get("metric") or "")

    @property
    def maximized(self) -> bool:
        return self.record.objective.get("direction") != "minimize"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes as text, in the order of the data."""
        return tuple(map(str, self.data_entry("target").get("classes") or ()))

    @property
    def split(self) -> str:
        """The split whose scores count: test, or validation if the test set was not scored."""
        # a run of a sweep that was not kept has no test scores
        return "test" if self.record.metrics.get("test") else "validation"

    @property
    def interval(self) -> Mapping[str, Any]:
        """The ranked metric on the test set with its interval; empty without one."""
        interval = _mapping(self.result("intervals").get("test")).get(self.metric)
        # intervals are of the test split only, and must not stand beside a validation score
        return interval if self.split == "test" and isinstance(interval, Mapping) else {}

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        return self.results("findings")

    @property
    def advice(self) -> list[Mapping[str, Any]]:
        """Findings that need an action, those about baselines among them, warnings first."""
        of_baselines = [baseline.get("finding") for baseline in self.results("baselines")]
        findings = [finding for finding in [*of_baselines, *self.findings] if isinstance(finding, Mapping)]
        urgent = [finding for finding in findings if finding.get("advice") and finding.get("level") != "good"]
        return sorted(urgent, key=lambda finding: finding.get("level") != "warning")

    @cached_property
    def predictions(self) -> Predictions | None:
        """The predictions for the split that counts, with the classes as text; None if they were not kept.

        None as well if some are not finite: nothing can be drawn from them, and a finding says so.
        """
        import pandas as pd

        try:
            frame = pd.read_parquet(plain_source(self.folder.predictions))
        except (OSError, ValueError):
            return None
        # as text: the column may be stored as a category
        frame = frame[frame["part"].astype(str) == self.split]
        if self.classes:  # JSON keeps them as text
            frame = frame.assign(y_true=frame["y_true"].astype(str), y_pred=frame["y_pred"].astype(str))
        predictions = read_predictions(frame, self.classes) if len(frame) else None
        return predictions if predictions is not None and not predictions.not_finite else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def read_run_content(record: RunRecord) -> RunContent:
    folder = RunFolder(record.folder)
    missing: list[str] = []
    files: dict[str, Mapping[str, Any]] = {}
    # a missing file is a line of the page, because a reader must know that something is not shown
    for name in ("data", "evaluation", "metrics"):
        files[name], fault = read_json(getattr(folder, name))
        missing += [fault] if fault else []
    reader = RunReader(record.folder)
    environment, fault = reader.read_environment()
    missing += [fault] if fault else []
    folds = _mappings(files["metrics"].get("folds"))
    content = RunContent(
        record,
        files["data"],
        environment,
        files["evaluation"],
        folds,
        reader.history,
        (),
        _mapping(files["metrics"].get("undefined")),
    )
    return replace(content, missing=(*missing, *_missing_artifacts(folder)))


def _missing_artifacts(folder: RunFolder) -> list[str]:
    """Return a line for each missing artifact, which says whether it was kept at all."""
    removed = removed_artifacts(folder)
    names = [path.name for path in (folder.predictions, folder.model) if not path.exists()]
    reason = "was removed by runtree clean" if removed else "was not kept"
    return [f"{name} {reason if name in removed or not removed else 'is missing'}" for name in names]
