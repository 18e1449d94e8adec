"""The groups that a column parts the rows into, be it learnt from or not."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.types import Table

if TYPE_CHECKING:
    import pandas as pd

WHERE = "evaluator.fairness.columns"
BINS = 4  # of a column of numbers, each with as many rows
LEVELS = 20  # groups of a column of words; the rows of rarer ones are one group
MISSING, OTHERS = "missing", "others"


def check_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse columns that the table has not."""
    known = [str(name) for name in table.features.columns]
    known += [str(name) for name in table.aside.columns] if table.aside is not None else []
    for name in names:
        if name not in known:
            raise unknown(f"column at {WHERE}:", name, known, _hint(table, name), error=ConfigError)


def _hint(table: Table, name: str) -> str:
    return "the target is what is predicted: its classes are no groups" if name == str(table.target.name) else ""


def column(table: Table, name: str) -> "pd.Series[Any]":
    """Return a column of the table, dropped ones and the one to group by too."""
    if name in table.features.columns or table.aside is None:
        return table.features[name]
    return table.aside[name]


def groups(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return the group of each row: a level; of many numbers one of four bins with as many rows; or `missing`."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    numeric = is_numeric_dtype(values) and not is_bool_dtype(values)
    if (numeric or is_datetime64_any_dtype(values)) and values.nunique() > 2 * BINS:
        found = _binned(values)
    else:
        found = values.map(_shown, na_action="ignore").astype("str").where(values.notna(), MISSING)
    counts = found.value_counts()
    rare = list(counts.index[LEVELS - 1 :]) if len(counts) > LEVELS else []
    return pd.Series(found.where(~found.isin(rare), OTHERS), dtype="str")


def _binned(values: "pd.Series[Any]") -> "pd.Series[str]":
    import pandas as pd

    bins = pd.qcut(values, BINS, duplicates="drop")
    edges = [interval.right for interval in bins.cat.categories]
    names = [f"<= {_shown(edges[0])}"]
    names += [f"{_shown(low)} to {_shown(high)}" for low, high in pairwise(edges[:-1])]
    names += [f"> {_shown(edges[-2])}"] if len(edges) > 1 else []
    codes = bins.cat.codes.to_numpy()
    return pd.Series([names[code] if code >= 0 else MISSING for code in codes], index=values.index, dtype="str")


def _shown(edge: Any) -> str:
    return f"{edge:.6g}" if isinstance(edge, float) else str(edge)
