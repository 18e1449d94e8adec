"""What a network does for its task: the target it learns, its usual loss, and what its outputs mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import assert_all_finite, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight
from torch import Tensor, nn

Array = np.ndarray[Any, Any]


@dataclass(eq=False, repr=False, kw_only=True)
class Classification(ClassifierMixin):  # type: ignore[misc]
    """A network with an output for each class.

    Parameters
    ----------
    class_weight
        "balanced", a mapping from class to weight, or None.

    Attributes
    ----------
    classes_
        The labels, sorted.
    """

    class_weight: Any = None

    def learn_target(self, y: Any) -> None:
        """Find the classes."""
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        self.n_outputs_ = len(self.classes_)

    def encode_target(self, y: Any) -> Tensor:
        """Return int64 codes of shape (rows,)."""
        return torch.from_numpy(np.searchsorted(self.classes_, column_or_1d(y)))

    def is_known(self, y: Any) -> Array:
        """Tell of each label whether the train rows have it."""
        known: Array = np.isin(column_or_1d(y), self.classes_)
        return known

    def weigh(self, X: Any, y: Any, sample_weight: Any) -> Tensor | None:
        """Return weights of rows and classes with the mean 1, or None."""
        if self.class_weight is None:
            return row_weights(X, sample_weight)
        by_class = compute_sample_weight(self.class_weight, column_or_1d(y))
        return row_weights(X, by_class if sample_weight is None else by_class * np.asarray(sample_weight))

    def usual_loss(self) -> nn.Module:
        """Return cross-entropy."""
        return nn.CrossEntropyLoss()

    def predict_proba(self, X: Any) -> Array:
        """Return float64 of shape (rows, classes); each row sums to 1."""
        y_proba: Array = softmax(self.outputs(X).astype(np.float64), axis=1)
        return y_proba

    def predict(self, X: Any) -> Array:
        """Return the likeliest label of each row."""
        outputs = self.outputs(X)
        labels: Array = self.classes_[outputs.argmax(axis=1)]
        return labels


@dataclass(eq=False, repr=False, kw_only=True)
class Regression(RegressorMixin):  # type: ignore[misc]
    """A network with one output: the target, standardised by the mean and deviation of the train rows."""

    def learn_target(self, y: Any) -> None:
        """Find mean and deviation."""
        values = column_or_1d(y, warn=True, dtype=np.float64)
        assert_all_finite(values, input_name="y")
        self.target_mean_ = float(values.mean())
        self.target_scale_ = float(values.std()) or 1.0
        self.n_outputs_ = 1

    def encode_target(self, y: Any) -> Tensor:
        """Return float32 of shape (rows, 1)."""
        values = column_or_1d(y, dtype=np.float64)
        return torch.from_numpy(((values - self.target_mean_) / self.target_scale_).astype(np.float32)[:, None])

    def is_known(self, y: Any) -> Array:
        """Return True for every value: a regression target has no unknown classes."""
        return np.ones(len(y), dtype=bool)

    def weigh(self, X: Any, y: Any, sample_weight: Any) -> Tensor | None:
        """Return weights of rows with the mean 1, or None."""
        return row_weights(X, sample_weight)

    def usual_loss(self) -> nn.Module:
        """Return the squared error."""
        return nn.MSELoss()

    def predict(self, X: Any) -> Array:
        """Return float64 of shape (rows,), in the target's own units."""
        outputs = self.outputs(X).astype(np.float64)
        values: Array = outputs.reshape(len(outputs)) * self.target_scale_ + self.target_mean_
        return values


def row_weights(X: Any, sample_weight: Any) -> Tensor | None:
    """Return float32 weights with the mean 1, so that the learning rate means the same; None for none."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))
