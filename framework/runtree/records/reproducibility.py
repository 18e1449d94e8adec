"""Whether a run and its rerun agree, to the last digit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import first_line
from runtree.contract.types import RunRecord
from runtree.records.diff import Diff, Difference
from runtree.records.layout import RunFolder
from runtree.records.reader import flatten
from runtree.records.sealed import plain_source

if TYPE_CHECKING:
    import pandas as pd

ROW_COLUMNS = ("row", "part", "y_true")  # identify the row of the data that a prediction is for


@dataclass(frozen=True)
class Agreement:
    """How far two sets of values agree.

    Attributes
    ----------
    compared, differing
        How many values, or rows, were compared, and how many of them are not equal.
    largest
        The name of the number that differs most, and by how much.
    note
        Why nothing, or not all, could be compared.
    """

    compared: int
    differing: int = 0
    largest: tuple[str, float] | None = None
    note: str | None = None

    @property
    def equal(self) -> bool:
        """Return whether nothing differs."""
        return self.differing == 0


def compare_metrics(runs: Diff) -> Agreement:
    """Compare the metrics of a run and its rerun on the splits that the first has scored."""
    splits = {str(split) for split in runs.first.metrics}
    differences = [item for item in runs.section("metrics").differences if item.name.partition(".")[0] in splits]
    names = {name for record in (runs.first, runs.second) for name, _ in flatten(record.metrics)}
    compared = sum(name.partition(".")[0] in splits for name in names)
    more = [str(split) for split in runs.second.metrics if split not in splits]
    note = f"{', '.join(more)}: scored by the rerun alone" if more else None
    return Agreement(compared, len(differences), _largest_change(differences), note)


def _largest_change(differences: Sequence[Difference]) -> tuple[str, float] | None:
    sizes = [(item.name, abs(item.change)) for item in differences if item.change is not None]
    return max(sizes, key=lambda pair: pair[1], default=None)


def compare_predictions(first: RunRecord, second: RunRecord) -> Agreement:
    """Compare the predictions of two runs, row by row."""
    tables = []
    for record in (first, second):
        table, fault = _read_predictions(record)
        if table is None:
            return Agreement(0, note=f"{record.id} {fault}")
        tables.append(table)
    return _compare_tables(*tables)


def _read_predictions(record: RunRecord) -> "tuple[pd.DataFrame | None, str]":
    import pandas as pd

    file = RunFolder(record.folder).predictions
    if not file.is_file():
        return None, "has no predictions"
    try:
        table = pd.read_parquet(plain_source(file))
        # two categorical columns compare only if their categories are the same, in the same order
        return table.astype({name: object for name in table if table[name].dtype == "category"}), ""
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
        return None, f"has predictions that cannot be read ({first_line(error)})"


def _compare_tables(first: "pd.DataFrame", second: "pd.DataFrame") -> Agreement:
    place = [name for name in ROW_COLUMNS if name in first.columns]
    if list(first.columns) != list(second.columns) or not first[place].equals(second[place]):
        rows = max(len(first), len(second))
        return Agreement(rows, rows, note="they are of other rows or classes")
    names = [name for name in first.columns if name not in place]
    # exact equality: a rerun must give the same digits; NaN equals NaN
    unequal = {name: ~((first[name] == second[name]) | (first[name].isna() & second[name].isna())) for name in names}
    differing = sum(map(any, zip(*unequal.values(), strict=True))) if unequal else 0
    sizes = [(name, _max_difference(first[name], second[name])) for name in names if unequal[name].any()]
    numbers = [(name, size) for name, size in sizes if size is not None]
    return Agreement(len(first), differing, max(numbers, key=lambda pair: pair[1], default=None))


def _max_difference(first: Any, second: Any) -> float | None:
    """Return the largest difference of two columns, None if they do not hold numbers."""
    if first.dtype.kind not in "fiu" or second.dtype.kind not in "fiu":
        return None
    return float((first.astype(float) - second.astype(float)).abs().max())
