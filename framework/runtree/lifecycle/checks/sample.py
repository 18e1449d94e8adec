"""Fewer rows, so that a check takes seconds: seeded, with the shares of the classes kept."""

from typing import TYPE_CHECKING, Any

from runtree.contract.run import Run
from runtree.lifecycle import split
from runtree.lifecycle.table_options import table_options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

LEAST = 2  # rows of a class that are kept where it has so many


def sample(rows: "Rows", target: "pd.Series[Any]", classes: tuple[Any, ...], limit: int, seed: int) -> "Rows":
    """Return about `limit` of the row positions, in their order; the rows of each class in their share.

    Parameters
    ----------
    target
        Of the whole table; `rows` are positions in it.
    classes
        Empty for a regression.
    """
    import numpy as np

    if len(rows) <= limit:
        return rows
    generator = np.random.default_rng(seed)
    if not classes:
        return np.sort(generator.choice(rows, limit, replace=False))
    labels = target.iloc[rows].to_numpy()
    groups = [rows[labels == label] for label in np.unique(labels)]
    counts = [min(len(group), max(LEAST, round(limit * len(group) / len(rows)))) for group in groups]
    taken = [generator.choice(group, count, replace=False) for group, count in zip(groups, counts, strict=True)]
    return np.sort(np.concatenate(taken))


def hold_out(run: Run) -> "tuple[Rows, Rows]":
    """Return the rows to learn from and those to judge by; with an evaluator of folds, parted as a split would."""
    if len(run.split.validation):
        return run.split.train, run.split.validation
    options = table_options(run.config.plain()["data"])
    strategy = split.choose(run.data, options)
    path = "data.validation_size"
    return split.part(run.data, run.split.train, options.validation_size, path, strategy, run.seed)
