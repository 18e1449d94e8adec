"""What a fitted algorithm says of some rows, and the metrics of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.types import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Predictions:
    """Predictions for some rows: `y_pred` of shape (rows,), `score` of shape (rows, classes) or None."""

    y_true: "Array"
    y_pred: "Array"
    score: "Array | None"
    classes: tuple[Any, ...]

    def value(self, metric: Metric) -> float | None:
        """Return a metric; None where it needs chances and the model gives none."""
        if not self.classes:
            return metric.function(self.y_true, self.y_pred)
        labels = range(len(self.classes))
        if metric.needs == "prediction":
            return metric.function(self.y_true, self.y_pred, labels=labels)
        if self.score is None:
            return None
        predict_proba = self.score[:, 1] if len(self.classes) == 2 else self.score
        return metric.function(self.y_true, predict_proba, labels=labels)

    def values(self, metrics: Sequence[Metric]) -> dict[str, float]:
        """Return every metric that can be computed."""
        from sklearn import config_context

        with config_context(assume_finite=True, skip_parameter_validation=True):  # what is checked here is our own
            found = {metric.name: self.value(metric) for metric in metrics}
        return {name: float(value) for name, value in found.items() if value is not None}

    def frame(self, rows: "Array", part: str) -> "pd.DataFrame":
        """Return predictions as a table: row, part, y_true, y_pred and a column for each class's chance."""
        import numpy as np
        import pandas as pd

        names = np.asarray(self.classes, dtype=object) if self.classes else None
        columns: dict[str, Any] = {"row": rows, "part": part}
        columns["y_true"] = names[self.y_true] if names is not None else self.y_true
        columns["y_pred"] = names[self.y_pred] if names is not None else self.y_pred
        if self.score is not None:
            columns |= {f"p_{label}": self.score[:, code] for code, label in enumerate(self.classes)}
        return pd.DataFrame(columns).infer_objects()


def read_predictions(frame: "pd.DataFrame", classes: tuple[Any, ...]) -> Predictions:
    """Return the answers that `Answers.frame` made a table of; `classes` are those of the data, in their order."""
    if not classes:
        return Predictions(frame["y_true"].to_numpy(dtype=float), frame["y_pred"].to_numpy(dtype=float), None, ())
    names = [f"p_{label}" for label in classes]
    score = frame[names].to_numpy(dtype=float) if set(names) <= set(frame.columns) else None
    return Predictions(
        encode_labels(frame["y_true"].to_numpy(), classes),
        encode_labels(frame["y_pred"].to_numpy(), classes),
        score,
        classes,
    )


def predict_table(
    model: Any, features: "pd.DataFrame", target: "pd.Series[Any]", classes: tuple[Any, ...]
) -> Predictions:
    """Ask a model about some rows."""
    return predict(*apply_preprocessing(model, features), encode_target(target, classes), classes)


def apply_preprocessing(model: Any, features: "pd.DataFrame") -> tuple[Any, Any]:
    """Return a pipeline's last step and what it is given: to prepare rows once serves both of its answers."""
    steps = getattr(model, "steps", None)
    return (steps[-1][1], model[:-1].transform(features)) if steps and len(steps) > 1 else (model, features)


def predict(model: Any, rows: Any, truth: "Array", classes: tuple[Any, ...]) -> Predictions:
    """Ask a fitted algorithm about rows that are prepared for it.

    With one thread: forests add up in the order in which threads end, to the last digit.
    """
    from joblib import parallel_config

    with parallel_config("sequential"):
        y_pred = model.predict(rows)
        score = predict_proba(model, rows, classes) if classes else None
    if not classes:
        return Predictions(truth, y_pred.astype(float).ravel(), None, ())
    return Predictions(truth, encode_labels(y_pred, classes), score, classes)


def encode_target(target: "pd.Series[Any]", classes: tuple[Any, ...]) -> "Array":
    """Return what is true: codes of classes, or numbers."""
    found: Array = encode_labels(target.to_numpy(), classes) if classes else target.to_numpy(dtype=float)
    return found


def encode_labels(labels: "Array", classes: tuple[Any, ...]) -> "Array":
    """Return the position of each label in `classes`."""
    import numpy as np

    known: Mapping[Any, int] = {label: code for code, label in enumerate(classes)}
    return np.fromiter((known[label] for label in labels.tolist()), dtype=np.int64, count=len(labels))


def predict_proba(model: Any, features: Any, classes: tuple[Any, ...]) -> "Array | None":
    """Return chances of shape (rows, classes), in the order of `classes`, or None where the model gives none."""
    import numpy as np

    if not hasattr(model, "predict_proba"):
        return None
    found = np.asarray(model.predict_proba(features), dtype=float)
    own = {label: column for column, label in enumerate(model.classes_.tolist())}
    return np.column_stack([found[:, own[label]] if label in own else np.zeros(len(found)) for label in classes])
