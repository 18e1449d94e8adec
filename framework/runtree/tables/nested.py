"""Cells that hold mappings or lists, as Parquet and JSON do: unfolded into columns of numbers and texts.

A mapping becomes a column for each of its fields, ``address.city``. A list of numbers becomes a column for each place,
``position.0``, where all lists are equally long, and else the count, mean, smallest and largest of its numbers. A list
of texts becomes its count and, for each text, whether the list has it, ``tags.red``; where more than `MAX_LABELS`
differ, its texts in one, ``tags.text``. The columns of a model say how later rows are unfolded: see `expected`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from runtree.contract.errors import DataError
from runtree.tables.table import as_text
from runtree.tables.typed_files import plain_types

MAX_FIELDS = 200  # of a mapping; more are no fields but data
MAX_PLACES = 4096  # of a list of numbers
MAX_LABELS = 50  # texts that get a column of their own
MAX_SHOWN = 4
FIGURES = ("count", "mean", "min", "max")
COUNT, TEXT = "count", "text"
SEPARATOR = ", "
MAPPING, LIST = "mapping", "list"
LISTS = (list, tuple, set, frozenset, np.ndarray)
AS_TEXT = ("text", "category")  # declared types with which a list stays one column


def unfold(
    frame: pd.DataFrame,
    types_of: Mapping[str, str] | None = None,
    dropped: Collection[str] = (),
    expected: Collection[str] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table without nested cells, and a note on each column that had some.

    Parameters
    ----------
    types_of
        The declared types: a list that is declared as text stays one column, of its texts.
    dropped
        Columns that stay as they are, as those do that are declared as "drop".
    expected
        Of later rows the columns that there were in training: a nested column becomes those of them that begin with
        its name. None in training: then what the values show.

    Raises
    ------
    DataError
        A mapping has too many fields, or a list holds lists or mappings.
    """
    declared = types_of or {}
    left = {*dropped, *(name for name, kind in declared.items() if kind == "drop")}
    known = set(map(str, frame.columns))
    parents = parents_of(expected or ()) - set(expected or ())
    nested = {
        str(name): kind
        for name, column in frame.items()
        # of later rows, a column without a value may be one that held mappings in training
        if str(name) not in left
        and (kind := _kind_of(column) or (LIST if str(name) in parents and column.isna().all() else ""))
    }
    if not nested:
        return frame, []
    notes, parts = [], []
    for name, column in frame.items():
        kind = nested.get(str(name), "")
        # a field may have a column of its own already: names with points are common in R
        own = None if expected is None else [n for n in expected if n.startswith(f"{name}.") and n not in known]
        if kind == LIST and declared.get(str(name)) in AS_TEXT:
            parts.append(_joined(column).to_frame())
        elif not kind or own == []:  # the second is no column of the model
            parts.append(column.to_frame())
        else:
            found = _fields(column, own) if kind == MAPPING else _lists(column, own)
            found, _ = unfold(found, declared, left, own)
            notes.append(_note(str(name), kind, list(map(str, found.columns))))
            parts.append(found)
    return pd.concat(parts, axis=1), notes


def parents_of(names: Collection[str]) -> set[str]:
    """Return the names of which some may be fields: of ``a.b.c`` the names ``a`` and ``a.b``."""
    return {name[:place] for name in names for place, sign in enumerate(name) if sign == "."}


def unfold_record(record: Mapping[str, Any], expected: Collection[str], parents: Collection[str]) -> dict[str, Any]:
    """Return a record of a service with a value for each column of the model, as `unfold` returns a table.

    What is no column of the model keeps its name, for an error to tell.
    """
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and name in parents:
            flat |= unfold_record({f"{name}.{key}": one for key, one in value.items()}, expected, parents)
        elif (isinstance(value, list) or value is None) and name in parents and name not in expected:
            cells = pd.Series([value], dtype=object, name=name)
            row = unfold(cells.to_frame(), expected=expected)[0].astype(object).iloc[0]
            flat |= {str(key): None if pd.isna(one) else one for key, one in row.items() if key not in record}
        else:
            flat[name] = value
    return flat


def refuse_nested(frame: pd.DataFrame, dropped: Collection[str]) -> None:
    """Refuse columns with cells of lists or mappings that are not unfolded: among other values, or in batches."""
    nested = [str(name) for name, column in frame.items() if str(name) not in dropped and _holds_any(column)]
    if nested:
        raise DataError(
            f"data: column '{nested[0]}' holds lists or mappings, among other values or read in batches",
            f"a cell must be one number, text or date; to leave it out, type: data.drop=[{','.join(nested)}]",
        )


def _kinds(column: "pd.Series[Any]") -> set[type]:
    # quick for columns of one kind; what is left are few
    if column.dtype != object or types.infer_dtype(column, skipna=True) not in ("mixed", "unknown-array"):
        return set()
    return {type(value) for value in column.dropna()}


def _holds_any(column: "pd.Series[Any]") -> bool:
    return any(issubclass(kind, (dict, *LISTS)) for kind in _kinds(column))


def _kind_of(column: "pd.Series[Any]") -> str:
    """Return what all cells of a column are, else ""."""
    kinds = _kinds(column)
    if not kinds:
        return ""
    if all(issubclass(kind, dict) for kind in kinds):
        return MAPPING
    return LIST if all(issubclass(kind, LISTS) for kind in kinds) else ""


def _fields(column: "pd.Series[Any]", own: list[str] | None) -> pd.DataFrame:
    """Return a column for each field of mappings, in the order in which they appear."""
    rows = [{str(key): one for key, one in value.items()} if isinstance(value, dict) else {} for value in column]
    names = dict.fromkeys(key for row in rows for key in row)
    if own is None and len(names) > MAX_FIELDS:
        raise DataError(
            f"data: column '{column.name}' holds mappings with {len(names):,} different fields",
            f"make it a list of texts, or numbers, before training; to leave it out, type: data.drop=[{column.name}]",
        )
    begin = f"{column.name}."
    if own is not None:
        # `a.b.c` may be field c of the mapping b, or the field `b.c`
        known = {one.removeprefix(begin) for one in own}
        names = dict.fromkeys(key for key in names if key in known or any(one.startswith(f"{key}.") for one in known))
        covered = tuple(f"{key}." for key in names)
        names |= dict.fromkeys(one for one in sorted(known) if one not in names and not one.startswith(covered))
    cells = {f"{begin}{key}": [row.get(key) for row in rows] for key in names}
    return plain_types(pd.DataFrame(cells, index=column.index))


def _lists(column: "pd.Series[Any]", own: list[str] | None) -> pd.DataFrame:
    """Return the columns of lists: by what they hold, or of later rows by the names that training gave them."""
    if own is not None and column.isna().all():  # it may have held mappings in training
        return pd.DataFrame(dict.fromkeys(own), index=column.index)
    cells = [_elements(value) for value in column]
    inner = next((one for cell in cells if cell for one in cell if isinstance(one, (dict, *LISTS))), None)
    if inner is not None:
        raise DataError(
            f"data: column '{column.name}' holds lists of {'mappings' if isinstance(inner, dict) else 'lists'}",
            "make columns of them before training, such as their number; "
            f"to leave it out, type: data.drop=[{column.name}]",
        )
    begin = f"{column.name}."
    ends = _learn_ends(cells) if own is None else [one.removeprefix(begin) for one in own]
    columns: dict[str, Any] = {}
    if all(end.isdigit() for end in ends):
        size = 1 + max(map(int, ends))
        rows = [_places(cell, size) for cell in cells]
        columns = {str(place): [row[place] for row in rows] for place in range(size)}
    elif {*ends} <= {*FIGURES}:
        columns = {end: [_figure(cell, end) for cell in cells] for end in FIGURES}
    elif TEXT in ends and {*ends} <= {COUNT, TEXT}:
        columns = {COUNT: [_figure(cell, COUNT) for cell in cells], TEXT: _joined(column)}
    else:
        has = [None if cell is None else {*map(as_text, cell)} for cell in cells]
        columns = {end: [np.nan if cell is None else float(end in cell) for cell in has] for end in ends}
        columns[COUNT] = [_figure(cell, COUNT) for cell in cells]  # a text that is this word gives way to it
    return pd.DataFrame({f"{begin}{end}": values for end, values in columns.items()}, index=column.index)


def _learn_ends(cells: Sequence[list[Any] | None]) -> list[str]:
    """Return what the names of the columns of lists end with."""
    known = [cell for cell in cells if cell is not None]
    flat = [one for cell in known for one in cell if one is not None]
    if flat and all(map(_is_number, flat)):
        sizes = {len(cell) for cell in known}
        size = max(sizes)
        return [str(place) for place in range(size)] if len(sizes) == 1 and size <= MAX_PLACES else list(FIGURES)
    rows = Counter(text for cell in known for text in {as_text(one) for one in cell if one is not None})
    if len(rows) > MAX_LABELS:
        return [COUNT, TEXT]
    # those in most of the lists first; the count, too, keeps them apart from the places of numbers
    return [*sorted(rows, key=lambda text: (-rows[text], text)), COUNT]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number))


def _elements(value: Any) -> list[Any] | None:
    """Return the elements of a list, None for what is missing among them; None for a missing list."""
    if not isinstance(value, LISTS):
        return None
    items = value.tolist() if isinstance(value, np.ndarray) else value
    items = sorted(items, key=str) if isinstance(value, (set, frozenset)) else items
    return [one if isinstance(one, (dict, *LISTS)) or not pd.isna(one) else None for one in items]


def _places(cell: list[Any] | None, size: int) -> list[Any]:
    """Return the numbers of a list by their place; a list of another length is what a number is not: a text."""
    if cell is None:
        return [np.nan] * size
    if len(cell) != size:
        return [f"{len(cell)} numbers, not {size}"] * size
    return [np.nan if one is None else float(one) if _is_number(one) else as_text(one) for one in cell]


def _figure(cell: list[Any] | None, name: str) -> Any:
    """Return a figure of a list; that of texts is the first of them, which is reported as no number."""
    known = [one for one in cell or () if one is not None]
    if cell is None or (not known and name != COUNT):
        return np.nan
    if name == COUNT:
        return float(len(known))
    strange = next((one for one in known if not _is_number(one)), None)
    if strange is not None:
        return as_text(strange)
    return float(np.mean(known) if name == "mean" else min(known) if name == "min" else max(known))


def _joined(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the elements of lists in one text."""
    cells = [_elements(value) if isinstance(value, LISTS) else value for value in column]
    texts = [
        SEPARATOR.join(as_text(one) for one in cell if one is not None) if isinstance(cell, list) else cell
        for cell in cells
    ]
    return pd.Series(texts, index=column.index, name=column.name, dtype="str")


def _note(name: str, kind: str, columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:MAX_SHOWN]) + (f", … ({len(columns)} in all)" if len(columns) > MAX_SHOWN else "")
    return f"column '{name}': {kind}s become columns ({shown}); to leave them out, type: data.drop=[{name}]"
