"""Score on held-out rows: models are chosen by the validation split, the test split is reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtree.contract.predictions import Predictions, apply_preprocessing, encode_target, predict, predict_table
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, Evaluation, Metric

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
        streamed = [split for split in run.scored_splits if is_streamed(run, split)]
        predictions: dict[str, Predictions] = predict_streamed(run, streamed) if streamed else {}
        predictions = {split: predictions.get(split) or predict_split(run, split) for split in run.scored_splits}
        rows = {split: scored_rows(run, split) for split in predictions}
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
    if is_streamed(run, split):
        return predict_streamed(run, [split])[split]
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


# --- Of a table that is larger than memory all held-out rows are predicted, and of the train rows those in memory.


def is_streamed(run: Run, split: str) -> bool:
    """Return whether the rows of a split are read from files to be predicted."""
    return run.data.streamed is not None and split != "train"


def scored_rows(run: Run, split: str) -> "Array":
    """Return the row numbers, in the whole table, of the rows of a split that are predicted."""
    return run.split.numbers(split) if is_streamed(run, split) else run.data.numbers(run.split.rows(split))


def predict_streamed(run: Run, splits: Sequence[str]) -> dict[str, Predictions]:
    """Predict all rows of some splits in one reading; of each row its target and its predictions stay in memory."""
    import numpy as np

    names, target, classes = list(run.data.features.columns), str(run.data.target.name), run.data.classes
    numbers, made = [], []
    for some, frame in run.data.streamed.rows_of(run.split, splits):
        numbers.append(some)
        made.append(predict_table(run.model, frame[names], frame[target], classes))
    score = None if made[0].score is None else np.concatenate([each.score for each in made if each.score is not None])
    whole = Predictions(
        np.concatenate([each.y_true for each in made]), np.concatenate([each.y_pred for each in made]), score, classes
    )
    assert run.split.sides is not None
    sides = run.split.sides[np.concatenate(numbers)]
    return {split: whole.take(sides == SPLITS.index(split)) for split in splits}
