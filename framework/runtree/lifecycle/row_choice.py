"""Which rows of a table are used, and which of them must not be separated."""

from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.table_options import TableOptions
from runtree.lifecycle.target import choose_task
from runtree.tables.csv_files import Reading

if TYPE_CHECKING:
    import pandas as pd


MIN_DIFFERENT = 0.1  # of all rows: fewer are no copies, but levels of a category
MIN_TOLD_APART = 0.5  # of the different rows, by one column: equal ones are copies
MIN_CLASS_ROWS = 3  # of a class in a sample, where the class has as many: one for each part of a stratified split


def sample_rows(frame: "pd.DataFrame", options: TableOptions, seed: int) -> "pd.DataFrame":
    """Return a seeded sample of rows in their original order; each class of a classification keeps its share."""
    sample = options.sample
    if sample is None:
        # all later stages address rows by position, and `predictions.parquet` names rows by these numbers
        return frame.reset_index(drop=True)
    if sample <= 0 or (isinstance(sample, float) and sample > 1):
        raise ConfigError(f"data.sample: {sample} is neither a share (0 to 1) nor a count of rows")
    count = max(1, round(sample * len(frame)) if isinstance(sample, float) else min(sample, len(frame)))
    target = frame[options.target]
    if options.task == "classification" or (
        options.task == "auto" and choose_task(target, options)[0] == "classification"
    ):
        rows = sample_classes(target, count, seed)
        if rows is not None:
            return take_rows(frame, rows)
    if numeric_and_known(target):
        from runtree.tables.strata import strata

        rows = sample_classes(strata(target, False), count, seed)
        if rows is not None:
            return take_rows(frame, rows)
    # sorted again: the order of rows may carry the time, and a sample must not shuffle it
    return frame.sample(n=count, random_state=seed).sort_index().reset_index(drop=True)


def sample_classes(target: "pd.Series[Any]", count: int, seed: int) -> "Any | None":
    """Return positions of `count` rows, ascending, in which each class has its share of the table.

    A rare class keeps a few rows all the same. None if there are more classes than half the rows of the sample.
    """
    import numpy as np
    import pandas as pd

    codes, levels = pd.factorize(target, use_na_sentinel=False)
    sizes, classes = np.bincount(codes), len(levels)
    if 2 * classes > count:
        return None
    share = sizes * (count / len(codes))
    least = np.minimum(sizes, max(1, min(MIN_CLASS_ROWS, count // (2 * classes))))
    taken = np.maximum(np.floor(share).astype(int), least)
    # the rounding is made up for where it is largest
    while taken.sum() < count:
        taken[np.argmax(share - taken)] += 1
    while taken.sum() > count:
        taken[np.argmax(np.where(taken > least, taken - share, -np.inf))] -= 1
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    first = np.cumsum(sizes) - sizes
    return np.sort(np.concatenate([by_class[at : at + some] for at, some in zip(first, taken, strict=True)]))


def take_rows(frame: "pd.DataFrame", rows: Any) -> "pd.DataFrame":
    """Return some rows by position, numbered anew."""
    taken: pd.DataFrame = frame.iloc[rows].reset_index(drop=True)
    return taken


def numeric_and_known(target: "pd.Series[Any]") -> bool:
    """Return whether a target holds numbers in every row, and so has bins."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(target) and not is_bool_dtype(target) and bool(target.notna().all())


def find_repeats(hashes: Any, policy: str, features: "pd.DataFrame", sampled: Any = None) -> "tuple[Any | None, int]":
    """Return for each row the first with equal features, if such rows are to be in one split, and how many repeat.

    Parameters
    ----------
    hashes
        Those of the features of each row, as `TableHash.update` returns them.
    features, sampled
        Of all rows, or of those with these positions.
    """
    import numpy as np

    from runtree.tables.strata import MAX_REPEATED, repeated_rows

    if policy == "split":
        return None, 0
    firsts = repeated_rows(hashes)
    repeated = int((firsts != np.arange(len(firsts))).sum())
    kept = policy == "together" or repeated <= MAX_REPEATED * len(firsts)
    kept = kept or are_copies(features, firsts if sampled is None else firsts[sampled])
    return firsts if kept and repeated else None, repeated


def are_copies(features: "pd.DataFrame", firsts: Any) -> bool:
    """Return whether one column alone tells most different rows apart, such as an amount or a time.

    Then equal rows are copies, and not equal by chance, as in a table of a few categories.
    """
    import pandas as pd

    different = len(pd.unique(firsts))
    if different < MIN_DIFFERENT * len(firsts):
        return False
    return any(column.nunique() > MIN_TOLD_APART * different for _, column in features.items())


def read_split_file(rows: int, options: TableOptions) -> "pd.Series[Any]":
    """Return what `data.split_file` says of each of the rows: a split, or the number of a fold.

    The file has a column ``part`` or ``fold``, and ``row``, the position in the table from 0, unless it has one line
    for each row in their order. So `predictions.parquet` of an earlier run gives its split again.
    """
    from runtree.tables.file_formats import FileOptions, read_files
    from runtree.tables.places import local_files
    from runtree.tables.strata import read_given

    path = "data.split_file"
    if options.split_column:
        raise ConfigError(f"{path}: data.split_column gives the split already", f"type: {path}=null")
    with local_files(str(options.split_file), FileOptions().suffixes, path) as files:
        listed = read_files(files, FileOptions(), Reading(), path)[0]
    label = next((name for name in ("part", "fold") if name in listed.columns), None)
    if label is None:
        raise DataError(f"{path}: {options.split_file} has no column part or fold", "columns: row and part")
    if "row" in listed.columns:
        pairs = listed[["row", label]].drop_duplicates()
        listed = pairs.set_index("row").reindex(range(rows)) if pairs["row"].is_unique else pairs
    if len(listed) != rows:
        raise DataError(
            f"{path}: {options.split_file} has {len(listed):,} rows, and the table {rows:,}",
            "a line for each row of the table, in their order, or a column row with their positions from 0",
        )
    return read_given(listed[label].reset_index(drop=True), path)
