"""The profile of a table: what each column holds, and how much it tells of the target."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtree.checks.leakage import correlation_ratio, encode_column, standardize_target
from runtree.checks.schema import as_dates
from runtree.contract.predictions import encode_labels
from runtree.contract.types import Table
from runtree.tables.table import as_text, sample_evenly

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

QUANTILES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
BINS = 20
TAILS = (0.01, 0.99)  # between which the bins lie: one far value must not push all others into one bin
TOP = 10
MAX_LEVELS = 100  # of a column whose values a run may keep: more of them may name people
ASSOCIATION_ROWS = 20_000


def profile_table(table: Table, anonymous: bool = False) -> dict[str, Any]:
    """Return the profile of a table, as `profile.json` holds it.

    Parameters
    ----------
    anonymous
        Whether values of columns with many levels are left out.
    """
    associations = _associations(table)
    roles = {str(name): "feature" for name in table.features.columns} | {str(table.target.name): "target"}
    columns = {**dict(table.features.items()), table.target.name: table.target}
    return {
        "name": table.name,
        "rows": len(table.features),
        "target": str(table.target.name),
        "task": table.task,
        "fingerprint": table.fingerprint,
        "notes": list(table.notes),
        "columns": [
            {
                "name": str(name),
                "role": roles[str(name)],
                **profile_column(column, anonymous),
                "association": associations.get(str(name)),
            }
            for name, column in columns.items()
        ],
    }


def profile_column(column: "pd.Series[Any]", anonymous: bool = False) -> dict[str, Any]:
    """Return type, missing and distinct values, and quantiles or the most frequent values, as pandas counts them."""
    from pandas.api import types

    known = column.dropna()
    if types.is_string_dtype(column.dtype) and (dates := as_dates(known)) is not None:
        known = dates
    found: dict[str, Any] = {"dtype": str(column.dtype), "missing": len(column) - len(known)}
    if types.is_datetime64_any_dtype(known.dtype):
        moments = known.dt.tz_convert("UTC").dt.tz_localize(None) if known.dt.tz is not None else known
        found |= {"kind": "date", "distinct": int(known.nunique())}
        if len(known):
            quantiles = moments.quantile(list(QUANTILES.values()))
            found["quantiles"] = {name: _date(value) for name, value in zip(QUANTILES, quantiles, strict=True)}
            edges, counts = _histogram(moments.astype("datetime64[s]").astype("int64").to_numpy(dtype=float))
            found["histogram"] = {"edges": [_moment(edge) for edge in edges], "counts": counts}
        return found
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        return {**found, "kind": "number", "distinct": int(known.nunique()), **_numbers(known.to_numpy(dtype=float))}
    levels = known.value_counts()
    found |= {"kind": "category", "distinct": len(levels)}
    if anonymous and len(levels) > MAX_LEVELS:
        return found
    return found | {"top": [{"value": as_text(value), "rows": int(rows)} for value, rows in levels.head(TOP).items()]}


def _numbers(values: "Array") -> dict[str, Any]:
    import numpy as np

    finite = values[np.isfinite(values)]
    found: dict[str, Any] = {"infinite": len(values) - len(finite)} if len(finite) < len(values) else {}
    if not len(finite):
        return found
    quantiles = np.quantile(finite, list(QUANTILES.values()))
    edges, counts = _histogram(finite)
    return {
        **found,
        "mean": float(finite.mean()),
        "std": float(finite.std(ddof=1)) if len(finite) > 1 else None,
        "quantiles": dict(zip(QUANTILES, map(float, quantiles), strict=True)),
        "histogram": {"edges": edges, "counts": counts},
    }


def _histogram(values: "Array") -> tuple[list[float], list[int]]:
    """Return the edges of bins, and their counts; what lies beyond them is in the first and the last bin."""
    import numpy as np

    low, high = np.quantile(values, TAILS)
    if low == high:
        low, high = values.min(), values.max()
    counts, edges = np.histogram(np.clip(values, low, high), bins=BINS if high > low else 1, range=(low, high))
    return [float(edge) for edge in edges], [int(count) for count in counts]


def _moment(seconds: float) -> str:
    import pandas as pd

    return _date(pd.Timestamp(round(seconds), unit="s"))


def _date(moment: Any) -> str:
    return str(moment).removesuffix(" 00:00:00")


def _associations(table: Table) -> Mapping[str, float]:
    """Return for each feature the share of the target's variance, or of that of its ranks, between bins of it."""
    import numpy as np

    target = sample_evenly(table.target, ASSOCIATION_ROWS)
    values = encode_labels(target.to_numpy(), table.classes) if table.classes else target.to_numpy(dtype=float)
    standardized = standardize_target(np.asarray(values), bool(table.classes))
    features = sample_evenly(table.features, ASSOCIATION_ROWS)
    return {
        str(name): round(correlation_ratio(*encode_column(column), standardized), 6)
        for name, column in features.items()
    }
