"""Columns as a reader would name rows by: numbers and categories. Other columns are skipped with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MAX_LEVELS = 50  # of a category; a column with more is a name or a text, and keeps its most frequent ones
MAX_NUMERIC_LEVELS = 5  # a numeric column with so few distinct values is read as a category
MAX_COLUMNS = 100  # the first ones of the table
# -1 is what `pandas.factorize` gives to missing values
MISSING_CODE, OTHER_CODE = -1, -2


@dataclass(frozen=True)
class ColumnValues:
    """A column of some rows.

    Attributes
    ----------
    values
        Numbers, NaN where missing; or codes of `levels`, -1 where missing and -2 for other levels.
    levels
        The levels of a category, the most frequent first if there are many; empty for a numeric column.
    """

    name: str
    values: "Array"
    levels: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return not self.levels

    @property
    def missing(self) -> "Array":
        """A mask of the rows whose value is missing."""
        import numpy as np

        mask: Array = np.isnan(self.values) if self.numeric else self.values == MISSING_CODE
        return mask


def read_columns(features: "pd.DataFrame") -> tuple[list[ColumnValues], dict[str, str]]:
    """Return the readable columns, and for each other column the reason why it is skipped."""
    columns: list[ColumnValues] = []
    skipped: dict[str, str] = {}
    for name in features.columns[:MAX_COLUMNS]:
        column = _read(str(name), features[name])
        if isinstance(column, ColumnValues):
            columns.append(column)
        else:
            skipped[str(name)] = column
    skipped |= {str(name): f"not among the first {MAX_COLUMNS} columns" for name in features.columns[MAX_COLUMNS:]}
    return columns, skipped


def _read(name: str, column: "pd.Series[Any]") -> ColumnValues | str:
    from pandas.api import types

    if types.is_bool_dtype(column.dtype):
        return _category(name, column)
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return _number(name, column.to_numpy(dtype=float, na_value=float("nan")))
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return "holds dates"
    # lists and other objects cannot be hashed by `factorize`, and no reader would name rows by them
    if not all(isinstance(value, (str, int, float, bool)) for value in column.dropna().head(100).tolist()):
        return "holds neither text nor numbers"
    return _category(name, column)


def _number(name: str, values: "Array") -> ColumnValues | str:
    import numpy as np

    known = values[np.isfinite(values)]
    distinct = np.unique(known[: 50 * MAX_NUMERIC_LEVELS])  # the first rows mostly show that there are many
    if len(distinct) <= MAX_NUMERIC_LEVELS:
        distinct = np.unique(known)
    if not len(distinct):
        return "is empty"
    if len(distinct) > MAX_NUMERIC_LEVELS:
        return ColumnValues(name, np.where(np.isfinite(values), values, np.nan))
    # `distinct` holds every finite value, so the search is exact; the place of NaN is replaced
    codes = np.where(np.isfinite(values), np.searchsorted(distinct, values), MISSING_CODE)
    return ColumnValues(name, codes, tuple(f"{value:g}" for value in distinct))


def _category(name: str, column: "pd.Series[Any]") -> ColumnValues | str:
    import numpy as np
    import pandas as pd

    # as objects, because a categorical dtype would keep levels that do not occur
    texts = column.astype("object").where(column.notna(), None)
    codes, levels = pd.factorize(texts.map(str, na_action="ignore"))
    if not len(levels):
        return "is empty"
    if len(levels) > MAX_LEVELS:
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(levels)), kind="stable")
        places = np.full(len(levels) + 1, OTHER_CODE)  # the last place is that of the code -1
        places[order[:MAX_LEVELS]] = np.arange(MAX_LEVELS)
        places[-1] = MISSING_CODE
        codes, levels = places[codes], levels[order[:MAX_LEVELS]]
    return ColumnValues(name, codes, tuple(str(level) for level in levels))


def select_rows(columns: Sequence[ColumnValues], rows: "Array") -> list[ColumnValues]:
    """Return the columns at some of their rows."""
    return [ColumnValues(column.name, column.values[rows], column.levels) for column in columns]
