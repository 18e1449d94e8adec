"""Checks of rows that occur more than once: within the table, with another target, in two splits."""

from typing import TYPE_CHECKING, Any

from runtree.checks.context import CheckContext, CheckResult, passed, skipped, warned

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

MIN_TOLD_SHARE = 0.05  # of a split or table: fewer rows that are the same can be chance, and a run does not tell them
MAX_SHOWN_ROWS = 3
MAX_IMBALANCE = 10  # rows of the largest class for each of the smallest


def check_copies(context: CheckContext) -> CheckResult:
    """Warn of rows that occur more than once, features and target alike."""
    table = context.run.data
    ids = repeated_rows(table.features.assign(**{"\0target": table.target.to_numpy()}))
    copies = int((ids >= 0).sum() - len(set(ids[ids >= 0].tolist())))
    if not copies:
        return passed("every row occurs once")
    counted = "1 row is a copy of another" if copies == 1 else f"{copies:,} rows are copies of others"
    return warned(
        f"{counted} ({copies / len(ids):.1%}), such as rows {_example(ids)}",
        "drop them, unless they are observations of their own",
    )


def check_contradictions(context: CheckContext, least: float = 0.0) -> CheckResult:
    """Warn of rows with the same features and another target; `least` is the share of rows from which it does."""
    import numpy as np

    table = context.run.data
    ids = repeated_rows(table.features)
    twins = ids >= 0
    target = _codes(table.target)
    lowest, highest = np.full(len(ids), len(ids)), np.full(len(ids), -1)
    np.minimum.at(lowest, ids[twins], target[twins])
    np.maximum.at(highest, ids[twins], target[twins])
    differs = np.zeros(len(ids), dtype=bool)
    differs[twins] = (lowest != highest)[ids[twins]]
    count = int(differs.sum())
    if not count:
        return passed("no two rows have the same features and another target")
    if count < least * len(ids):
        return passed(f"only {count:,} rows have the features of others, and another target")
    shown = _example(np.where(differs, ids, -1))
    return warned(
        f"{count:,} rows ({count / len(ids):.1%}) have the features of others, and another target, such as rows "
        f"{shown}: no model can predict all of them",
        "correct the labels, or add the column that tells these rows apart",
    )


def check_duplicates(context: CheckContext, least: float = 0.0) -> CheckResult:
    """Warn of validation and test rows whose features also occur in the train split; `least` as above, of a split."""
    import numpy as np

    ids = repeated_rows(context.run.data.features)
    train = np.unique(ids[context.run.split.train])
    repeated = {}
    for split in context.splits[1:]:
        own = ids[context.run.split.rows(split)]
        repeated[split] = (own >= 0) & np.isin(own, train)
    shares = [
        f"{same.sum():,} {split} rows ({same.mean():.1%})"
        for split, same in repeated.items()
        if same.any() and same.mean() >= least
    ]
    if not shares:
        return passed("no row of another split occurs in the train split")
    return warned(
        f"the features of {', '.join(shares)} also occur in the train split",
        "drop repeated rows, or keep them in one split: data.duplicates=together, or data.group=COLUMN",
    )


def check_imbalance(context: CheckContext) -> CheckResult:
    """Warn of a class that is rare beside the largest one."""
    if not context.classes:
        return skipped("the task is regression")
    counts = context.target(context.run.split.train).value_counts()
    rarest, largest = counts.index[-1], counts.index[0]
    share = counts.iloc[-1] / counts.sum()
    says = f"the smallest of {len(counts)} classes, {rarest!r}, has {share:.1%} of the train rows"
    if counts.iloc[-1] * MAX_IMBALANCE >= counts.iloc[0]:
        return passed(says)
    return warned(
        f"{says}, and {largest!r} {counts.iloc[0] / counts.sum():.1%}",
        "judge by balanced accuracy, F1 or average precision, and not by accuracy",
    )


def repeated_rows(frame: "pd.DataFrame") -> "Array":
    """Return for each row a number that it shares with the rows that are equal to it, -1 where there are none.

    Values are compared and not hashed: 0.0 and -0.0 are equal, and missing values are equal to each other.
    """
    import numpy as np

    ids, rows = np.full(len(frame), -1, dtype=np.int64), np.arange(len(frame))
    same = np.zeros(len(frame), dtype=np.int64)
    # the columns that tell most rows apart come first, so that the others are compared in few rows only
    for name in _by_distinct(frame):
        codes = _codes(frame[name].iloc[rows])
        _, same, counts = np.unique(same * (codes.max() + 1) + codes, return_inverse=True, return_counts=True)
        kept = counts[same] > 1
        rows, same = rows[kept], same[kept]
        if not len(rows):
            return ids
    _, ids[rows] = np.unique(same, return_inverse=True)
    return ids


def _by_distinct(frame: "pd.DataFrame") -> "list[Any]":
    head = frame.head(1000)
    return sorted(frame.columns, key=lambda name: -head[name].nunique())


def _codes(column: "pd.Series[Any]") -> "Array":
    import pandas as pd

    codes: Array = pd.factorize(column, use_na_sentinel=False)[0].astype("int64")
    return codes


def _example(ids: "Array") -> str:
    """Return the numbers of the first rows that are the same, counted from 1."""
    first = next(place for place in ids.tolist() if place >= 0)
    rows = (ids == first).nonzero()[0][:MAX_SHOWN_ROWS] + 1
    return " and ".join(f"{row:,}" for row in rows)
