"""The stage split: train rows to fit on, validation rows to select by, test rows to report on.

The splits equal those of scikit-learn's splitters for the same seed: the test split is taken first, the validation
split from the remaining rows, both with `random_state=seed`.
"""

import hashlib
import math
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, Split, Table
from runtree.lifecycle.load import TableOptions, table_options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

STRATEGIES = ("random", "stratified", "group", "time")


def split(table: Table, options: TableOptions, seed: int, holds_out: bool) -> Split:
    """Split the rows of a table.

    Parameters
    ----------
    options
        `test_size` and `validation_size` are fractions or counts, of all rows, or of all groups for "group".
    holds_out
        Whether the evaluator uses a validation split; if not, those rows are train rows.
    """
    import numpy as np

    strategy = choose_strategy(table, options)
    train = np.arange(len(table.features))
    given = given_rows(table)
    train, validation = given.get("train", train), given.get("validation", train[:0])
    if "test" in given:
        test = given["test"]
    else:
        # two times at least, if a validation split is taken from the rest
        times = 2 if holds_out and "validation" not in given else 1
        train, test = take_split(table, train, options.test_size, "data.test_size", strategy, seed, times)
    if not holds_out:
        train, validation = np.concatenate([train, validation]), validation[:0]
    elif "validation" not in given:
        train, validation = take_split(table, train, options.validation_size, "data.validation_size", strategy, seed)
    taken = {"validation": validation, "test": test} | dict.fromkeys(given, train[:0])
    notes = tie_notes(table, options, strategy, taken["validation"], taken["test"])
    # sorted: a split is a set of rows. In the order of the table, runs see rows in an order that no splitter decides
    train, validation, test = np.sort(train), np.sort(validation), np.sort(test)
    check_train_classes(table, train)
    return Split(train, validation, test, split_id(train, validation, test), notes, tuple(given))


def given_rows(table: Table) -> "dict[str, Rows]":
    """Return the rows of each split that `data.parts` gives; the train part is what the others are taken from."""
    import numpy as np

    if table.parts is None:
        return {}
    return {part: np.flatnonzero(table.parts == part) for part in SPLITS if (table.parts == part).any()}


def choose_strategy(table: Table, options: TableOptions) -> str:
    """Return the strategy; "auto": by `data.group` or `data.time` if one is set, stratified for a classification."""
    chosen = options.split
    if chosen == "auto":
        # a group wins over a time: rows of one group on both sides leak the target, which a time order alone does not
        # prevent
        if options.group or options.time:
            return "group" if options.group else "time"
        return "stratified" if table.task == "classification" else "random"
    if chosen not in STRATEGIES:
        raise ConfigError(f"data.split: {chosen!r} is not one of auto, {', '.join(STRATEGIES)}")
    for needs, column in (("group", options.group), ("time", options.time)):
        if chosen == needs and not column:
            raise ConfigError(f"data.split={needs} needs the column to split by", f"name it: data.{needs}=COLUMN")
    if chosen == "stratified" and table.task == "regression":
        raise ConfigError("data.split=stratified needs classes, but the task is regression", "type: data.split=random")
    return chosen


def take_split(
    table: Table, rows: "Rows", size: float, path: str, strategy: str, seed: int, times: int = 1
) -> "tuple[Rows, Rows]":
    """Split `rows` in two: (the remaining rows, those of the new split).

    Under "time" rows of one time stay together, and at least `times` different ones remain: the split may be larger or
    smaller than `size`.
    """
    groups = table.groups.iloc[rows] if strategy == "group" and table.groups is not None else None
    # a share is one of all rows (or groups), not of the remaining ones: test_size=0.2 and validation_size=0.2 are
    # equally large
    total = int(table.groups.nunique()) if groups is not None and table.groups is not None else len(table.features)
    left = int(groups.nunique()) if groups is not None else len(rows)
    count = split_count(size, total, left, path)
    if strategy == "time" and table.times is not None:
        return _take_latest(table.times, rows, count, path, times)
    try:
        return _take(table, rows, count, strategy, seed)
    except ValueError as error:
        raise DataError(f"{path}: {error}", "use a larger split, or data.split=random") from None


def split_count(size: float, total: int, left: int, path: str) -> int:
    """Return the size of a split as a count; a share refers to all rows, and is rounded up as scikit-learn does."""
    if isinstance(size, float) and not 0 < size < 1:
        raise ConfigError(f"{path}: {size} is not between 0 and 1")
    count = math.ceil(size * total) if isinstance(size, float) else size
    if not 0 < count < left:
        raise ConfigError(f"{path}: {size} leaves an empty split ({left} rows or groups are available)")
    return count


def _take(table: Table, rows: "Rows", count: int, strategy: str, seed: int) -> "tuple[Rows, Rows]":
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    if strategy == "group" and table.groups is not None:
        splitter = GroupShuffleSplit(n_splits=1, test_size=count, random_state=seed)
        left, taken = next(splitter.split(rows, groups=table.groups.iloc[rows]))
        return rows[left], rows[taken]
    stratify = table.target.iloc[rows] if strategy == "stratified" else None
    left, taken = train_test_split(rows, test_size=count, random_state=seed, stratify=stratify)
    return left, taken


def _take_latest(times: "pd.Series[Any]", rows: "Rows", count: int, path: str, remaining: int) -> "tuple[Rows, Rows]":
    from runtree.tables.roles import nearest_border, sort_by_time, time_borders

    ordered = sort_by_time(times, rows)
    # the first `remaining - 1` borders would leave too few times on the earlier side
    borders = time_borders(times, ordered)[remaining - 1 :]
    if not len(borders):
        raise DataError(
            f"{path}: column '{times.name}' has {times.nunique()} different times, too few for the splits",
            "rows of one time are not divided between splits; type: data.split=random, or name a finer data.time",
        )
    border = nearest_border(borders, len(ordered) - count)
    return ordered[:border], ordered[border:]


def tie_notes(table: Table, options: TableOptions, strategy: str, validation: "Rows", test: "Rows") -> tuple[str, ...]:
    """Return a note for each split whose size differs from the one requested, since rows of one time stay together."""
    if strategy != "time":
        return ()
    notes = []
    for name, rows, size in (("validation", validation, options.validation_size), ("test", test, options.test_size)):
        requested = math.ceil(size * len(table.features)) if isinstance(size, float) else size
        if len(rows) and len(rows) != requested:
            notes.append(
                f"rows of one '{options.time}' stay in one split: {name} has {len(rows):,} rows, not {requested:,}"
            )
    return tuple(notes)


def check_train_classes(table: Table, train: "Rows") -> None:
    """Refuse a train split without rows of a class."""
    if table.task == "classification":
        seen = set(table.target.iloc[train].unique().tolist())
        missing = [label for label in table.classes if label not in seen]
        if missing:
            raise DataError(
                f"data.split: the train split has no row of class {missing[0]!r}", "type: data.split=stratified"
            )


def split_id(*parts: "Rows") -> str:
    """Return a hash of the rows of all splits."""
    digest = hashlib.sha256()
    for rows in parts:
        # fixed width and byte order: the id is the same on every platform. The separator keeps [1] [2 3] and [1 2] [3]
        # apart
        digest.update(rows.astype("<i8").tobytes() + b"|")
    return digest.hexdigest()


def holdout_rows(run: Run) -> "tuple[Rows, Rows]":
    """Return train and validation rows; under cross-validation a split of the train rows, which has the same sizes."""
    if len(run.split.validation):
        return run.split.train, run.split.validation
    options = table_options(run.config.to_dict()["data"])
    strategy = choose_strategy(run.data, options)
    return take_split(run.data, run.split.train, options.validation_size, "data.validation_size", strategy, run.seed)
