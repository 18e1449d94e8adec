"""Categories as whole numbers: the one place that knows the text of each level.

scikit-learn's encoders then work on numbers. Kept as an array of text, 100,000 levels are saved and looked up in no
time; as the Python objects that the encoders would keep, skops writes a node for each.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from runtree.preprocess.labels import distinct

Array = np.ndarray[Any, Any]

UNKNOWN = -1
LONGEST = 64


class LevelCodes(BaseEstimator):  # type: ignore[misc]
    """Number the levels of each column; what is missing is a level of its own.

    Parameters
    ----------
    least : int
        A level met in fewer rows than this is not kept: later it is unknown.

    Attributes
    ----------
    names_ : list of str
        The columns.
    levels_ : list of ndarray
        The sorted levels of each column; a level's code is its position, that of "missing" comes next.
    missing_ : list of bool
        Whether the train part had holes in the column; if not, a hole is unknown.
    """

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def fit_transform(self, table: pd.DataFrame) -> Array:
        """Learn the levels; return int64 codes of shape (rows, columns), rare levels numbered one by one."""
        self.names_ = [str(name) for name in table.columns]
        learned = [self._learn(table[name]) for name in self.names_]
        self.levels_ = [levels for levels, _ in learned]
        self.missing_ = [missing for _, missing in learned]
        return self._number(table, rare=True)

    def transform(self, table: pd.DataFrame) -> Array:
        """Return int64 codes of shape (rows, columns), -1 for what is unknown."""
        return self._number(table, rare=False)

    def texts(self, column: int) -> list[str]:
        """Return the levels of the column at a position as features are named after them."""
        return [*self.levels_[column].tolist(), *(["missing"] if self.missing_[column] else [])]

    def _learn(self, column: "pd.Series[Any]") -> tuple[Array, bool]:
        positions, texts = distinct(column)
        counts = np.bincount(positions[positions >= 0], minlength=len(texts))
        kept = [text for text, count in zip(texts, counts, strict=True) if count >= self.least]
        return np.unique(_stored(kept)), bool((positions < 0).any())

    def _number(self, table: pd.DataFrame, rare: bool) -> Array:
        codes = np.empty((len(table), len(self.names_)), dtype=np.int64, order="F")
        for position, name in enumerate(self.names_):
            levels, missing = self.levels_[position], self.missing_[position]
            codes[:, position] = _codes(table[name], levels, len(levels) if missing else UNKNOWN, rare)
        return codes


def _codes(column: "pd.Series[Any]", levels: Array, missing: int, rare: bool) -> Array:
    positions, texts = distinct(column)
    stored = _stored(texts)
    found = np.searchsorted(levels, stored)
    known = np.zeros(len(stored), dtype=bool)
    within = found < len(levels)
    known[within] = levels[found[within]] == stored[within]
    other = len(levels) + 1 + np.arange(len(stored)) if rare else np.full(len(stored), UNKNOWN)
    return np.append(np.where(known, found, other), missing).take(positions)


def _stored(texts: list[str]) -> Array:
    """Return texts as an array of bounded width: one very long level must not widen all others."""
    return np.asarray([text if len(text) <= LONGEST else _shorten(text) for text in texts], dtype=np.str_)


def _shorten(text: str) -> str:
    """Return the beginning of a text and a hash of all of it."""
    return text[: LONGEST - 17] + "…" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
