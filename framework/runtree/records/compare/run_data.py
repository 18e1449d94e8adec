"""The files of a run that a comparison needs: fold scores, sizes of the splits, predictions. Each is read once."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import first_line
from runtree.contract.types import RunRecord
from runtree.records.compare.configurations import RankingMetric
from runtree.records.reader import RunReader
from runtree.records.sealed import plain_source
from runtree.records.test_access import count_accesses

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.predictions import Predictions


class MissingDataError(Exception):
    """A file that a test needs is missing; the message names it."""


@dataclass
class RunData:
    """One run and the metric it is compared by."""

    record: RunRecord
    measure: RankingMetric

    @cached_property
    def reader(self) -> RunReader:
        """Return the reader of the run's files."""
        return RunReader(self.record.folder)

    @property
    def place(self) -> tuple[Any, Any]:
        """Return the fingerprints of the data and of the split."""
        return self.record.fingerprints.get("data"), self.record.fingerprints.get("split")

    @property
    def score(self) -> float:
        """Return the value of the metric."""
        return float(self.record.metrics[self.measure.part][self.measure.metric])

    @cached_property
    def folds(self) -> Sequence[float]:
        """Return the metric of each fold; empty if there are no folds, or the metric of one is missing."""
        values = [fold.get(self.measure.metric) for fold in self._fold_lines]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        return numbers if len(numbers) == len(values) > 1 else ()

    @cached_property
    def _fold_lines(self) -> Sequence[Mapping[str, Any]]:
        if self.measure.part != "validation":
            return ()
        folds = [fold for fold in self.reader.folds if isinstance(fold, Mapping)]
        # folds that run in parallel are written in the order in which they end
        return sorted(folds, key=lambda fold: fold["fold"] if isinstance(fold.get("fold"), int) else 0)

    @property
    def test_train_ratio(self) -> float | None:
        """Return the number of rows scored divided by that of rows fitted on, of one fold if there are folds.

        None if it is unknown. The corrected t test needs it.
        """
        if self.folds:
            return self._fold_ratio()
        scored, fitted = (self._count_rows(part) for part in (self.measure.part, "train"))
        return scored / fitted if scored and fitted else None

    def _fold_ratio(self) -> float | None:
        folds, config = self._fold_lines, self.record.config
        if all(isinstance(fold.get(key), int) for fold in folds for key in ("rows", "train_rows")):
            return float(sum(fold["rows"] for fold in folds) / sum(fold["train_rows"] for fold in folds))
        # without the rows of each fold: from the number of folds
        count = config.get("evaluator.folds")
        if not isinstance(count, int) or count < 2:
            return None
        kind = config.get("evaluator.kind", "auto")
        if "time" in (kind, config.get("data.split")) or (kind == "auto" and config.get("data.time")):
            return 2 / (count + 1)  # a fold is one of count + 1 blocks, and is fitted on half of them on average
        sizes = [fold["rows"] for fold in folds if isinstance(fold.get("rows"), int)]
        mean, total = sum(sizes) / max(len(sizes), 1), self._count_rows("train")
        return mean / (total - mean) if total and 0 < mean < total else 1 / (count - 1)

    def _count_rows(self, part: str) -> int | None:
        split = self.reader.data.get("split")
        count = split.get(part) if isinstance(split, Mapping) else None
        return count if isinstance(count, int) else None

    def read_predictions(self) -> "tuple[Predictions, Any]":
        """Return the predictions on the split, and the numbers of their rows in ascending order, shape (rows,).

        Raises
        ------
        MissingDataError
            The predictions were not kept, or cannot be read.
        """
        return self._predictions

    @cached_property
    def _predictions(self) -> "tuple[Predictions, Any]":
        from runtree.contract.predictions import read_predictions
        from runtree.records.validation_predictions import read_validation_predictions

        if self.measure.part == "validation" and self.reader.files.validation.is_file():
            try:
                return read_validation_predictions(self.reader.files.validation)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise MissingDataError(
                    f"predictions of {self.record.id} cannot be read ({first_line(error)})"
                ) from None
        frame = self._read_table().sort_values("row", kind="stable")
        target = self.reader.data.get("target")
        classes = tuple(target.get("classes") or ()) if isinstance(target, Mapping) else ()
        try:
            found = read_predictions(frame, classes)
            # the numbers of the classes, which is all that runs of a sweep keep of them
            return replace(found, classes=tuple(range(len(classes)))), frame["row"].to_numpy()
        except (KeyError, ValueError, TypeError):
            raise MissingDataError(f"predictions of {self.record.id} have other classes than its data") from None

    def _read_table(self) -> "pd.DataFrame":
        import pandas as pd

        file = self.reader.files.predictions
        if not file.is_file():
            raise MissingDataError(f"{self.record.id} has no predictions")
        try:
            frame = pd.read_parquet(plain_source(file), filters=[("part", "==", self.measure.part)])
        except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
            raise MissingDataError(f"predictions of {self.record.id} cannot be read ({first_line(error)})") from None
        if not len(frame) or not {"row", "y_true", "y_pred"} <= set(frame.columns):
            raise MissingDataError(f"{self.record.id} has no predictions on the {self.measure.part} split")
        return frame


def count_test_accesses(outputs: Path, records: Sequence[RunRecord]) -> Mapping[str, Any] | None:
    """Return how often the test set of these runs was used, the maximum of several; None if it was never counted."""
    recorded = [RunReader(record.folder).evaluation.get("test_looks") for record in records]
    rows = {str(usage["rows"]) for usage in recorded if isinstance(usage, Mapping) and "rows" in usage}
    counts = [count_accesses(outputs, digest) for digest in rows]
    most = max(counts, key=lambda usage: usage.count, default=None)
    return {"count": most.count, "configurations": most.configurations} if most and most.count else None
