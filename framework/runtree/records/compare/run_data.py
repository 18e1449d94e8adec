"""What lies beside the records of compared runs: fold scores, sizes of parts, predictions. Each is read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.types import RunRecord
from runtree.records.compare.configurations import RankingMetric
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.test_access import count_accesses

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.predictions import Predictions


class MissingDataError(Exception):
    """What a test needs is not there; the text says what."""


@dataclass
class RunData:
    """What is known of one run beyond its record."""

    record: RunRecord
    measure: RankingMetric
    _answers: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[Any, Any]:
        """Return on which data and which rows of them the run was fitted and scored."""
        return self.record.fingerprints.get("data"), self.record.fingerprints.get("split")

    @property
    def score(self) -> float:
        """Return the run's value of the metric."""
        return float(self.record.metrics[self.measure.part][self.measure.metric])

    @cached_property
    def folds(self) -> Sequence[float]:
        """Return the metric of each fold; empty where there are no folds, or a fold has none."""
        found = [fold.get(self.measure.metric) for fold in self._folds]
        told = [float(value) for value in found if isinstance(value, int | float)]
        return told if len(told) == len(found) > 1 else ()

    @cached_property
    def _folds(self) -> Sequence[Mapping[str, Any]]:
        if self.measure.part != "validation":
            return ()
        found = [fold for fold in RunReader(self.record.folder).folds if isinstance(fold, Mapping)]
        return sorted(found, key=lambda fold: fold["fold"] if isinstance(fold.get("fold"), int) else 0)

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """Return what `data.json` tells."""
        return RunReader(self.record.folder).data

    @property
    def share(self) -> float | None:
        """Return rows scored on by rows fitted on, in one fold where there are folds; None where nothing tells."""
        if self.folds:
            return self._share_of_a_fold()
        scored, fitted = (self._rows(part) for part in (self.measure.part, "train"))
        return scored / fitted if scored and fitted else None

    def _share_of_a_fold(self) -> float | None:
        """Return it as the folds' own rows tell it, else as their number does."""
        if all(isinstance(fold.get(key), int) for fold in self._folds for key in ("rows", "train_rows")):
            return float(sum(fold["rows"] for fold in self._folds) / sum(fold["train_rows"] for fold in self._folds))
        every, config = self.record.config.get("evaluator.folds"), self.record.config
        if not isinstance(every, int) or every < 2:
            return None
        kind = config.get("evaluator.kind", "auto")
        if "time" in (kind, config.get("data.split")) or (kind == "auto" and config.get("data.time")):
            return 2 / (every + 1)  # a fold is one part of every + 1, and is fitted on half of them in the mean
        sizes = [fold["rows"] for fold in self._folds if isinstance(fold.get("rows"), int)]
        mean, whole = sum(sizes) / max(len(sizes), 1), self._rows("train")
        return mean / (whole - mean) if whole and 0 < mean < whole else 1 / (every - 1)

    def _rows(self, part: str) -> int | None:
        split = self.data.get("split")
        found = split.get(part) if isinstance(split, Mapping) else None
        return found if isinstance(found, int) else None

    def answers(self) -> "tuple[Predictions, Any]":
        """Return what the model answered on the part, and which rows of the data these are, in their order.

        Raises
        ------
        Unreadable
            The predictions were not kept, or cannot be read.
        """
        if not self._answers:
            frame = self._predictions().sort_values("row", kind="stable")
            self._answers["both"] = self._read(frame), frame["row"].to_numpy()
        found: tuple[Predictions, Any] = self._answers["both"]
        return found

    def _predictions(self) -> "pd.DataFrame":
        import pandas as pd

        file = RunFolder(self.record.folder).predictions
        if not file.is_file():
            raise MissingDataError(f"{self.record.id} kept no predictions")
        try:
            frame = pd.read_parquet(file, filters=[("part", "==", self.measure.part)])
        except (OSError, ValueError) as error:  # pyarrow's own errors are among them
            first = str(error).partition("\n")[0]
            raise MissingDataError(f"predictions of {self.record.id} cannot be read ({first})") from None
        if not len(frame) or not {"row", "y_true", "y_pred"} <= set(frame.columns):
            raise MissingDataError(f"{self.record.id} kept no predictions of the {self.measure.part} part")
        return frame

    def _read(self, frame: "pd.DataFrame") -> "Predictions":
        from runtree.contract.predictions import read_predictions

        target = self.data.get("target")
        classes = tuple(target.get("classes") or ()) if isinstance(target, Mapping) else ()
        try:
            return read_predictions(frame, classes)
        except (KeyError, ValueError, TypeError):
            raise MissingDataError(f"predictions of {self.record.id} are of other classes than its data") from None


def count_test_accesses(outputs: Path, records: Sequence[RunRecord]) -> Mapping[str, Any] | None:
    """Return how often test rows were looked at, of those of these runs for which it is most; None: nobody counted."""
    told = [RunReader(record.folder).evaluation.get("test_looks") for record in records]
    rows = {str(one["rows"]) for one in told if isinstance(one, Mapping) and "rows" in one}
    counted = [count_accesses(outputs, own) for own in rows]
    most = max(counted, key=lambda looks: looks.count, default=None)
    return {"count": most.count, "configurations": most.configurations} if most and most.count else None
