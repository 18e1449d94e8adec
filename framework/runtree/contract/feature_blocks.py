"""A fitted preprocessing as plain arrays: how a row of plain values becomes features, for what applies it without a
table, such as a service or a model in another format.

A preprocessing offers them by a method `feature_blocks`, in the order of its features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class NumberBlock:
    """Numbers: missing ones are filled and flagged by a feature after the numbers, then all are scaled.

    Attributes
    ----------
    fill
        What stands for a missing value of each column; None: numbers stay as they are, missing ones too.
    flagged
        Positions of the columns whose missing values have a feature of their own.
    mean, scale
        Of each feature: it becomes ``(value - mean) / scale``.
    """

    names: Sequence[str]
    fill: "Array | None" = None
    flagged: "Array | Sequence[int]" = ()
    mean: "Array | None" = None
    scale: "Array | None" = None


@dataclass(frozen=True)
class LevelBlock:
    """The levels of a category, each a row of `table`.

    Attributes
    ----------
    levels
        As `runtree.preprocess.categories.stored_form` writes them.
    table
        float64 of shape (levels, features), with the row of a missing value after the levels, if training had any, and
        last that of an unknown level.
    is_number
        Whether the feature is the number of the level, which only some algorithms read as a category.
    """

    name: str
    levels: Sequence[str]
    table: "Array"
    is_number: bool = False


@dataclass(frozen=True)
class DateBlock:
    """Dates as their parts: those of a missing date are filled, then all are scaled.

    Attributes
    ----------
    formats
        How each column is written, as `runtree.tables.dates.read_dates` takes it.
    parts
        Column and part of each feature: year, month, day, weekday (Monday is 0), hour, days since 1970, or missing
        (1 or 0, which is not filled).
    fill, mean, scale
        Of each feature: it becomes ``(value - mean) / scale``.
    """

    formats: Mapping[str, str]
    parts: Sequence[tuple[str, str]]
    fill: "Array"
    mean: "Array"
    scale: "Array"

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self.formats)


@dataclass(frozen=True)
class OtherBlock:
    """Columns that no array describes, such as texts."""

    names: Sequence[str]
    kind: str


FeatureBlock = NumberBlock | LevelBlock | DateBlock | OtherBlock
