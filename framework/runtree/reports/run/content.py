"""All that a run's folder tells, read once; what is not there is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.contract.types import RunRecord
from runtree.records.cleanup import removed_artifacts
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader, read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunContent:
    """A run as its files tell it.

    Attributes
    ----------
    record, data, environment, evaluation, folds, history
        What the files of these names hold; empty where there is none.
    missing
        A line for each file that is not there or cannot be read, with the reason.
    """

    record: RunRecord
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    folds: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    missing: Sequence[str]

    @property
    def folder(self) -> RunFolder:
        """Return the run's folder."""
        return RunFolder(self.record.folder)

    def one(self, question: str) -> Mapping[str, Any]:
        """Return an answer of the evaluation that is one thing; empty where there is none, or of another shape."""
        return _mapping(self.evaluation.get(question))

    def each(self, question: str) -> list[Mapping[str, Any]]:
        """Return an answer of the evaluation that is a list of things."""
        return _mappings(self.evaluation.get(question))

    def of_data(self, name: str) -> Mapping[str, Any]:
        """Return what `data.json` tells of the target or the split."""
        return _mapping(self.data.get(name))

    @property
    def metric(self) -> str:
        """Return the metric that the run is ranked by; empty where it did not come so far."""
        return str(self.record.objective.get("metric") or "")

    @property
    def maximized(self) -> bool:
        """Tell whether more of that metric is better."""
        return self.record.objective.get("direction") != "minimize"

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes as text, in the order of the data."""
        return tuple(map(str, self.of_data("target").get("classes") or ()))

    @property
    def part(self) -> str:
        """Return the part whose scores count: test, or validation where the test part was not scored."""
        return "test" if self.record.metrics.get("test") else "validation"

    @property
    def interval(self) -> Mapping[str, Any]:
        """Return the ranked metric on the test part with its interval; empty without one."""
        found = _mapping(self.one("intervals").get("test")).get(self.metric)
        return found if self.part == "test" and isinstance(found, Mapping) else {}

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """Return what the diagnosis found wrong, or right."""
        return self.each("findings")

    @property
    def advised(self) -> list[Mapping[str, Any]]:
        """Return every finding that comes with advice, the most serious first; those about baselines among them."""
        against = [one.get("finding") for one in self.each("baselines")]
        told = [one for one in [*against, *self.findings] if isinstance(one, Mapping) and one.get("advice")]
        return sorted(
            (one for one in told if one.get("level") != "good"), key=lambda one: one.get("level") != "warning"
        )

    @cached_property
    def answers(self) -> Predictions | None:
        """Return what the model answered on the part that counts; None where that is not kept."""
        frame = self._predictions
        if frame is None:
            return None
        own = frame[frame["part"].astype(str) == self.part]
        return _answers(own, self.classes) if len(own) else None

    @cached_property
    def _predictions(self) -> "pd.DataFrame | None":
        import pandas as pd

        try:
            return pd.read_parquet(self.folder.predictions)
        except (OSError, ValueError):
            return None


def _answers(frame: "pd.DataFrame", classes: tuple[str, ...]) -> Predictions:
    """Return answers with the classes as text, as JSON keeps them."""
    if not classes:
        return Predictions(frame["y_true"].to_numpy(dtype=float), frame["y_pred"].to_numpy(dtype=float), None, ())
    known = {name: code for code, name in enumerate(classes)}
    true, predicted = (frame[name].astype(str).map(known).to_numpy(dtype=int) for name in ("y_true", "y_pred"))
    names = [f"p_{name}" for name in classes]
    score = frame[names].to_numpy(dtype=float) if set(names) <= set(frame.columns) else None
    return Predictions(true, predicted, score, classes)


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def read_run_content(record: RunRecord) -> RunContent:
    """Read the folder of a run."""
    folder = RunFolder(record.folder)
    missing: list[str] = []
    found: dict[str, Mapping[str, Any]] = {}
    for name in ("data", "evaluation", "metrics"):
        found[name], fault = read_json(getattr(folder, name))
        missing += [fault] if fault else []
    environment, fault = RunReader(record.folder).read_environment()
    missing += [fault] if fault else []
    folds = _mappings(found["metrics"].get("folds"))
    facts = RunContent(
        record, found["data"], environment, found["evaluation"], folds, RunReader(record.folder).history, ()
    )
    return replace(facts, missing=(*missing, *_heavy(folder)))


def _heavy(folder: RunFolder) -> list[str]:
    """Say of the heavy leaves that are not there whether somebody removed them."""
    gone = removed_artifacts(folder)
    names = [path.name for path in (folder.predictions, folder.model) if not path.exists()]
    told = "was removed by runtree clean" if gone else "was not kept"
    return [f"{name} {told if name in gone or not gone else 'is not there'}" for name in names]
