"""The part of a network that depends on the task: encoded target, default loss, meaning of the outputs."""

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
    """Mix-in: a network with one output (logit) per class.

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
        """Return for each label whether the train rows have it, of shape (rows,)."""
        known: Array = np.isin(column_or_1d(y), self.classes_)
        return known

    def combine_weights(self, X: Any, y: Any, sample_weight: Any) -> Tensor | None:
        """Return the products of row and class weights, with mean 1; None for equal weights."""
        if self.class_weight is None:
            return row_weights(X, sample_weight)
        by_class = compute_sample_weight(self.class_weight, column_or_1d(y))
        return row_weights(X, by_class if sample_weight is None else by_class * np.asarray(sample_weight))

    def default_loss(self) -> nn.Module:
        """Return cross-entropy."""
        return nn.CrossEntropyLoss()

    def predict_proba(self, X: Any) -> Array:
        """Return float64 of shape (rows, classes); each row sums to 1."""
        y_proba: Array = softmax(self.outputs(X).astype(np.float64), axis=1)
        return y_proba

    def predict(self, X: Any) -> Array:
        """Return the most probable label of each row."""
        outputs = self.outputs(X)
        labels: Array = self.classes_[outputs.argmax(axis=1)]
        return labels


@dataclass(eq=False, repr=False, kw_only=True)
class Regression(RegressorMixin):  # type: ignore[misc]
    """Mix-in: a network with one output, the target standardised with mean and deviation of the train rows."""

    def learn_target(self, y: Any) -> None:
        """Learn mean and standard deviation."""
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

    def combine_weights(self, X: Any, y: Any, sample_weight: Any) -> Tensor | None:
        """Return row weights with mean 1; None for equal weights."""
        return row_weights(X, sample_weight)

    def default_loss(self) -> nn.Module:
        """Return the squared error."""
        return nn.MSELoss()

    def predict(self, X: Any) -> Array:
        """Return float64 of shape (rows,), in the units of the target."""
        outputs = self.outputs(X).astype(np.float64)
        values: Array = outputs.reshape(len(outputs)) * self.target_scale_ + self.target_mean_
        return values


def row_weights(X: Any, sample_weight: Any) -> Tensor | None:
    """Return float32 weights with mean 1, so that they do not scale the learning rate; None for None."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))
