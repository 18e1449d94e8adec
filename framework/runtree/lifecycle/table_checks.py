"""What a table must be before anything is learnt from it."""

from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, unknown
from runtree.lifecycle.table_options import TableOptions

if TYPE_CHECKING:
    import pandas as pd


def check_frame(frame: "pd.DataFrame", options: TableOptions) -> None:
    """Refuse an empty table, repeated column names and columns that are not there."""
    if len(frame) == 0:
        raise DataError("data: the table has no rows")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"data: two columns are named '{repeated[0]}'", "rename one of them")
    columns = [str(column) for column in frame.columns]
    wanted = {"data.target": [options.target], "data.drop": options.drop or []}
    wanted |= {
        "data.group": [options.group] if options.group else [],
        "data.time": [options.time] if options.time else [],
    }
    for path, names in wanted.items():
        for name in names:
            if name not in columns:
                raise unknown(f"column at {path}:", name, columns, error=DataError)


def check_target(target: "pd.Series[Any]", name: str) -> None:
    """Refuse a target with holes."""
    missing = int(target.isna().sum())
    if missing:
        raise DataError(
            f"data.target: column '{name}' is missing in {missing} of {len(target)} rows",
            "drop those rows, or fill them, before training",
        )


def check_classes(target: "pd.Series[Any]", name: str) -> tuple[Any, ...]:
    """Return the sorted classes; a single one, or one with a single row, cannot be learnt."""
    counts = target.value_counts()
    if len(counts) < 2:
        raise DataError(f"data.target: column '{name}' holds one class only: {counts.index[0]!r}")
    if len(counts) > len(target) / 2:
        raise DataError(
            f"data.target: column '{name}' holds {len(counts)} classes in {len(target)} rows",
            "if it is a quantity, type: data.task=regression",
        )
    try:
        return tuple(sorted(counts.index.tolist()))
    except TypeError:
        raise DataError(f"data.target: column '{name}' mixes text and numbers") from None
