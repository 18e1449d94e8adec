"""Classification and regression: encoding of the target, loss, and meaning of the outputs."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from runtree_keras.estimator import Array


class Classification(ClassifierMixin):  # type: ignore[misc]
    """Mix-in: one logit per class."""

    _reads: ClassVar[dict[str, Any]] = {}

    def _learn_target(self, y: Any) -> tuple[Array, ...]:
        """Return the codes of the labels and, with class weights, the weight of each row."""
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        codes = self._encode(y)
        if self.class_weight is None:
            return (codes,)
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return codes, weights[codes].astype(np.float32)

    def _known(self, y: Array) -> Array:
        """Return the rows with a loss: a label that the train rows do not have has no output."""
        return np.isin(y, self.classes_)

    def _encode(self, y: Array) -> Array:
        return np.searchsorted(self.classes_, y)

    def _outputs(self) -> int:
        return len(self.classes_)

    def _loss(self) -> Any:
        from runtree_keras.backend import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def predict_proba(self, X: Any) -> Array:
        """Return probabilities of shape (rows, classes)."""
        from scipy.special import softmax

        y_proba: Array = softmax(self._scores(X), axis=1)
        return y_proba

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each row."""
        codes: Array = self._scores(X).argmax(axis=1)
        return self.classes_[codes]


class Regression(RegressorMixin):  # type: ignore[misc]
    """Mix-in: one output, the standardised target."""

    _reads: ClassVar[dict[str, Any]] = {"y_numeric": True}

    def _learn_target(self, y: Any) -> tuple[Array, ...]:
        """Return the standardised target, of shape (rows, 1)."""
        y = column_or_1d(y, warn=True).astype(np.float64)
        self.target_mean_ = float(y.mean())
        self.target_scale_ = float(y.std()) or 1.0
        return (self._encode(y),)

    def _known(self, y: Array) -> Array:
        return np.isfinite(y)

    def _encode(self, y: Array) -> Array:
        return ((y - self.target_mean_) / self.target_scale_).astype(np.float32)[:, None]

    def _outputs(self) -> int:
        return 1

    def _loss(self) -> Any:
        from runtree_keras.backend import keras

        return keras.losses.MeanSquaredError()

    def predict(self, X: Any) -> Array:
        """Return numbers of shape (rows,), in the units of the target."""
        numbers: Array = self._scores(X)[:, 0] * self.target_scale_ + self.target_mean_
        return numbers
