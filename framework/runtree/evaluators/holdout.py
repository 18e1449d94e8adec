"""Score on held-out rows: models are chosen by the validation split, the test split is reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.predictions import Predictions, apply_preprocessing, encode_target, predict
from runtree.contract.run import Run
from runtree.contract.types import Evaluation, Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Holdout:
    """Scores the run's model on each split in `run.scored_splits`."""

    holds_out: ClassVar[bool] = True

    def evaluate(self, run: Run, metrics: Sequence[Metric]) -> Evaluation:
        """Return metrics and predictions of each split."""
        predictions = {split: predict_split(run, split) for split in run.scored_splits}
        rows = {split: run.split.rows(split) for split in predictions}
        return Evaluation(
            metrics={split: predicted.values(metrics) for split, predicted in predictions.items()},
            # deferred: the table is built for the few runs of a sweep that are kept
            predictions=lambda: predictions_table(
                [(predicted, rows[split], split) for split, predicted in predictions.items()]
            ),
            validation=predictions.get("validation"),
        )


def predictions_table(predictions: "Sequence[tuple[Predictions, Array, str]]") -> "pd.DataFrame":
    """Return one table of the predictions of several splits, each given with its rows and name."""
    import pandas as pd

    return pd.concat([predicted.frame(rows, split) for predicted, rows, split in predictions], ignore_index=True)


def predict_split(run: Run, split: str) -> Predictions:
    """Predict a split with the run's model.

    Preprocessed rows are cached: in a sweep, often only the algorithm differs between runs.
    """
    # the classes, because their order, which `data.positive` changes, decides the codes
    key = (run.data.fingerprint, run.data.classes, run.split.id, split)
    # keyed without the preprocessing: the runs of a sweep share the encoded target even where their features differ
    y_true = run.cached("truth", key, lambda: encode_target(run.select(split)[1], run.data.classes))
    # a run whose pipeline does not come from the stage fit: nothing says when two of its preprocessings are equal
    if run.preprocess_key is None:
        return predict(*apply_preprocessing(run.model, run.select(split)[0]), y_true, run.data.classes)
    rows = run.cached(
        "rows", (run.preprocess_key, split), lambda: apply_preprocessing(run.model, run.select(split)[0])[1]
    )
    return predict(run.model[-1], rows, y_true, run.data.classes)
