"""Tables as tensors: numbers standardised, categories as codes."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from pandas.api import types
from sklearn.utils.validation import validate_data

from runtree.algorithms.networks.batches import Inputs
from runtree.contract.errors import DataError

Array = np.ndarray[Any, Any]
MISSING = "<missing>"


def check_table(estimator: Any, X: Any, reset: bool) -> Any:
    """Return a frame if one of its columns holds categories, else float64 of shape (rows, columns), NaN allowed."""
    least = 2 if reset else 1  # a single row has no deviation
    if not holds_categories(X):
        return validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least
        )
    if len(X) < least:
        raise DataError(f"found {len(X)} row(s), and {least} are needed")
    return validate_data(estimator, X, reset=reset, skip_check_array=True)


def holds_categories(X: Any) -> bool:
    """Tell whether X is a frame with a column of categories."""
    return isinstance(X, pd.DataFrame) and any(is_category(dtype) for dtype in X.dtypes)


def is_category(dtype: Any) -> bool:
    """Tell whether a column of this type is read as categories: texts, objects, truth values, categories."""
    return (
        isinstance(dtype, pd.CategoricalDtype)
        or types.is_object_dtype(dtype)
        or types.is_string_dtype(dtype)
        or types.is_bool_dtype(dtype)
    )


@dataclass
class TableEncoder:
    """What was learned of a table's columns, by their places.

    Attributes
    ----------
    numbers, categories
        Places of columns.
    levels
        The known texts of each column of categories; the code 0 stands for all others.
    median, mean, scale
        Of each column of numbers; missing values become the median.
    """

    numbers: list[int]
    categories: list[int]
    levels: list[list[str]]
    median: Array
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: Any) -> Self:
        """Learn from the train rows."""
        frame = pd.DataFrame(X)
        categories = [place for place, dtype in enumerate(frame.dtypes) if is_category(dtype)]
        numbers = [place for place in range(frame.shape[1]) if place not in set(categories)]
        values = _numbers(frame, numbers)
        known = ~np.isnan(values)
        median = np.array([np.median(v[k]) if k.any() else 0.0 for v, k in zip(values.T, known.T, strict=True)])
        filled = np.where(known, values, median)
        scale = filled.std(axis=0)
        scale[scale <= 1e-12 * np.abs(filled).max(axis=0, initial=0.0)] = 1.0  # constant but for rounding
        levels = [sorted(set(_texts(frame.iloc[:, place]))) for place in categories]
        return cls(numbers, categories, levels, median, filled.mean(axis=0), scale)

    def encode(self, X: Any) -> Inputs:
        """Return float32 of shape (rows, numbers) and, where there are categories, int64 codes (rows, categories)."""
        frame = pd.DataFrame(X)
        values = _numbers(frame, self.numbers)
        scaled = (np.where(np.isnan(values), self.median, values) - self.mean) / self.scale
        numbers = torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))
        return (numbers, self._codes(frame)) if self.categories else (numbers,)

    def _codes(self, frame: pd.DataFrame) -> torch.Tensor:
        codes = [
            pd.Index(levels, dtype=object).get_indexer(_texts(frame.iloc[:, place])) + 1
            for place, levels in zip(self.categories, self.levels, strict=True)
        ]
        return torch.from_numpy(np.stack(codes, axis=1).astype(np.int64))


def _numbers(frame: pd.DataFrame, places: list[int]) -> Array:
    """Return float64 of shape (rows, places) with NaN for what is missing."""
    chosen = frame.iloc[:, places]
    for name, column in chosen.items():
        if not types.is_numeric_dtype(column.dtype):
            raise DataError(f"column '{name}' holds {column.dtype}, which no network reads", "use preprocess=tabular")
    values: Array = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise DataError("the table holds infinity", "make it a missing value or a large number")
    return values


def _texts(column: "pd.Series[Any]") -> Any:
    return column.astype(object).where(column.notna(), MISSING).astype(str).to_numpy(dtype=object)
