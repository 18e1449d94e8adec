"""Columns as numbers, and the preprocessing options for numeric tables: impute and scale, or pass through."""

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
from runtree.preprocess.table import as_table, check_rows, distinct_names, factorize_texts, pick

Array = np.ndarray[Any, Any]

NUMERIC_OBJECTS = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"})
WORDS = {"true": 1.0, "false": 0.0, "": math.nan}
MAX_SHOWN_CHARACTERS = 40


class ImputeScale(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill missing values with the median, add an indicator column for each, scale to mean 0 and variance 1.

    Without missing values this is scikit-learn's `StandardScaler`, equal to the bit.

    Attributes
    ----------
    feature_names_in_, n_features_in_
        The columns of the train split, and their number.
    imputer_ : SimpleImputer
    scaler_ : StandardScaler
        Fitted on the imputed columns and the indicators.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn medians, means and deviations; raise `DataError` if a column is not numeric."""
        table = check_rows(as_table(X))
        _check_numeric(table, "standard")
        values = to_numbers(table)
        # An empty column is kept, as zeros: the columns that come out must not depend on which happened to be empty.
        self.imputer_ = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        filled = self.imputer_.fit_transform(values)
        # The imputer changes the memory layout, and with it the last bits of sums.
        self.scaler_ = StandardScaler().fit(filled if np.isnan(values).any() else values)
        _remember_columns(self, table)
        return self

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features): the columns, then the indicators."""
        check_is_fitted(self)
        table = pick(as_table(X), self.feature_names_in_)
        # scikit-learn's transformers refuse an empty array, but a file may have an empty batch
        if not len(table):
            return np.empty((0, self.scaler_.n_features_in_))
        filled = self.imputer_.transform(to_numbers(table))
        return np.ascontiguousarray(self.scaler_.transform(filled, copy=False))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of each feature: ``age``, then ``age_missing``."""
        check_is_fitted(self)
        incomplete = self.feature_names_in_[self.imputer_.indicator_.features_]
        return distinct_names([*self.feature_names_in_, *(f"{name}_missing" for name in incomplete)])


class Passthrough(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pass numbers to the algorithm unchanged, missing values included.

    Attributes
    ----------
    feature_names_in_, n_features_in_
        The columns of the train split, and their number.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Remember the columns; raise `DataError` if one is not numeric."""
        table = check_rows(as_table(X))
        _check_numeric(table, "none")
        to_numbers(table)  # reports infinity before the algorithm fails on it
        _remember_columns(self, table)
        return self

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features), NaN for missing values."""
        check_is_fitted(self)
        return np.ascontiguousarray(to_numbers(pick(as_table(X), self.feature_names_in_)))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)


class Raw(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pass a table to the algorithm unchanged: text, categories, dates, file names and missing values included.

    Attributes
    ----------
    feature_names_in_, n_features_in_
        The columns of the train split, and their number.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        _remember_columns(self, check_rows(as_table(X)))
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the columns of the train split in its order; raise `DataError` if one is missing."""
        check_is_fitted(self)
        return pick(as_table(X), self.feature_names_in_.tolist()).copy(deep=False)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)


def _remember_columns(transformer: ImputeScale | Passthrough | Raw, table: pd.DataFrame) -> None:
    transformer.feature_names_in_ = np.asarray(table.columns, dtype=object)
    transformer.n_features_in_ = table.shape[1]


def is_numeric(column: "pd.Series[Any]") -> bool:
    """Whether all values that are present are numbers, booleans or durations; text never counts as a number."""
    dtype = column.dtype
    # objects are what pandas makes of mixed or missing values: the values decide, not the dtype
    if types.is_object_dtype(dtype):
        return types.infer_dtype(column, skipna=True) in NUMERIC_OBJECTS
    return _is_real(dtype) or types.is_timedelta64_dtype(dtype)


def to_numbers(table: pd.DataFrame) -> Array:
    """Return float64 of shape (rows, columns) with NaN for missing values.

    Raises
    ------
    DataError
        If a value is infinite, or text that is not a number.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in "iufb" for dtype in table.dtypes):
        values = table.to_numpy(dtype=np.float64)  # keeps the layout scikit-learn would see: sums are equal to the bit
    else:
        # filled column by column: `DataFrame.to_numpy` of mixed dtypes may go through an array of Python objects
        values = np.empty(table.shape, order="F")
        for position, (_, column) in enumerate(table.items()):
            values[:, position] = _read_column(column)
    # refused here with the name of the column: scikit-learn only says that some value is infinite
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        name = table.columns[int(np.argmax(infinite))]
        raise DataError(f"column '{name}' holds infinity", "replace it by a missing value or a large number")
    return values


def _check_numeric(table: pd.DataFrame, option: str) -> None:
    for name, column in table.items():
        if not is_numeric(column):
            message = f"preprocess={option} takes numbers only; column '{name}' holds {_describe_content(column)}"
            raise DataError(message, "use preprocess=tabular")


def _describe_content(column: "pd.Series[Any]") -> str:
    if types.is_datetime64_any_dtype(column.dtype):
        return "dates"
    return "categories" if isinstance(column.dtype, pd.CategoricalDtype) else "text"


def _is_real(dtype: Any) -> bool:
    return types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)


def _read_column(column: "pd.Series[Any]") -> Array:
    if types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds()
    if _is_real(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_datetime64_any_dtype(column.dtype) and column.notna().any():
        raise DataError(f"column '{column.name}' holds dates; the model was trained with numbers")
    positions, texts = factorize_texts(column)
    return np.asarray([*(_parse(text, column.name) for text in texts), math.nan]).take(positions)


def _parse(text: str, name: Any) -> float:
    """Return a text as a number: a chunk of a file may be read as text where the train split had numbers."""
    try:
        return float(text)
    except ValueError:
        word = text.strip().lower()
        if word in WORDS:
            return WORDS[word]
    shown = text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"
    raise DataError(f"column '{name}' holds '{shown}', which is not a number; the model was trained with numbers")
