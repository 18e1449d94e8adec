"""The table's columns as a person would name some of its rows: numbers and categories; what is neither is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

LEVELS = 50  # of a category: a column with more is a name or a text, and is cut to its most frequent ones
DISTINCT = 5  # values up to which a number is read as a category
COLUMNS = 100  # at most: of more the first, as the table has them


@dataclass(frozen=True)
class ColumnValues:
    """A column of some rows.

    Attributes
    ----------
    values
        Numbers with NaN for what is missing, or codes of `levels` with -1 for what is missing and -2 for other levels.
    levels
        The levels of a category, the most frequent first; empty for numbers.
    """

    name: str
    values: "Array"
    levels: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return not self.levels

    @property
    def missing(self) -> "Array":
        """Where nothing is known."""
        import numpy as np

        found: Array = np.isnan(self.values) if self.numeric else self.values == -1
        return found


def read_columns(features: "pd.DataFrame") -> tuple[list[ColumnValues], dict[str, str]]:
    """Return what can be read, and the reasons why other columns cannot."""
    found: list[ColumnValues] = []
    skipped: dict[str, str] = {}
    for name in features.columns[:COLUMNS]:
        column = _read(str(name), features[name])
        if isinstance(column, ColumnValues):
            found.append(column)
        else:
            skipped[str(name)] = column
    skipped |= {str(name): f"beyond the first {COLUMNS} columns" for name in features.columns[COLUMNS:]}
    return found, skipped


def _read(name: str, column: "pd.Series[Any]") -> ColumnValues | str:
    from pandas.api import types

    if types.is_bool_dtype(column.dtype):
        return _category(name, column)
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        values = column.to_numpy(dtype=float, na_value=float("nan"))
        return _number(name, values)
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return "holds moments"
    if not all(isinstance(one, (str, int, float, bool)) for one in column.dropna().head(100).tolist()):
        return "holds no text and no numbers"
    return _category(name, column)


def _number(name: str, values: "Array") -> ColumnValues | str:
    import numpy as np

    known = values[np.isfinite(values)]
    few = np.unique(known[: 50 * DISTINCT])
    if len(few) <= DISTINCT:
        few = np.unique(known)
    if not len(few):
        return "holds nothing"
    if len(few) > DISTINCT:
        return ColumnValues(name, np.where(np.isfinite(values), values, np.nan))
    codes = np.where(np.isfinite(values), np.searchsorted(few, values), -1)
    return ColumnValues(name, codes, tuple(f"{one:g}" for one in few))


def _category(name: str, column: "pd.Series[Any]") -> ColumnValues | str:
    import numpy as np
    import pandas as pd

    texts = column.astype("object").where(column.notna(), None)
    codes, levels = pd.factorize(texts.map(str, na_action="ignore"))
    if not len(levels):
        return "holds nothing"
    if len(levels) > LEVELS:
        order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(levels)), kind="stable")
        places = np.full(len(levels) + 1, -2)  # the last is that of the code -1
        places[order[:LEVELS]] = np.arange(LEVELS)
        places[-1] = -1
        codes, levels = places[codes], levels[order[:LEVELS]]
    return ColumnValues(name, codes, tuple(str(level) for level in levels))


def select_rows(columns: Sequence[ColumnValues], rows: "Array") -> list[ColumnValues]:
    """Return the same columns at some of their rows."""
    return [ColumnValues(column.name, column.values[rows], column.levels) for column in columns]
