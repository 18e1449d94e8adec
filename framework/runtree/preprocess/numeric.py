"""Columns as numbers, and the preprocessing options for numeric tables: impute and scale, or pass through."""

from typing import Any, Self

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from runtree.contract.errors import DataError
from runtree.contract.feature_blocks import FeatureBlock, NumberBlock, OtherBlock
from runtree.preprocess.rows import Encode, encode_numbers, number_block, take_numbers
from runtree.tables.numbers import is_numeric, to_numbers
from runtree.tables.table import as_table, check_rows, distinct_names, pick

Array = np.ndarray[Any, Any]


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

    def __sklearn_tags__(self) -> Any:
        """Say what the input may hold."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

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
        table = pick(_as_later_table(self, X), self.feature_names_in_)
        # scikit-learn's transformers refuse an empty array, but a file may have an empty batch
        if not len(table):
            return np.empty((0, self.scaler_.n_features_in_))
        values = to_numbers(table)
        if not np.isnan(values).any():  # nothing to fill, as in most batches of most tables
            full = np.zeros((len(values), self.scaler_.n_features_in_))
            full[:, : values.shape[1]] = values
            return np.asarray(self.scaler_.transform(full, copy=False))
        filled = self.imputer_.transform(values)
        return np.ascontiguousarray(self.scaler_.transform(filled, copy=False))

    def row_encoder(self) -> Encode:
        """Return a function that encodes a few rows of plain values as `transform` encodes their table."""
        check_is_fitted(self)
        [block] = self.feature_blocks()
        width = len(block.names)
        return encode_numbers(block, range(width), width)

    def feature_blocks(self) -> list[NumberBlock]:
        """Return how a row becomes the features, as plain arrays."""
        check_is_fitted(self)
        return [number_block(self, self.feature_names_in_.tolist())]

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

    def __sklearn_tags__(self) -> Any:
        """Say what the input may hold."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

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
        return np.ascontiguousarray(to_numbers(pick(_as_later_table(self, X), self.feature_names_in_)))

    def row_encoder(self) -> Encode:
        """Return a function that encodes a few rows of plain values as `transform` encodes their table."""
        check_is_fitted(self)
        width = len(self.feature_names_in_)
        return take_numbers(range(width), width)

    def feature_blocks(self) -> list[NumberBlock]:
        """Return how a row becomes the features, as plain arrays."""
        check_is_fitted(self)
        return [NumberBlock(self.feature_names_in_.tolist())]

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)


class Raw(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pass a table to the algorithm unchanged: text, categories, dates, file names and missing values included.

    Attributes
    ----------
    feature_names_in_, n_features_in_
        The columns of the train split, and their number.
    numeric_ : list of bool
        Which of them hold numbers.
    """

    def __sklearn_tags__(self) -> Any:
        """Say what the input may hold."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []  # a table comes out, each column with its own
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        table = check_rows(as_table(X))
        _remember_columns(self, table)
        self.numeric_ = [is_numeric(column) for _, column in table.items()]
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the columns of the train split in its order; raise `DataError` if one is missing."""
        check_is_fitted(self)
        return pick(_as_later_table(self, X), self.feature_names_in_.tolist()).copy(deep=False)

    def feature_blocks(self) -> list[FeatureBlock]:
        """Return numbers as they are; other columns have no form but their own."""
        check_is_fitted(self)
        pairs = zip(self.feature_names_in_.tolist(), self.numeric_, strict=True)
        return [
            NumberBlock([name]) if numeric else OtherBlock([name], "text or date that the algorithm gets as it is")
            for name, numeric in pairs
        ]

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)


def _remember_columns(transformer: ImputeScale | Passthrough | Raw, table: pd.DataFrame) -> None:
    transformer.feature_names_in_ = np.asarray(table.columns, dtype=object)
    transformer.n_features_in_ = table.shape[1]


def _as_later_table(transformer: ImputeScale | Passthrough | Raw, X: Any) -> pd.DataFrame:
    return as_table(X, transformer.n_features_in_, type(transformer).__name__)


def _check_numeric(table: pd.DataFrame, option: str) -> None:
    for name, column in table.items():
        if not is_numeric(column):
            message = f"preprocess={option} takes numbers only; column '{name}' holds {_describe_content(column)}"
            raise DataError(message, "use preprocess=tabular")


def _describe_content(column: "pd.Series[Any]") -> str:
    if types.is_datetime64_any_dtype(column.dtype):
        return "dates"
    return "categories" if isinstance(column.dtype, pd.CategoricalDtype) else "text"
