"""What a model answers on average where all rows had one and the same value of a column: partial dependence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.lifecycle.examination.subject import Subject
from runtree.lifecycle.examination.variants import Sample, expected, take_sample

if TYPE_CHECKING:
    import pandas as pd

FEATURES = {"auto": 5, "full": 1_000}
ROWS = {"auto": 200, "full": 1_000}
POINTS = 20  # of a grid
LEVELS = 20  # of a category; the rarest are left out
MIDDLE = (0.05, 0.95)  # the quantiles between which a grid lies
LEFT_OUT = "dependence_left_out"


@dataclass(frozen=True)
class Grid:
    """The values that a column is set to, in its own type."""

    kind: str
    values: "pd.Series[Any]"


def dependence(subject: Subject) -> list[dict[str, Any]] | None:
    """Return the average answer over a grid of each of the most important columns.

    Friedman 2001, doi:10.1214/aos/1013203451; equal to scikit-learn's `partial_dependence(method="brute")` where that
    takes the column. `average` has a list of chances for each class in `class`, of two classes for the second alone;
    for a regression one list of predictions, and `class` is None.
    """
    asked, ranked = subject.options.explain, subject.found.get("importance")
    if asked == "none" or not ranked:
        return None
    sample = take_sample(subject.run, ROWS[asked])
    found, left = [], []
    for name in [one["feature"] for one in ranked["features"]][: FEATURES[asked]]:
        position = sample.names.index(name)
        grid = make_grid(sample.features.iloc[:, position])
        if isinstance(grid, str):
            left.append({"feature": name, "reason": grid})
        else:
            found.append(_told(sample, name, position, grid))
    if left:
        subject.found[LEFT_OUT] = left
    return found


def make_grid(column: "pd.Series[Any]") -> Grid | str:
    """Return the values to set a column to, or why there are none."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_scalar

    known = column.dropna()
    if is_datetime64_any_dtype(column):
        return "dates are not set one by one: what is made of them moves together"
    if not known.map(is_scalar).all():
        return "its cells are no numbers or words"
    if known.nunique() < 2:
        return "it does not vary in the sample"
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return Grid("numeric", _numbers(known))
    counts = known.value_counts()
    if len(counts) > LEVELS and counts.iloc[:LEVELS].sum() < len(known) / 2:
        return f"text of {len(counts)} different values"
    levels = counts.index[:LEVELS]
    return Grid("category", known[~known.duplicated() & known.isin(levels)].sort_values().reset_index(drop=True))


def _numbers(known: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the values themselves where there are few, else 20 points between two quantiles, whole for whole numbers.

    The quantiles are those of `scipy.stats.mstats.mquantiles`, which scikit-learn takes.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats.mstats import mquantiles

    values = np.unique(known.to_numpy())
    if len(values) >= POINTS:
        low, high = mquantiles(known.to_numpy(dtype=float), prob=MIDDLE)
        between = np.linspace(low, high, POINTS) if high > low else values[:: max(1, len(values) // POINTS)]
        values = np.unique(between.round()) if known.dtype.kind in "iu" else between
    return pd.Series(values).astype(known.dtype)


def _told(sample: Sample, name: str, position: int, grid: Grid) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    rows, classes = len(sample.features), sample.run.data.classes
    changes = [(position, pd.Series(grid.values.iloc[[number] * rows].array)) for number in range(len(grid.values))]
    average = np.array([expected(found).mean(axis=0) for found in sample.variants(changes, bool(classes))])
    shown = range(1, 2) if len(classes) == 2 else range(average.shape[1])
    return {
        "feature": name,
        "kind": grid.kind,
        "grid": grid.values.tolist(),
        "average": [average[:, place].tolist() for place in shown],
        "class": [classes[place] for place in shown] if classes else None,
        "part": sample.part,
        "rows": rows,
    }
