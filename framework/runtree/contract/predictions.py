"""Predictions of a fitted model for some rows, and the metrics computed from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MANY_ROWS = 10_000  # from which on distinct labels are looked up, and not each row's
NEARLY_ZERO = 1e-9  # of the largest value: a quotient by less says nothing of it


@dataclass(frozen=True)
class Predictions:
    """Targets and predictions of some rows.

    Attributes
    ----------
    y_true, y_pred
        Shape (rows,). For classification positions in `classes`, for regression floats.
    score
        Probabilities of shape (rows, classes), or None if the model gives none.
    classes
        The class labels of the data, in its order; empty for regression.
    """

    y_true: "Array"
    y_pred: "Array"
    score: "Array | None"
    classes: tuple[Any, ...]

    @cached_property
    def not_finite(self) -> int:
        """The number of rows whose predicted value, or one of whose probabilities, is NaN or infinite."""
        import numpy as np

        predicted = self.score if self.classes else self.y_pred
        if predicted is None:
            return 0
        finite = np.isfinite(predicted)
        return 0 if finite.all() else int((~finite.reshape(len(predicted), -1)).any(axis=1).sum())

    def undefined_reason(self, metric: Metric) -> str:
        """Return why a metric has no finite value for these rows."""
        rows, of_scores = len(self.y_true), bool(self.classes) and metric.needs == "probability"
        if of_scores and self.score is None:
            return "the model predicts no probabilities"
        if self.not_finite and (of_scores or not self.classes):
            kind = "probabilities" if self.classes else "predictions"
            return f"the {kind} of {self.not_finite:,} of {rows:,} rows are not finite"
        if metric.name == "mape" and (zeros := int((abs(self.y_true) <= NEARLY_ZERO * abs(self.y_true).max()).sum())):
            return f"it divides by the target, which is 0, or nearly, in {zeros:,} of {rows:,} rows"
        absent = [self.classes[code] for code in sorted({*range(len(self.classes))} - {*self.y_true.tolist()})]
        if absent:
            return f"no row of class {absent[0]!r}" + (f", nor of {len(absent) - 1} more" if len(absent) > 1 else "")
        return "a single row" if rows == 1 else f"its value is not finite on these {rows:,} rows"

    def value(self, metric: Metric) -> float | None:
        """Return a metric; None if it needs probabilities and the model gives none.

        NaN where predictions are not finite: some metrics raise then, and others leave out the row or rank it last.
        """
        if not self.classes:
            return math.nan if self.not_finite else metric.function(self.y_true, self.y_pred)
        # all classes of the data, so that a split or resample that lacks one is averaged over the same number of
        # classes
        labels = range(len(self.classes))
        if metric.needs == "prediction":
            return metric.function(self.y_true, self.y_pred, labels=labels)
        if self.score is None or self.not_finite:
            return None if self.score is None else math.nan
        # scikit-learn's binary metrics take the probability of the positive class, the second in the data's order
        y_proba = self.score[:, 1] if len(self.classes) == 2 else self.score
        return metric.function(self.y_true, y_proba, labels=labels)

    def values(self, metrics: Sequence[Metric]) -> dict[str, float]:
        """Return every metric that can be computed, by name."""
        from sklearn import config_context

        # the arrays are made here, so scikit-learn's own validation finds nothing and takes longer than small sums
        with config_context(assume_finite=True, skip_parameter_validation=True):
            values = {metric.name: self.value(metric) for metric in metrics}
        return {name: float(value) for name, value in values.items() if value is not None}

    def take(self, rows: "Array") -> "Predictions":
        """Return the predictions of some rows, by position or by mask."""
        score = None if self.score is None else self.score[rows]
        return Predictions(self.y_true[rows], self.y_pred[rows], score, self.classes)

    def frame(self, rows: "Array", part: str) -> "pd.DataFrame":
        """Return a table with the columns row, part, y_true, y_pred, and ``p_<class>`` for each class.

        Parameters
        ----------
        rows
            Positions of the rows in the run's table.
        part
            The name of their split.
        """
        import numpy as np
        import pandas as pd

        # object keeps labels of mixed types as they are: NumPy would turn [1, "a"] into two texts
        labels = np.asarray(self.classes, dtype=object) if self.classes else None
        columns: dict[str, Any] = {"row": rows, "part": part}
        columns["y_true"] = labels[self.y_true] if labels is not None else self.y_true
        columns["y_pred"] = labels[self.y_pred] if labels is not None else self.y_pred
        if self.score is not None:
            columns |= {f"p_{label}": self.score[:, code] for code, label in enumerate(self.classes)}
        # columns of objects get the type of their content back, so that Parquet stores whole numbers and booleans as
        # such
        return pd.DataFrame(columns).infer_objects()


def read_predictions(frame: "pd.DataFrame", classes: tuple[Any, ...]) -> Predictions:
    """Return the predictions that `Predictions.frame` wrote; `classes` are those of the data, in their order."""
    if not classes:
        return Predictions(frame["y_true"].to_numpy(dtype=float), frame["y_pred"].to_numpy(dtype=float), None, ())
    names = [f"p_{label}" for label in classes]
    # all columns or none: probabilities of some classes would be scored as if they were all
    score = frame[names].to_numpy(dtype=float) if set(names) <= set(frame.columns) else None
    y_true = encode_labels(frame["y_true"].to_numpy(), classes)
    y_pred = encode_labels(frame["y_pred"].to_numpy(), classes)
    return Predictions(y_true, y_pred, score, classes)


def predict_table(
    model: Any, features: "pd.DataFrame", target: "pd.Series[Any]", classes: tuple[Any, ...]
) -> Predictions:
    """Predict rows of a table with a pipeline."""
    return predict(*apply_preprocessing(model, features), encode_target(target, classes), classes)


def apply_preprocessing(model: Any, features: "pd.DataFrame") -> tuple[Any, Any]:
    """Return a pipeline's last step and the preprocessed rows, so that `predict` and `predict_proba` share them."""
    # preprocessing may take longer than the prediction, and a pipeline's `predict` and `predict_proba` would each
    # repeat it
    steps = getattr(model, "steps", None)
    return (steps[-1][1], model[:-1].transform(features)) if steps and len(steps) > 1 else (model, features)


def predict(model: Any, rows: Any, y_true: "Array", classes: tuple[Any, ...]) -> Predictions:
    """Predict preprocessed rows with a fitted algorithm.

    In one thread: a forest adds up its trees in the order in which threads finish, which changes the last digit.
    """
    from joblib import parallel_config

    with parallel_config("sequential"):
        y_pred = model.predict(rows)
        score = predict_proba(model, rows, classes) if classes else None
    if not classes:
        # some regressors return shape (rows, 1)
        return Predictions(y_true, y_pred.astype(float).ravel(), None, ())
    return Predictions(y_true, encode_labels(y_pred, classes), score, classes)


def encode_target(target: "pd.Series[Any]", classes: tuple[Any, ...]) -> "Array":
    """Return the target as class positions, or as floats for regression."""
    y_true: Array = encode_labels(target.to_numpy(), classes) if classes else target.to_numpy(dtype=float)
    return y_true


def encode_labels(labels: "Array", classes: tuple[Any, ...]) -> "Array":
    """Return the position of each label in `classes`, as int64."""
    import numpy as np

    # a dict and not `np.searchsorted`, which would return the neighbour of an unknown label: here that is a KeyError
    positions: Mapping[Any, int] = {label: code for code, label in enumerate(classes)}
    if len(labels) > MANY_ROWS:
        import pandas as pd

        places, distinct = pd.factorize(labels, use_na_sentinel=False)
        codes: Array = np.asarray([positions[label] for label in distinct.tolist()], dtype=np.int64)[places]
        return codes
    return np.fromiter((positions[label] for label in labels.tolist()), dtype=np.int64, count=len(labels))


def predict_proba(model: Any, features: Any, classes: tuple[Any, ...]) -> "Array | None":
    """Return probabilities of shape (rows, classes) in the order of `classes`, or None if the model gives none.

    A class that the model did not see in its train rows, as happens in folds, has probability 0.
    """
    import numpy as np

    if not hasattr(model, "predict_proba"):
        return None
    y_proba = np.asarray(model.predict_proba(features), dtype=float)
    # by label and not by position: `classes_` are those of the rows that this model was fitted on
    columns = {label: column for column, label in enumerate(model.classes_.tolist())}
    return np.column_stack(
        [y_proba[:, columns[label]] if label in columns else np.zeros(len(y_proba)) for label in classes]
    )
