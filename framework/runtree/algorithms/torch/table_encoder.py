"""Tables as tensors: numbers standardised, categories as codes; and batches of rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from pandas.api import types
from sklearn.utils.validation import validate_data
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from runtree.contract.errors import DataError

Inputs = tuple[Tensor, ...]
MEMORY_BATCH_ROWS, LAZY_BATCH_ROWS = 4096, 256  # per batch of a prediction


@dataclass(frozen=True)
class Batch:
    """Inputs, target and weights of some rows."""

    inputs: Inputs
    target: Tensor
    weight: Tensor | None


@dataclass(frozen=True)
class Rows:
    """All rows of a split.

    Attributes
    ----------
    inputs
        Tensors whose first axis is the rows; or a map-style dataset of rows that do not fit into memory, which
        `workers` processes prefetch.
    target
        Of shape (rows, …).
    weight
        Of shape (rows,) with mean 1, or None for equal weights.
    """

    inputs: "Inputs | Dataset[Any]"
    target: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    def to(self, device: torch.device) -> "Rows":
        """Return the rows on a device; rows that are read lazily are moved batch by batch."""
        inputs = tuple(t.to(device) for t in self.inputs) if isinstance(self.inputs, tuple) else self.inputs
        weight = None if self.weight is None else self.weight.to(device)
        return replace(self, inputs=inputs, target=self.target.to(device), weight=weight)

    def batches(self, parts: list[Tensor], workers: int = 0) -> Iterator[Batch]:
        """Yield a batch for each tensor of row numbers."""
        device = self.target.device
        for part, inputs in zip(parts, iterate_inputs(self.inputs, parts, workers, device), strict=True):
            part = part.to(device)
            weight = None if self.weight is None else self.weight.index_select(0, part)
            yield Batch(inputs, self.target.index_select(0, part), weight)


def iterate_inputs(
    inputs: "Inputs | Dataset[Any]", parts: list[Tensor], workers: int, device: torch.device
) -> Iterator[Inputs]:
    """Yield the inputs of each batch of row numbers."""
    if isinstance(inputs, tuple):
        for part in parts:
            part = part.to(device)
            yield tuple(tensor.index_select(0, part) for tensor in inputs)
    else:
        for loaded in DataLoader(inputs, batch_sampler=[part.tolist() for part in parts], num_workers=workers):
            yield tuple(tensor.to(device, non_blocking=True) for tensor in loaded)


def shuffled_batches(rows: int, size: int, least: int = 2) -> list[Tensor]:
    """Return random batches of row numbers; a last one of fewer than `least` rows is merged into the one before."""
    parts = list(torch.split(torch.randperm(rows), size))
    if len(parts) > 1 and len(parts[-1]) < least:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def sequential_batches(rows: int, inputs: "Inputs | Dataset[Any]") -> list[Tensor]:
    """Return batches of row numbers in order; smaller ones for rows that are read lazily."""
    return list(torch.split(torch.arange(rows), MEMORY_BATCH_ROWS if isinstance(inputs, tuple) else LAZY_BATCH_ROWS))


# --- Tables as tensors: numbers standardised, categories as codes.

Array = np.ndarray[Any, Any]
MISSING = "<missing>"


def check_table(estimator: Any, X: Any, reset: bool) -> Any:
    """Return X as a frame if it has a categorical column, else as float64 of shape (rows, columns), NaN allowed."""
    least = 2 if reset else 1  # the standard deviation of a single row is 0
    if not holds_categories(X):
        return validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least
        )
    if len(X) < least:
        raise DataError(f"found {len(X)} row(s), at least {least} required")
    return validate_data(estimator, X, reset=reset, skip_check_array=True)


def holds_categories(X: Any) -> bool:
    """Return whether X is a frame with a categorical column."""
    return isinstance(X, pd.DataFrame) and any(is_category(dtype) for dtype in X.dtypes)


def is_category(dtype: Any) -> bool:
    """Return whether columns of this type are read as categories: strings, objects, booleans, categories."""
    return (
        isinstance(dtype, pd.CategoricalDtype)
        or types.is_object_dtype(dtype)
        or types.is_string_dtype(dtype)
        or types.is_bool_dtype(dtype)
    )


@dataclass
class TableEncoder:
    """Encodes a table: numbers standardised, categories as codes. Columns are known by position.

    Attributes
    ----------
    numbers, categories
        Positions of the numeric and of the categorical columns.
    levels
        The categories of each categorical column, as text; code 0 is any other.
    median, mean, scale
        Of each numeric column; the median replaces missing values.
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
        scale[scale <= 1e-12 * np.abs(filled).max(axis=0, initial=0.0)] = 1.0  # constant up to rounding
        levels = [sorted(set(_texts(frame.iloc[:, place]))) for place in categories]
        return cls(numbers, categories, levels, median, filled.mean(axis=0), scale)

    def encode(self, X: Any) -> Inputs:
        """Return float32 of shape (rows, numbers) and, with categories, int64 codes of shape (rows, categories)."""
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
    """Return float64 of shape (rows, places) with NaN for missing values."""
    chosen = frame.iloc[:, places]
    for name, column in chosen.items():
        if not types.is_numeric_dtype(column.dtype):
            raise DataError(
                f"column '{name}' has dtype {column.dtype}, which networks cannot read", "type: preprocess=tabular"
            )
    values: Array = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise DataError("the table contains infinity", "replace it by a missing value or a large number")
    return values


def _texts(column: "pd.Series[Any]") -> Any:
    return column.astype(object).where(column.notna(), MISSING).astype(str).to_numpy(dtype=object)
