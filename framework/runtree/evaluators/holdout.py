"""Score on rows held out: choose by the validation part, report the test part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.predictions import Predictions, apply_preprocessing, encode_target, predict
from runtree.contract.run import Run
from runtree.contract.types import Evaluation, Metric


@dataclass(frozen=True)
class Holdout:
    """Scores on the parts that are asked for, each once."""

    holds_out: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Score the run's model on each part of `run.scored_splits`."""
        answers = {part: predict_split(run, part) for part in run.scored_splits}
        rows = {part: run.split.rows(part) for part in answers}
        return Evaluation(
            metrics={part: found.values(metrics) for part, found in answers.items()},
            predictions=lambda: predictions_table([(found, rows[part], part) for part, found in answers.items()]),
        )


# --- A run's model asked about its parts.

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


def predictions_table(answers: "Sequence[tuple[Predictions, Array, str]]") -> "pd.DataFrame":
    """Return predictions of several parts as one table; each comes with its rows and the part's name."""
    import pandas as pd

    return pd.concat([found.frame(rows, part) for found, rows, part in answers], ignore_index=True)


def predict_split(run: Run, part: str) -> Predictions:
    """Ask a run's model about a part; runs that share data, split and preprocessing share the prepared rows."""
    place = (run.data.fingerprint, run.split.id, part)
    truth = run.cached("truth", place, lambda: encode_target(run.select(part)[1], run.data.classes))
    if run.preprocess_key is None:
        return predict(*apply_preprocessing(run.model, run.select(part)[0]), truth, run.data.classes)
    prepared = run.cached(
        "rows", (run.preprocess_key, part), lambda: apply_preprocessing(run.model, run.select(part)[0])[1]
    )
    return predict(run.model[-1], prepared, truth, run.data.classes)
