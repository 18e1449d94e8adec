"""Which tables are sequences: one column of text, or numbers in the order of their columns."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.utils.validation import validate_data

from runtree.algorithms.networks.columns import is_category
from runtree.contract.errors import ConfigError, DataError

Array = np.ndarray[Any, Any]


def holds_text(X: Any) -> bool:
    """Tell whether X is a frame with a column of text."""
    return isinstance(X, pd.DataFrame) and bool(text_columns(X))


def text_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns of text."""
    return [str(name) for name, dtype in X.dtypes.items() if is_category(dtype) and not types.is_bool_dtype(dtype)]


def check_text(estimator: Any, X: Any, reset: bool) -> pd.DataFrame:
    """Return a frame of one column, checked; in rows to predict it may have any type, as where all are missing."""
    if not isinstance(X, pd.DataFrame):
        raise ConfigError(f"the network learned from texts, and was given {type(X).__name__}", "type: preprocess=raw")
    if X.shape[1] != 1:
        text = text_columns(X)
        others = [str(name) for name in X.columns if str(name) != text[0]] if text else list(X.columns[1:])
        raise DataError(
            f"a network for sequences reads one column of text: found {X.shape[1]} columns, of text: {listed(text)}",
            f"leave the others out: data.drop=[{listed(others, ',')}]",
            "or learn from all of them: algorithm=torch_mlp preprocess=tabular",
        )
    least = 2 if reset else 1
    if len(X) < least:
        raise DataError(f"found {len(X)} row(s), and {least} are needed")
    checked: pd.DataFrame = validate_data(estimator, X, reset=reset, skip_check_array=True)
    return checked


def check_series(estimator: Any, X: Any, reset: bool, channels: int) -> Array:
    """Return float64 of shape (rows, steps x channels), NaN allowed."""
    refuse_what_is_no_number(X)
    values: Array = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if reset else 1,
    )
    if values.shape[1] % channels:
        raise ConfigError(
            f"algorithm.channels: {values.shape[1]} columns are no whole number of steps of {channels} channels",
            "the columns as they are: preprocess=raw",
        )
    return values


def refuse_what_is_no_number(X: Any) -> None:
    """Name what neither a text nor a series can be."""
    if isinstance(X, pd.DataFrame):
        for name, dtype in X.dtypes.items():
            if not types.is_numeric_dtype(dtype):
                raise DataError(f"column '{name}' holds {dtype}, and the steps of a series are numbers")
    elif isinstance(X, np.ndarray) and X.size and (X.dtype.kind == "U" or isinstance(X.flat[0], str)):
        raise ConfigError("texts are read from a table with one column, not from an array", "type: preprocess=raw")


def listed(names: list[str], between: str = ", ") -> str:
    """Return some names, and how many more there are."""
    return between.join(names[:6]) + (f"{between}… ({len(names)} in all)" if len(names) > 6 else "")
