"""Tables one below the other: the files of one table, or its parts. Their columns must agree."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError
from runtree.tables.numbers import is_numeric, shorten

MAX_SHOWN = 5


def stack(frames: Mapping[str, pd.DataFrame], where: str = "data.path", hidden: Collection[str] = ()) -> pd.DataFrame:
    """Return the rows of all frames in the columns of the first one.

    Parameters
    ----------
    frames
        By the name that messages use: a file, a part.
    where
        The config path, with which messages begin.
    hidden
        Columns of which no message may quote a value.

    Raises
    ------
    DataError
        A frame lacks a column or has one more; or a column holds text in one, and numbers in another.
    """
    check_same_columns({name: list(frame.columns) for name, frame in frames.items()}, where)
    for name in next(iter(frames.values())).columns:
        kinds = {each: kind for each, frame in frames.items() if (kind := kind_of(frame[name]))}
        first = next(iter(kinds), "")
        other = next((each for each, kind in kinds.items() if kind != kinds[first]), None)
        if other is not None:
            raise DataError(
                f"{where}: column '{name}' holds {kinds[first]}s in {first} ({example(frames[first][name], hidden)}), "
                f"and {kinds[other]}s in {other} ({example(frames[other][name], hidden)})",
                f"to take it as one type, type: data.types.{name}=category, or number",
            )
    return concatenate(list(frames.values()))


def concatenate(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of frames whose columns agree; a column without values has the type of the others."""
    if len(frames) == 1:
        return frames[0]
    columns: dict[Any, pd.Series[Any]] = {}
    for name in frames[0].columns:
        parts = [frame[name] for frame in frames]
        known = [part for part in parts if kind_of(part)] or parts[:1]
        if any(isinstance(part.dtype, pd.CategoricalDtype) and part.dtype != known[0].dtype for part in known):
            parts = known = [part.astype("str") for part in parts]
        if not all(part.dtype == known[0].dtype for part in parts):
            # without a value a column has the type that the reader takes for want of a better one
            parts = [part if kind_of(part) else _empty_like(known[0], len(part)) for part in parts]
        columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def _empty_like(column: "pd.Series[Any]", rows: int) -> "pd.Series[Any]":
    whole = column.dtype.kind in "iu" if isinstance(column.dtype, np.dtype) else False
    return pd.Series([np.nan] * rows, dtype="float64") if whole else column.iloc[:0].reindex(range(rows))


def check_same_columns(columns: Mapping[str, Sequence[Any]], where: str) -> None:
    """Refuse a table that lacks a column of the first one, or has one more."""
    (first, reference), *others = columns.items()
    for name, found in others:
        lacking = [str(column) for column in reference if column not in set(found)]
        further = [str(column) for column in found if column not in set(reference)]
        if lacking or further:
            says = [f"lacks {_quoted(lacking)}"] * bool(lacking) + [f"has {_quoted(further)} besides"] * bool(further)
            raise DataError(f"{where}: {name} {' and '.join(says)}, unlike {first}", "all must have the same columns")


def mixed_columns(frames: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns that hold text in some frames, and numbers or truth values in others."""
    found = []
    for name in frames[0].columns:
        kinds = {kind for frame in frames if name in frame.columns and (kind := kind_of(frame[name]))}
        if len(kinds) > 1:
            found.append(str(name))
    return found


def kind_of(column: "pd.Series[Any]") -> str:
    """Return "number", "truth value", "date" or "text"; "" for a column without a value."""
    if not len(column) or column.isna().all():
        return ""
    inferred = types.infer_dtype(column, skipna=True) if types.is_object_dtype(column.dtype) else ""
    if types.is_bool_dtype(column.dtype) or inferred == "boolean":
        return "truth value"
    if types.is_datetime64_any_dtype(column.dtype):
        return "date"
    return "number" if is_numeric(column) else "text"


def example(column: "pd.Series[Any]", hidden: Collection[str] = ()) -> str:
    """Return the first value, as a message shows it, unless the column is hidden."""
    if str(column.name) in hidden:
        return "not shown"
    return repr(shorten(str(column.dropna().iloc[0])))


def _quoted(names: Sequence[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > MAX_SHOWN else ""
    return ("column " if len(names) == 1 else "columns ") + ", ".join(f"'{name}'" for name in names[:MAX_SHOWN]) + more
