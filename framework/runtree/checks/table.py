"""Checks of the table and its split: missing values, useless columns, and rows that must not be in two splits."""

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from runtree.checks.context import (
    CheckContext,
    CheckResult,
    failed,
    format_list,
    passed,
    quote_names,
    silent,
    skipped,
    warned,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

MAX_INCOMPLETE_ROWS = 200  # rows with missing values of each split that are checked besides the sample
MIN_IDENTIFIER_ROWS = 20  # with fewer rows it means little that all values differ
SENTENCE_WORDS = 3  # texts of at least this many words are free text, not identifiers
MIN_CLASS_ROWS = 5  # of a class in a split
FIRST_ROWS = 1000


def check_missing(context: CheckContext) -> CheckResult:
    """Fail if missing or infinite values are left after preprocessing, and the algorithm does not accept them."""
    import numpy as np

    preprocess, _ = context.prepare(context.train)
    missing, infinite = 0, 0
    for split in context.splits:
        with silent():
            prepared = preprocess.transform(context.features(_rows_to_check(context, split)))
        # the zeros that a sparse matrix leaves out are not missing
        values = np.asarray(prepared.data if hasattr(prepared, "tocsr") else prepared, dtype=float)
        missing, infinite = missing + int(np.isnan(values).sum()), infinite + int(np.isinf(values).sum())
    if infinite:
        return failed(f"{infinite:,} infinite values are left after preprocessing", "type: preprocess=tabular")
    if missing and not accepts_missing(context):
        name = context.run.config.algorithm.get("name")
        return failed(
            f"{missing:,} missing values are left, and {name} does not accept them", "type: preprocess=tabular"
        )
    raw = int(context.run.data.features.isna().sum().sum())
    if not raw:
        return passed("no missing values" if not missing else "no missing values; the algorithm accepts those left")
    left = "; the algorithm accepts those left" if missing else ", none left"
    return passed(f"{raw:,} missing values in the table{left}")


def accepts_missing(context: CheckContext) -> bool:
    """Return whether the algorithm accepts missing values: by its scikit-learn tags, else by fitting it."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(context.run.estimator).input_tags.allow_nan)
    except Exception:  # not a scikit-learn estimator
        return context.fit_error is None


def _rows_to_check(context: CheckContext, split: str) -> "Rows":
    """Return a sample of a split, and rows with missing or infinite values, which the sample may not have."""
    import numpy as np

    rows = context.run.split.rows(split)
    raw = context.features(rows)
    numbers = raw.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)
    incomplete = raw.isna().to_numpy().any(axis=1) | np.isinf(numbers).any(axis=1)
    return np.union1d(context.reduce(rows), rows[incomplete][:MAX_INCOMPLETE_ROWS])


def check_reading(context: CheckContext) -> CheckResult:
    """Warn of columns that may be meant otherwise than they were read."""
    notes = context.run.data.notes
    if not notes:
        return passed("no column looks like another type than it was read as")
    more = f" (and {len(notes) - 1} more notes, which train prints)" if len(notes) > 1 else ""
    note, _, advice = notes[0].partition("; ")
    return warned(note + more, advice)


def check_constant(context: CheckContext) -> CheckResult:
    """Warn of columns with one value."""
    features, rows = context.run.data.features, context.run.split.train
    # most columns vary in their first rows: the others alone are looked at whole
    names = [
        str(name)
        for name, column in features.items()
        if _is_constant(column.iloc[rows[:FIRST_ROWS]]) and _is_constant(column.iloc[rows])
    ]
    if names:
        return warned(
            f"{len(names)} of {features.shape[1]:,} columns are constant in the train split: {quote_names(names)}",
            f"drop them: data.drop={format_list(names)}",
        )
    return passed("every column varies")


def _is_constant(column: "pd.Series[Any]") -> bool:
    return column.nunique(dropna=False) <= 1


def check_identifiers(context: CheckContext) -> CheckResult:
    """Warn of columns in which every value differs, such as a customer number."""
    features = context.run.data.features
    if len(features) < MIN_IDENTIFIER_ROWS:
        return skipped(f"{len(features)} rows are too few for this check")
    names = [str(name) for name, column in features.items() if is_identifier(column)]
    if names:
        return warned(
            f"every value differs in {quote_names(names)}: an identifier says nothing about other rows",
            f"if it is one, type: data.drop={format_list(names)}",
        )
    return passed("no column is an identifier")


def is_identifier(column: "pd.Series[Any]") -> bool:
    """Return whether whole numbers or short texts differ in every row; of measurements and dates that is normal."""
    import numpy as np
    from pandas.api import types

    from runtree.tables.dates import find_format

    is_date = types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column)
    is_text = not (types.is_numeric_dtype(column) or is_date)
    if not (is_text or types.is_integer_dtype(column)) or column.nunique() < len(column):
        return False
    if not is_text:
        return True
    texts = column.head(1000).astype(str).tolist()
    # dates as the preprocessing reads them
    is_dated = find_format(texts, np.ones(len(texts), dtype=int)) is not None
    return not is_dated and sum(len(text.split()) for text in texts) < SENTENCE_WORDS * len(texts)


def check_classes(context: CheckContext) -> CheckResult:
    """Fail if a split lacks a class; warn if one has very few rows."""
    if not context.classes:
        return skipped("the task is regression")
    counts = {split: context.target(context.run.split.rows(split)).value_counts() for split in context.splits}
    for split, frequencies in counts.items():
        absent = [label for label in context.classes if label not in frequencies.index]
        if absent:
            more = f" (nor of {len(absent) - 1} others)" if len(absent) > 1 else ""
            message = f"the {split} split has no row of class {absent[0]!r}{more}"
            return failed(message, _class_advice(context, split))
    split = min(counts, key=lambda name: int(counts[name].min()))
    label = min(context.classes, key=lambda name: int(counts[split][name]))
    rows = int(counts[split][label])
    message = f"all {len(context.classes)} in each split; the smallest: {label!r} with {rows:,} in {split}"
    if rows < MIN_CLASS_ROWS:
        return warned(message, f"too few to learn or judge it; {_class_advice(context, split)}")
    return passed(message)


def _class_advice(context: CheckContext, split: str) -> str:
    if context.run.metadata.get("split") == "random":
        return "type: data.split=stratified"
    return f"make it larger: data.{split}_size=0.3, or collect or drop rare classes"


def check_groups(context: CheckContext) -> CheckResult:
    """Fail if a group has rows in two splits."""
    column = context.run.data.groups
    if column is None:
        return skipped("data.group names no column")
    groups = {split: set(values.tolist()) for split, values in _by_split(context, column)}
    for first, second in combinations(groups, 2):
        shared = groups[first] & groups[second]
        if shared:
            # the smallest by its text, so that the message is the same each time; labels may have no order
            example = min(shared, key=str)
            return failed(
                f"{len(shared):,} groups of '{column.name}' are in both {first} and {second}, such as {example!r}",
                "type: data.split=group",
            )
    return passed(f"{column.nunique():,} groups of '{column.name}', each in one split")


def check_time(context: CheckContext) -> CheckResult:
    """Fail if a row of a split is not later than all rows of the splits before it; the times are those of the split."""
    column = context.run.data.times
    if column is None:
        return skipped("data.time names no column")
    for (before, earlier), (split, values) in pairwise(_by_split(context, column)):
        last = earlier.max()
        early = int((values <= last).sum())
        if early:
            return failed(
                f"{early:,} {split} rows are not later than the last {before} row ({last})", "type: data.split=time"
            )
    last = column.iloc[context.run.split.train].max()
    return passed(f"the train split ends with {last}, before the others begin")


def _by_split(context: CheckContext, column: "pd.Series[Any]") -> "Iterator[tuple[str, pd.Series[Any]]]":
    return ((split, column.iloc[context.run.split.rows(split)]) for split in context.splits)
