"""Whether a run that was done again came to the same, to the last digit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.types import RunRecord
from runtree.records.artifacts import leaves
from runtree.records.diff import Diff, Difference
from runtree.records.layout import RunFolder

if TYPE_CHECKING:
    import pandas as pd

PLACE = ("row", "part", "y_true")  # which row of the data a prediction is of


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
        """Tell whether nothing differs."""
        return self.differing == 0


def compare_metrics(found: Diff) -> Agreement:
    """Return how far the metrics of a run and of its repeat agree, on the parts that the first scored."""
    parts = {str(part) for part in found.one.metrics}
    counted = [item for item in found.section("metrics").found if item.name.partition(".")[0] in parts]
    names = {name for record in (found.one, found.other) for name, _ in leaves(record.metrics)}
    compared = sum(name.partition(".")[0] in parts for name in names)
    more = [str(part) for part in found.other.metrics if part not in parts]
    note = f"{', '.join(more)}: scored by the rerun alone" if more else None
    return Agreement(compared, len(counted), _largest(counted), note)


def _largest(items: list[Difference]) -> tuple[str, float] | None:
    sizes = [(item.name, abs(item.change)) for item in items if item.change is not None]
    return max(sizes, key=lambda pair: pair[1], default=None)


def compare_predictions(one: RunRecord, other: RunRecord) -> Agreement:
    """Return how far the predictions of two runs agree, row by row."""
    tables = []
    for record in (one, other):
        table, fault = _predictions(record)
        if table is None:
            return Agreement(0, note=f"{record.id} {fault}")
        tables.append(table)
    return _agreement(*tables)


def _predictions(record: RunRecord) -> "tuple[pd.DataFrame | None, str]":
    import pandas as pd

    file = RunFolder(record.folder).predictions
    if not file.is_file():
        return None, "kept none"
    try:
        found = pd.read_parquet(file)
        return found.astype({name: object for name in found if found[name].dtype == "category"}), ""
    except (OSError, ValueError) as error:  # pyarrow's own errors are among them
        return None, f"has none that can be read ({str(error).partition(chr(10))[0]})"


def _agreement(one: "pd.DataFrame", other: "pd.DataFrame") -> Agreement:
    place = [name for name in PLACE if name in one.columns]
    if list(one.columns) != list(other.columns) or not one[place].equals(other[place]):
        return Agreement(max(len(one), len(other)), max(len(one), len(other)), note="they are of other rows or classes")
    answers = [name for name in one.columns if name not in place]
    unequal = {name: ~((one[name] == other[name]) | (one[name].isna() & other[name].isna())) for name in answers}
    rows = sum(map(any, zip(*unequal.values(), strict=True))) if unequal else 0
    sizes = [(name, _size(one[name], other[name])) for name in answers if unequal[name].any()]
    numbers = [(name, size) for name, size in sizes if size is not None]
    return Agreement(len(one), rows, max(numbers, key=lambda pair: pair[1], default=None))


def _size(one: Any, other: Any) -> float | None:
    """Return the largest difference of two columns of numbers."""
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return None
    return float((one.astype(float) - other.astype(float)).abs().max())
