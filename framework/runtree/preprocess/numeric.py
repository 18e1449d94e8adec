"""The choices that take numbers only: hand them on as they are, or impute and scale them."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from runtree.preprocess.numbers import check_numbers, to_numbers
from runtree.preprocess.table import as_table, check_rows, distinct_names, pick

Array = np.ndarray[Any, Any]


class Unchanged(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hand numbers to the algorithm as they are, holes included.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns of the train part, in its order.
    n_features_in_ : int
        How many they are.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Remember the columns; raise `DataError` where one is not of numbers."""
        table = check_rows(as_table(X))
        check_numbers(table, "none")
        to_numbers(table)  # infinity is told before the algorithm fails on it
        _remember(self, table)
        return self

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features), NaN where a value is missing."""
        check_is_fitted(self)
        return np.ascontiguousarray(to_numbers(pick(as_table(X), self.feature_names_in_)))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of each feature."""
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)


class Standard(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill holes with the median, mark them in columns of their own, and bring all to mean 0 and variance 1.

    Without holes this is scikit-learn's `StandardScaler`, equal to the bit.

    Attributes
    ----------
    feature_names_in_, n_features_in_
        The columns of the train part, and how many they are.
    imputer_ : SimpleImputer
        Knows the medians, and which columns had holes.
    scaler_ : StandardScaler
        Knows mean and deviation of the filled columns and of the marks.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn medians, means and deviations; raise `DataError` where a column is not of numbers."""
        table = check_rows(as_table(X))
        check_numbers(table, "standard")
        values = to_numbers(table)
        # An empty column is kept (as zeros): which columns come out must not hang on which happened to be empty.
        self.imputer_ = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        filled = self.imputer_.fit_transform(values)
        # The imputer changes the memory layout, and with it the last bits of sums.
        self.scaler_ = StandardScaler().fit(filled if np.isnan(values).any() else values)
        _remember(self, table)
        return self

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features): the columns, then the marks of holes."""
        check_is_fitted(self)
        table = pick(as_table(X), self.feature_names_in_)
        if not len(table):
            return np.empty((0, self.scaler_.n_features_in_))
        filled = self.imputer_.transform(to_numbers(table))
        return np.ascontiguousarray(self.scaler_.transform(filled, copy=False))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of each feature: ``age``, then ``age_missing``."""
        check_is_fitted(self)
        holed = self.feature_names_in_[self.imputer_.indicator_.features_]
        return distinct_names([*self.feature_names_in_, *(f"{name}_missing" for name in holed)])


def _remember(transformer: Unchanged | Standard, table: pd.DataFrame) -> None:
    transformer.feature_names_in_ = np.asarray(table.columns, dtype=object)
    transformer.n_features_in_ = table.shape[1]
