"""Reading columns as numbers, however they were stored."""

import math
from typing import Any, Self

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from runtree.contract.errors import DataError
from runtree.preprocess.table import as_table, check_rows, distinct, distinct_names, pick

NUMBERS_IN_OBJECTS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"})
WORDS = {"true": 1.0, "false": 0.0, "": math.nan}


def holds_numbers(column: "pd.Series[Any]") -> bool:
    """Tell whether every value that is there is a number, a truth value or a duration; text never is one."""
    dtype = column.dtype
    if types.is_object_dtype(dtype):
        return types.infer_dtype(column, skipna=True) in NUMBERS_IN_OBJECTS
    return _is_number(dtype) or types.is_timedelta64_dtype(dtype)


def content(column: "pd.Series[Any]") -> str:
    """Say in a word what a column holds, for messages."""
    if holds_numbers(column):
        return "numbers"
    if types.is_datetime64_any_dtype(column.dtype):
        return "dates"
    return "categories" if isinstance(column.dtype, pd.CategoricalDtype) else "text"


def check_numbers(table: pd.DataFrame, choice: str) -> None:
    """Refuse a table to learn from in which a column is not of numbers."""
    for name, column in table.items():
        if not holds_numbers(column):
            message = f"preprocess={choice} takes numbers only; column '{name}' holds {content(column)}"
            raise DataError(message, "use preprocess=tabular")


def to_numbers(table: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """Return float64 of shape (rows, columns) with NaN for what is missing.

    Raises
    ------
    DataError
        If a value is text that is no number, or infinite.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in table.dtypes):
        values = table.to_numpy(dtype=np.float64)  # keeps the layout scikit-learn would see: sums are equal to the bit
    else:
        values = np.empty(table.shape, order="F")
        for position, (_, column) in enumerate(table.items()):
            values[:, position] = _read(column)
    _check_finite(values, table)
    return values


def _is_number(dtype: Any) -> bool:
    return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)


def _read(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    if types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds()
    if _is_number(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_datetime64_any_dtype(column.dtype) and column.notna().any():
        raise DataError(f"column '{column.name}' holds dates; the model was trained with numbers")
    positions, texts = distinct(column)
    return np.asarray([*(_parse(text, column.name) for text in texts), math.nan]).take(positions)


def _parse(text: str, name: Any) -> float:
    """Return the number that a text is: a chunk of a file may be read as text where the train part was numbers."""
    try:
        return float(text)
    except ValueError:
        word = text.strip().lower()
        if word in WORDS:
            return WORDS[word]
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    raise DataError(f"column '{name}' holds '{shown}', which is no number; the model was trained with numbers")


def _check_finite(values: "np.ndarray[Any, Any]", table: pd.DataFrame) -> None:
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        name = table.columns[int(np.argmax(infinite))]
        raise DataError(f"column '{name}' holds infinity", "make it a missing value or a large number")


# --- The choices that take numbers only: hand them on as they are, or impute and scale them.

Array = np.ndarray[Any, Any]


class Passthrough(TransformerMixin, BaseEstimator):  # type: ignore[misc]
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


class ImputeScale(TransformerMixin, BaseEstimator):  # type: ignore[misc]
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


def _remember(transformer: Passthrough | ImputeScale, table: pd.DataFrame) -> None:
    transformer.feature_names_in_ = np.asarray(table.columns, dtype=object)
    transformer.n_features_in_ = table.shape[1]


# --- The choice for algorithms that read columns themselves: the table is handed on as it is.


class Raw(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hand a table to the algorithm as it is: text, categories, dates, file names and holes included.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns of the train part, in its order.
    n_features_in_ : int
        How many they are.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Remember the columns."""
        table = check_rows(as_table(X))
        self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        self.n_features_in_ = table.shape[1]
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the columns of the train part in its order; raise `DataError` where one is missing."""
        check_is_fitted(self)
        return pick(as_table(X), self.feature_names_in_.tolist()).copy(deep=False)

    def get_feature_names_out(self, input_features: Any = None) -> "np.ndarray[Any, Any]":
        """Return the name of each column."""
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)
