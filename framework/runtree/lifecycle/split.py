"""The stage split: train rows to fit on, validation rows to select by, test rows to report on.

The splits equal those of scikit-learn's splitters for the same seed: the test split is taken first, the validation
split from the remaining rows, both with `random_state=seed`. Where rows repeat each other some change sides afterwards,
so that equal rows are in one split.
"""

import hashlib
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.run import Run
from runtree.contract.types import SPLITS, Split, Table
from runtree.lifecycle.table_options import TableOptions, table_options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

STRATIFIED = ("stratified", "stratified_group")
OF_GROUPS = ("group", "stratified_group")


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

    if table.streamed is not None:
        return _split_streamed(table, options, seed, holds_out)
    strategy = choose_strategy(table, options)
    if options.gap and "time" not in (strategy, take_strategy(table, options)):
        raise ConfigError(
            f"data.gap: a {strategy} split has none, only one in time", "name its column: data.time=COLUMN"
        )
    train = np.arange(len(table.features))
    given, given_notes = given_rows(table, holds_out)
    train, validation = given.get("train", train), given.get("validation", train[:0])
    inner = take_strategy(table, options)
    if "test" in given:
        test = given["test"]
    else:
        # two times, or rows of a class, at least, if a validation split is taken from the rest
        remaining = 2 if holds_out and "validation" not in given else 1
        train, test = take_split(table, train, options, "test", inner, seed, remaining)
    if not holds_out:
        train, validation = np.concatenate([train, validation]), validation[:0]
    elif "validation" not in given:
        train, validation = take_split(table, train, options, "validation", inner, seed)
    train, validation = without_later_groups(table, strategy, train, validation, test)
    taken = {"validation": validation, "test": test} | dict.fromkeys(given, train[:0])
    notes = [
        *given_notes,
        *repeat_notes(table, inner if "test" not in given else ""),
        *tie_notes(table, options, strategy, taken["validation"], taken["test"]),
    ]
    if left_out := len(table.features) - sum(map(len, (train, validation, test))):
        notes.append(f"{left_out:,} of {len(table.features):,} rows are in no split: {_left_out(options, strategy)}")
    # sorted: a split is a set of rows. In the order of the table, runs see rows in an order that no splitter decides
    train, validation, test = np.sort(train), np.sort(validation), np.sort(test)
    check_groups(table, strategy, train, validation, test)
    notes += check_split_classes(table, strategy, {"train": train, "validation": validation, "test": test})
    return Split(train, validation, test, split_id(train, validation, test), tuple(notes), tuple(given))


def _split_streamed(table: Table, options: TableOptions, seed: int, holds_out: bool) -> Split:
    """Split all rows of a table that is larger than memory, by their outline, as a table in memory is split."""
    import numpy as np

    whole = split(table.streamed.outline, options, seed, holds_out)
    sides = np.full(table.streamed.rows, -1, dtype=np.int8)
    for place, part in enumerate(SPLITS):
        sides[whole.rows(part)] = place
    own = sides[table.streamed.sampled]
    rows: dict[str, Any] = {part: np.flatnonzero(own == place) for place, part in enumerate(SPLITS)}
    for part in SPLITS:
        if len(whole.rows(part)) and not len(rows[part]):
            raise DataError(
                f"data.batch_sample: none of the {len(own):,} rows in memory is a {part} row",
                f"type a larger one, or a larger data.{part}_size" if part != "train" else "type a larger one",
            )
    return replace(whole, **rows, sides=sides)


def _left_out(options: TableOptions, strategy: str) -> str:
    reasons = [f"data.gap={options.gap}"] * bool(options.gap) + ["groups that occur again later"] * bool(options.group)
    return ", ".join(reasons) if strategy == "time" else "the split that is given names no fold for them"


def given_rows(table: Table, holds_out: bool) -> "tuple[dict[str, Rows], list[str]]":
    """Return the rows of each split that files or a column give; the others are taken from the train rows."""
    import numpy as np

    if table.parts is not None:
        return {part: np.flatnonzero(table.parts == part) for part in SPLITS if (table.parts == part).any()}, []
    if table.given is None:
        return {}, []
    from runtree.tables.strata import given_splits

    rows, notes = given_splits(table.given, holds_out)
    if not len(rows["train"]):
        raise DataError(f"data.split: no row of '{table.given.name}' is train", "name some rows train, or fold 0, 1 …")
    return rows, notes


def choose_strategy(table: Table, options: TableOptions) -> str:
    """Return the strategy; "auto": by `data.group` or `data.time` if one is set, stratified for a classification.

    With `data.group`, "random" is "group" and "stratified" is "stratified_group": no group is ever divided.
    """
    chosen = options.split
    if chosen == "auto":
        if table.given is not None:
            return "predefined"
        # a group wins over a time: rows of one group on both sides leak the target, which a time order alone does not
        # prevent
        if options.group or options.time:
            return "group" if options.group else "time"
        return "stratified" if table.task == "classification" else "random"
    for needs, column in (("group", options.group), ("time", options.time)):
        if chosen == needs and not column:
            raise ConfigError(f"data.split={needs} needs the column to split by", f"name it: data.{needs}=COLUMN")
    if chosen == "predefined" and table.given is None:
        raise ConfigError(
            "data.split=predefined needs the split of each row",
            "name a column of the table: data.split_column=COLUMN",
            "or a file with the columns row and part: data.split_file=FILE",
        )
    if table.given is not None and chosen != "predefined":
        raise ConfigError(f"data.split={chosen}: the split is given by '{table.given.name}'", "type: data.split=auto")
    return {"random": "group", "stratified": "stratified_group"}.get(chosen, chosen) if options.group else chosen


def take_strategy(table: Table, options: TableOptions) -> str:
    """Return the strategy of splits that are not given."""
    strategy = choose_strategy(table, options)
    if strategy != "predefined":
        return strategy
    return choose_strategy(replace(table, given=None), replace(options, split="auto"))


def take_split(
    table: Table, rows: "Rows", options: TableOptions, name: str, strategy: str, seed: int, remaining: int = 1
) -> "tuple[Rows, Rows]":
    """Split `rows` in two: (the remaining rows, those of the split `name`).

    Under "stratified" at least `remaining` rows of each class remain, where it has as many. Under "time" rows of one
    time stay together, and at least `remaining` different ones remain: the split may be larger or smaller than its
    size. Rows within `data.gap` before it are in neither.
    """
    size, path = getattr(options, f"{name}_size"), f"data.{name}_size"
    groups = table.groups.iloc[rows] if strategy in OF_GROUPS and table.groups is not None else None
    # a share is one of all rows (or groups), not of the remaining ones: test_size=0.2 and validation_size=0.2 are
    # equally large
    total = int(table.groups.nunique()) if groups is not None and table.groups is not None else len(table.features)
    left = int(groups.nunique()) if groups is not None else len(rows)
    count = split_count(size, total, left, path)
    if strategy == "time" and table.times is not None:
        return _take_latest(table.times, rows, count, path, remaining, options.gap)
    try:
        return _take(table, rows, count, strategy, seed, total, remaining)
    except ValueError as error:
        raise DataError(f"{path}: {error}", "use a larger split, or data.split=random") from None


def split_count(size: float, total: int, left: int, path: str) -> int:
    """Return the size of a split as a count; a share refers to all rows, and is rounded up as scikit-learn does."""
    from runtree.tables.strata import split_size

    if isinstance(size, float) and not 0 < size < 1:
        raise ConfigError(f"{path}: {size} is not between 0 and 1")
    count = split_size(size, total)
    if not 0 < count < left:
        raise ConfigError(f"{path}: {size} leaves an empty split ({left} rows or groups are available)")
    return count


def _take(
    table: Table, rows: "Rows", count: int, strategy: str, seed: int, total: int, remaining: int
) -> "tuple[Rows, Rows]":
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    from runtree.tables.strata import keep_together, share_rare, strata

    if strategy == "group" and table.groups is not None:
        splitter = GroupShuffleSplit(n_splits=1, test_size=count, random_state=seed)
        left, taken = next(splitter.split(rows, groups=table.groups.iloc[rows]))
        return rows[left], rows[taken]
    target = table.target.iloc[rows]
    stratum = strata(target, bool(table.classes), -(-len(rows) // count)) if strategy in STRATIFIED else None
    if strategy == "stratified_group" and table.groups is not None:
        return _take_stratified_groups(rows, stratum, table.groups.iloc[rows], count / total, seed)
    # the only row of a class stays where something can be learnt from it
    alone = np.zeros(len(rows), dtype=bool) if stratum is None else ~stratum.duplicated(keep=False).to_numpy()
    shared = np.flatnonzero(~alone)
    strata_of_shared = None if stratum is None else stratum.iloc[shared]
    left, taken = train_test_split(shared, test_size=count, random_state=seed, stratify=strata_of_shared)
    sides = np.zeros(len(rows), dtype=int)
    sides[taken] = 1
    moved = sides
    if stratum is not None and table.classes:
        moved = share_rare(sides, pd.factorize(stratum)[0], remaining)
    if table.firsts is None and (moved == sides).all():  # in the order in which scikit-learn splits them again
        return rows[np.r_[left, np.flatnonzero(alone)]], rows[taken]
    sides = moved
    if table.firsts is None:
        return rows[sides == 0], rows[sides == 1]
    # rows of one class change places, so that classes keep their shares under either strategy
    sides = keep_together(sides, table.firsts[rows], strata(target, bool(table.classes)).to_numpy(), seed)
    if not sides.any() or sides.all():
        raise DataError(
            "data.duplicates: equal rows cannot be kept together in a split of this size",
            "type: data.duplicates=split, or a larger split",
        )
    return rows[sides == 0], rows[sides == 1]


def _take_stratified_groups(
    rows: "Rows", stratum: Any, groups: "pd.Series[Any]", share: float, seed: int
) -> "tuple[Rows, Rows]":
    """Take one fold of `StratifiedGroupKFold`, of as many folds as come nearest to the share of groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    # more than one group in a fold, and at least two folds
    folds = min(max(round(1 / share), 2), int(groups.nunique()))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of rare classes, which a note or an error names
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        left, taken = next(splitter.split(rows, stratum, groups))
    return rows[left], rows[taken]


def _take_latest(
    times: "pd.Series[Any]", rows: "Rows", count: int, path: str, remaining: int, gap: Any
) -> "tuple[Rows, Rows]":
    from runtree.tables.roles import nearest_border, sort_by_time, time_borders
    from runtree.tables.strata import before_gap, read_gap

    ordered = sort_by_time(times, rows)
    # the first `remaining - 1` borders would leave too few times on the earlier side
    borders = time_borders(times, ordered)[remaining - 1 :]
    if not len(borders):
        raise DataError(
            f"{path}: column '{times.name}' has {times.nunique()} different times, too few for the splits",
            "rows of one time are not divided between splits; type: data.split=random, or name a finer data.time",
        )
    border = nearest_border(borders, len(ordered) - count)
    end = before_gap(times, ordered, border, read_gap(gap, "data.gap"), "data.gap")
    if end < remaining:
        raise DataError(f"data.gap: {gap} leaves no row before the split", "type a smaller one, or a smaller split")
    return ordered[:end], ordered[border:]


def without_later_groups(
    table: Table, strategy: str, train: "Rows", validation: "Rows", test: "Rows"
) -> "tuple[Rows, Rows]":
    """Return train and validation rows without those of groups that occur again in a later split.

    An order in time cannot keep groups whole; their earlier rows are left out instead.
    """
    if strategy != "time" or table.groups is None:
        return train, validation
    groups = table.groups
    validation = validation[~groups.iloc[validation].isin(groups.iloc[test]).to_numpy()]
    later = groups.iloc[[*validation, *test]]
    kept = train[~groups.iloc[train].isin(later).to_numpy()]
    if not len(kept):
        raise DataError(
            f"data.split=time: every group of '{groups.name}' occurs again later",
            "without groups, type: data.group=null; without an order in time: data.split=group",
        )
    return kept, validation


def check_groups(table: Table, strategy: str, train: "Rows", validation: "Rows", test: "Rows") -> None:
    """Refuse a given split that divides a group."""
    if table.groups is None or strategy != "predefined":
        return
    one, two, three = (set(table.groups.iloc[rows]) for rows in (train, validation, test))
    both = (one & two) | (one & three) | (two & three)
    if both:
        raise DataError(
            f"data.group: the split that is given divides {len(both):,} of {table.groups.nunique():,} groups, "
            f"such as {min(both, key=str)!r}",
            "give whole groups to a split, or type: data.group=null",
        )


def repeat_notes(table: Table, strategy: str) -> list[str]:
    """Return a note if rows with equal features may be in two splits: where many rows repeat others."""
    if strategy not in ("random", "stratified") or table.firsts is not None or not table.repeated:
        return []
    says = f"{table.repeated:,} of {len(table.features):,} rows have the features of an earlier row"
    return [f"{says}, and may be in another split; to keep equal rows together, type: data.duplicates=together"]


def tie_notes(table: Table, options: TableOptions, strategy: str, validation: "Rows", test: "Rows") -> list[str]:
    """Return a note for each split whose size differs from the one requested, since rows of one time stay together."""
    from runtree.tables.strata import split_size

    if strategy != "time":
        return []
    notes = []
    for name, rows, size in (("validation", validation, options.validation_size), ("test", test, options.test_size)):
        requested = split_size(size, len(table.features))
        if len(rows) and len(rows) != requested:
            notes.append(
                f"rows of one '{options.time}' stay in one split: {name} has {len(rows):,} rows, not {requested:,}"
            )
    return notes


def check_split_classes(table: Table, strategy: str, splits: "dict[str, Rows]") -> list[str]:
    """Refuse a split that leaves a class out; return a note where the rows of the class allow no other.

    Groups, times and splits that are given may put a class on one side: that is their meaning, and it is noted.
    """
    if table.task != "classification":
        return []
    from runtree.tables.strata import shown_classes

    notes = []
    parts = {name: rows for name, rows in splits.items() if len(rows)}
    counts = table.target.value_counts()
    for name, rows in parts.items():
        seen = set(table.target.iloc[rows].unique().tolist())
        missing = [label for label in table.classes if label not in seen]
        if not missing:
            continue
        says = f"the {name} split has no row of class {shown_classes(missing)}"
        if name == "train" or (strategy == "random" and counts[missing[0]] >= len(parts)):
            raise DataError(f"data.split: {says}", _class_hint(table, strategy, missing[0]))
        notes.append(says)
    return notes


def _class_hint(table: Table, strategy: str, label: Any) -> str:
    """Return what to type where no train row, or none of a random split, is of a class."""
    if strategy == "group":
        return "data.split=stratified keeps groups whole, too"
    if strategy == "stratified_group" and table.groups is not None:
        groups = table.groups[table.target.to_numpy() == label].nunique()
        few = "group has" if groups == 1 else "groups have"
        return f"{groups} {few} rows of it: type another seed, such as seed=1, or data.group=null"
    if strategy == "predefined":
        return "name some of its rows train, or split by chance: data.split_column=null data.split_file=null"
    if table.parts is not None:
        return "put some of its rows into the train part"
    return "type: data.split=stratified"


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
    return take_split(run.data, run.split.train, options, "validation", take_strategy(run.data, options), run.seed)
