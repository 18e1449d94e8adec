"""Checks of the values of columns: outliers, values missing by group, and columns that differ between the splits."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runtree.checks.context import CheckContext, CheckResult, format_list, passed, quote_names, skipped, warned

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

OUTLIER_RANGES = 10.0  # interquartile ranges beyond a quartile,
OUTLIER_LOG_RANGES = 3.0  # and so many on the scale of logarithms, on which a long tail is short
OUTLIER_GAP = 6.0  # and so many times as far from the median as the farthest other value
MAX_OUTLIERS = 0.05  # of the rows; more are no outliers, but another group of values
MIN_VALUES = 30
MIN_DIFFERENCE = 0.1  # between two shares, from which a difference is worth telling
P_VALUE = 0.001  # for all columns together
MIN_GROUP_ROWS = 20
MAX_LEVELS = 20
DRIFT_ROWS = 20_000  # of a split that are compared
GROUPED_ROWS = 200_000  # of the table in which missing values are counted by group
BINS = 10


def check_outliers(context: CheckContext) -> CheckResult:
    """Warn of numbers far outside all others of their column, such as a code for a missing value."""
    found = {
        str(name): outliers
        for name, column in context.run.data.features.items()
        if (outliers := find_outliers(column)) is not None
    }
    if not found:
        return passed("no number lies far outside the others of its column")
    name, (rows, low, high) = next(iter(found.items()))
    values = context.run.data.features[name].to_numpy(dtype=float, na_value=float("nan"))
    value, more = values[rows[0]], f" (and in {len(found) - 1} more columns)" if len(found) > 1 else ""
    says = f"'{name}' holds {value:g} in row {rows[0] + 1:,}, and from {low:g} to {high:g} else"
    says = says if len(rows) == 1 else f"'{name}' holds {len(rows):,} numbers like {value:g}; else {low:g} to {high:g}"
    return warned(f"{says}{more}", f"if it stands for a missing value, type: data.missing=[auto,{value:g}]")


def find_outliers(column: "pd.Series[Any]") -> "tuple[Array, float, float] | None":
    """Return the rows of outliers of a column of numbers, and the range of all other values; None without any.

    An outlier is far from the quartiles on the scale of the values and on that of their logarithms, and a gap lies
    between it and the others. A long tail has none.
    """
    import numpy as np
    from pandas.api import types

    if not types.is_numeric_dtype(column) or types.is_bool_dtype(column):
        return None
    values = column.to_numpy(dtype=float, na_value=np.nan)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < MIN_VALUES:
        return None
    far = _isolated(values[known])
    if not far.any() or far.mean() > MAX_OUTLIERS:
        return None
    others = values[known][~far]
    return known[far], float(others.min()), float(others.max())


def _isolated(values: "Array") -> "Array":
    import numpy as np

    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    none = np.zeros(len(values), dtype=bool)
    # the cheap test first: most columns have no value that is far
    if high == low or not (far := _beyond(values) > OUTLIER_RANGES).any():
        return none
    far &= _beyond(np.arcsinh(values / (high - low))) > OUTLIER_LOG_RANGES
    if not far.any():
        return none
    distance = np.abs(values - middle)
    ordered = np.sort(distance)
    tail = np.flatnonzero(ordered > distance[~far].max())
    wide = [place for place in tail if ordered[place] > OUTLIER_GAP * ordered[place - 1]]
    return far & (distance >= ordered[wide[0]]) if wide else none


def _beyond(values: "Array") -> "Array":
    """Return by how many interquartile ranges each value is beyond the nearer quartile."""
    import numpy as np

    low, high = np.quantile(values, [0.25, 0.75])
    with np.errstate(divide="ignore", invalid="ignore"):
        ranges: Array = np.maximum(low - values, values - high) / (high - low)
    return ranges


def check_missing_by_group(context: CheckContext) -> CheckResult:
    """Warn of columns that are missing in some classes or groups much more often than in others."""
    from runtree.tables.table import sample_evenly

    features = sample_evenly(context.run.data.features, GROUPED_ROWS)
    incomplete = [str(name) for name, column in features.items() if column.isna().any()]
    if not incomplete:
        return passed("no missing values")
    groups = dict(_groupings(context))
    if not groups:
        return skipped("there are neither classes nor evaluator.fairness.columns")
    tests = len(incomplete) * len(groups)
    for by, labels in groups.items():
        for name in incomplete:
            if name != by and (found := _uneven(features[name].isna().to_numpy(), *labels, tests)) is not None:
                (most, share), (least, other) = found
                says = f"'{name}' is missing in {share:.0%} of the rows with {by} = {most}"
                says += f", and in {other:.0%} of those with {least}"
                return warned(
                    says,
                    "find out why: a model may predict by what is missing, and judges these groups differently",
                )
    return passed(f"{quote_names(incomplete)}: missing as often in each group of {quote_names(list(groups))}")


def _groupings(context: CheckContext) -> "Iterator[tuple[str, tuple[Array, list[str]]]]":
    """Yield the columns whose groups are compared: the group of each row by its number, and the names of the groups."""
    import pandas as pd

    from runtree.tables.groups import column_values, group_labels
    from runtree.tables.table import sample_evenly

    columns = {str(context.run.data.target.name): context.run.data.target} if context.classes else {}
    columns |= {name: group_labels(column_values(context.run.data, name)) for name in context.sensitive}
    for name, column in columns.items():
        codes, labels = pd.factorize(sample_evenly(column, GROUPED_ROWS), use_na_sentinel=False)
        yield name, (codes, list(map(str, labels)))


def _uneven(
    mask: "Array", codes: "Array", groups: list[str], tests: int
) -> "tuple[tuple[str, float], tuple[str, float]] | None":
    """Return the groups in which a property is most and least frequent, with its shares, if they differ."""
    import numpy as np

    rows = np.bincount(codes)
    kept = np.flatnonzero(rows >= MIN_GROUP_ROWS)
    hits, rows = np.bincount(codes, weights=mask)[kept], rows[kept]
    if len(kept) < 2:
        return None
    shares = hits / rows
    if np.ptp(shares) < MIN_DIFFERENCE or hits.sum() in (0, rows.sum()):
        return None
    if _chance(np.stack([hits, rows - hits])) * tests > P_VALUE:
        return None
    most, least = int(shares.argmax()), int(shares.argmin())
    return (groups[kept[most]], float(shares[most])), (groups[kept[least]], float(shares[least]))


def check_drift(context: CheckContext) -> CheckResult:
    """Warn of columns, the target among them, whose values differ between the train split and another."""
    import numpy as np

    table, splits = context.run.data, context.splits
    frame = table.features.assign(**{str(table.target.name): table.target.to_numpy()})
    # later rows have later times, and that is no news
    skip = {str(table.times.name)} if table.times is not None else set()
    names = [str(name) for name in frame.columns if str(name) not in skip]
    rows = [_thin(context.run.split.rows(split)) for split in splits]
    ends = np.cumsum([len(own) for own in rows])[:-1]
    # only what is compared is binned: a table may have many more rows
    frame = frame[names].iloc[np.concatenate(rows)]
    tests, found = len(names) * (len(splits) - 1), dict[str, tuple[float, str]]()
    for name in names:
        codes = _bin(frame[name])
        counted = [np.bincount(own, minlength=codes.max() + 1) for own in np.split(codes, ends)]
        counts = dict(zip(splits, counted, strict=True))
        for split in splits[1:]:
            distance = _distance(counts["train"], counts[split], tests)
            if distance > found.get(name, (0.0, ""))[0]:
                found[name] = distance, split
    if not found:
        return passed(f"no column of the {' or '.join(splits[1:])} split differs from the train split")
    worst = sorted(found, key=lambda name: -found[name][0])
    share, split = found[worst[0]]
    cause = "its rows are later" if context.run.metadata.get("split") == "time" else "the splits are not alike"
    dropped = format_list([name for name in worst[:3] if name != str(table.target.name)])
    return warned(
        f"{quote_names(worst)} differ between the splits: {share:.0%} of the {split} rows of '{worst[0]}' would have "
        f"to change to be like train; {cause}",
        f"expect lower scores on such rows; to leave columns out, type: data.drop={dropped}",
    )


def _thin(rows: "Array") -> "Array":
    return rows[:: max(1, -(-len(rows) // DRIFT_ROWS))]


def _bin(column: "pd.Series[Any]") -> "Array":
    """Return bins of a column: tenths of its numbers or dates, its most frequent levels, and one for missing values."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    ordered = types.is_datetime64_any_dtype(column) or (
        types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    )
    if ordered and column.nunique() > BINS:
        numbers = column.astype("int64") if types.is_datetime64_any_dtype(column) else column
        values = numbers.where(column.notna()).to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(values)
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, BINS + 1)[1:-1]))
        return np.where(known, np.searchsorted(edges, values) + 1, 0)
    codes = pd.factorize(column)[0] + 1
    counts = np.bincount(codes)
    # rare levels share a bin with the missing values: what they hold differs by chance
    order = [place for place in np.argsort(-counts, kind="stable") if place][:MAX_LEVELS]
    place = np.zeros(len(counts), dtype=int)
    place[order] = np.arange(len(order)) + 1
    binned: Array = place[codes]
    return binned


def _distance(one: "Array", two: "Array", tests: int) -> float:
    """Return the total variation between the shares of bins; 0 where it is small, or chance can explain it."""
    import numpy as np

    used = (one + two) > 0
    one, two = one[used], two[used]
    if len(one) < 2 or min(one.sum(), two.sum()) < MIN_VALUES:
        return 0.0
    distance = float(np.abs(one / one.sum() - two / two.sum()).sum() / 2)
    if distance < MIN_DIFFERENCE or _chance(np.stack([one, two])) * tests > P_VALUE:
        return 0.0
    return distance


def _chance(counts: "Array") -> float:
    """Return the p value of Pearson's test that the rows of a table of counts have the same shares."""
    import numpy as np
    from scipy.special import chdtrc

    # scipy.stats has it too, but takes two seconds to import
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return float(chdtrc(freedom, np.sum((counts - expected) ** 2 / expected)))
