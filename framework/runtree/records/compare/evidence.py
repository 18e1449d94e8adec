"""What lies beside the records of compared runs: fold scores, sizes of parts, predictions. Each is read once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.types import RunRecord
from runtree.records import contents
from runtree.records.compare.measure import Measure
from runtree.records.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from runtree.contract.answers import Answers


class Unreadable(Exception):
    """What a test needs is not there; the text says what."""


@dataclass
class Evidence:
    """What is known of one run beyond its record."""

    record: RunRecord
    measure: Measure
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
        if self.measure.part != "validation":
            return ()
        found = [fold.get(self.measure.metric) for fold in contents.folds(self.record) if isinstance(fold, Mapping)]
        told = [float(value) for value in found if isinstance(value, int | float)]
        return told if len(told) == len(found) > 1 else ()

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """Return what `data.json` tells."""
        return contents.data(self.record)

    @property
    def share(self) -> float | None:
        """Return rows scored on by rows fitted on, in one fold where there are folds; None where nothing tells."""
        if self.folds:
            lines = contents.folds(self.record)
            if all(isinstance(line.get(key), int) for line in lines for key in ("rows", "train_rows")):
                return float(sum(line["rows"] for line in lines) / sum(line["train_rows"] for line in lines))
            every = self.record.config.get("evaluator.folds")
            return 1 / (every - 1) if isinstance(every, int) and every > 1 else None
        scored, fitted = (self._rows(part) for part in (self.measure.part, "train"))
        return scored / fitted if scored and fitted else None

    def _rows(self, part: str) -> int | None:
        split = self.data.get("split")
        found = split.get(part) if isinstance(split, Mapping) else None
        return found if isinstance(found, int) else None

    def answers(self) -> "tuple[Answers, Any]":
        """Return what the model answered on the part, and which rows of the data these are, in their order.

        Raises
        ------
        Unreadable
            The predictions were not kept, or cannot be read.
        """
        if not self._answers:
            frame = self._predictions().sort_values("row", kind="stable")
            self._answers["both"] = self._read(frame), frame["row"].to_numpy()
        found: tuple[Answers, Any] = self._answers["both"]
        return found

    def _predictions(self) -> "pd.DataFrame":
        import pandas as pd

        file = RunFolder(self.record.folder).predictions
        if not file.is_file():
            raise Unreadable(f"{self.record.id} kept no predictions")
        try:
            frame = pd.read_parquet(file, filters=[("part", "==", self.measure.part)])
        except (OSError, ValueError) as error:  # pyarrow's own errors are among them
            first = str(error).partition("\n")[0]
            raise Unreadable(f"predictions of {self.record.id} cannot be read ({first})") from None
        if not len(frame) or not {"row", "y_true", "y_pred"} <= set(frame.columns):
            raise Unreadable(f"{self.record.id} kept no predictions of the {self.measure.part} part")
        return frame

    def _read(self, frame: "pd.DataFrame") -> "Answers":
        from runtree.contract.answers import read_answers

        target = self.data.get("target")
        classes = tuple(target.get("classes") or ()) if isinstance(target, Mapping) else ()
        try:
            return read_answers(frame, classes)
        except (KeyError, ValueError, TypeError):
            raise Unreadable(f"predictions of {self.record.id} are of other classes than its data") from None


def looks_at_test(records: Sequence[RunRecord]) -> int | None:
    """Return how often the test rows of runs were looked at, as the one that counted last tells; None: nobody did."""
    counts = [found for record in records if (found := _looks(record)) is not None]
    return max(counts, default=None)


def _looks(record: RunRecord) -> int | None:
    try:
        found = json.loads(RunFolder(record.folder).evaluation.read_bytes())["test_looks"]["count"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found if isinstance(found, int) else None
