"""Groups of rows by a column: what fairness, representation and checks compare."""

from itertools import pairwise
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from runtree.contract.types import Table

BINS = 4  # of a numeric column, each with the same number of rows
MAX_LEVELS = 20  # groups of a column of text; the rows of rarer levels form one group
MISSING, OTHERS = "missing", "others"


def column_values(table: Table, name: str) -> "pd.Series[Any]":
    """Return a column of the table, even if `data.drop` or `data.group` keeps it from the model."""
    if name in table.features.columns or table.aside is None:
        return table.features[name]
    return table.aside[name]


def group_labels(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return the group of each row: its level; of a numeric or date column one of four bins; or `missing`."""
    numeric = is_numeric_dtype(values) and not is_bool_dtype(values)
    # few different numbers are codes or counts, and each is a group of its own
    if (numeric or is_datetime64_any_dtype(values)) and values.nunique() > 2 * BINS:
        labels = _bin_labels(values)
    else:
        labels = values.map(_format_value, na_action="ignore").astype("str").where(values.notna(), MISSING)
    counts = labels.value_counts()
    # one place is left for the group of all others
    rare = list(counts.index[MAX_LEVELS - 1 :]) if len(counts) > MAX_LEVELS else []
    return pd.Series(labels.where(~labels.isin(rare), OTHERS), dtype="str")


def _bin_labels(values: "pd.Series[Any]") -> "pd.Series[str]":
    # many equal values make two quantiles equal: those bins are merged
    bins = pd.qcut(values, BINS, duplicates="drop")
    edges = [interval.right for interval in bins.cat.categories]
    names = [f"<= {_format_value(edges[0])}"]
    names += [f"{_format_value(low)} to {_format_value(high)}" for low, high in pairwise(edges[:-1])]
    names += [f"> {_format_value(edges[-2])}"] if len(edges) > 1 else []
    codes = bins.cat.codes.to_numpy()
    return pd.Series([names[code] if code >= 0 else MISSING for code in codes], index=values.index, dtype="str")


def _format_value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
