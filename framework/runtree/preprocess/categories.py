"""Categories as whole numbers: the one place that knows the text of each level.

scikit-learn's encoders then work on numbers. Kept as an array of text, 100,000 levels are saved and looked up in no
time; as the Python objects that the encoders would keep, skops writes a node for each.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from runtree.contract.errors import ConfigError, DataError
from runtree.preprocess.numeric import holds_numbers
from runtree.preprocess.table import distinct

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


# --- The target, as the encoding of categories by their mean target needs it.

TASKS = ("auto", "classification", "regression")
CLASSES = 20  # with more distinct values a target of whole numbers is an amount, and rare classes are gathered
FOLDS = 5


@dataclass(frozen=True)
class Target:
    """Numbers, or codes of classes."""

    values: Array
    classes: list[str]

    @property
    def type(self) -> str:
        """Return what scikit-learn calls it."""
        if not self.classes:
            return "continuous"
        return "multiclass" if len(self.classes) > 2 else "binary"


def read_target(y: Any, task: str, columns: list[str]) -> Target:
    """Return the target as numbers; `columns`, for messages, are those that are encoded by it."""
    if task not in TASKS:
        raise ConfigError(f"preprocess.task is '{task}'", f"possible: {', '.join(TASKS)}")
    if y is None:
        raise DataError(f"the target is needed to encode column '{columns[0]}', which has many levels")
    if np.ndim(y) != 1:
        raise DataError(f"the target has the shape {np.shape(y)}; one value a row is needed")
    target = pd.Series(np.asarray(y) if not isinstance(y, pd.Series) else y.array, name="target")
    if target.isna().any():
        raise DataError("the target has missing values")
    if task == "regression" or (task == "auto" and _is_amount(target)):
        return Target(target.to_numpy(dtype=np.float64), [])
    codes, classes = pd.factorize(target, sort=True)
    return _gather(codes, [str(each) for each in classes])


def folds(target: Target, random_state: int) -> BaseCrossValidator:
    """Return seeded folds, with each class in each fold where every class has rows enough for that."""
    count = min(FOLDS, len(target.values))
    enough = target.classes and np.bincount(target.values).min() >= count
    return (StratifiedKFold if enough else KFold)(count, shuffle=True, random_state=random_state)


def _gather(codes: Array, classes: list[str]) -> Target:
    """Keep the most frequent classes and make one of all others: each class becomes a feature of each column."""
    if len(classes) <= CLASSES:
        return Target(codes, classes)
    kept = np.sort(np.argsort(-np.bincount(codes), kind="stable")[:CLASSES])
    place = np.full(len(classes), CLASSES)
    place[kept] = np.arange(CLASSES)
    return Target(place[codes], [*(classes[code] for code in kept), "other"])


def _is_amount(target: "pd.Series[Any]") -> bool:
    """Tell whether a target looks like an amount rather than like a class."""
    if not holds_numbers(target) or target.dtype == bool:
        return False
    values = target.to_numpy(dtype=np.float64)
    return bool((values % 1 != 0).any()) or len(np.unique(values)) > CLASSES


# --- Categories as features: a column a level where levels are few, what is usual for the target where they are many.


class OneHot(BaseEstimator):  # type: ignore[misc]
    """Give each level a feature that is 1 where a row has it; an unknown level has none, or joins the rare ones.

    Parameters
    ----------
    min_frequency : float
        Levels in a smaller share of the rows than this are gathered in one feature.

    Attributes
    ----------
    codes_ : LevelCodes
        The levels.
    encoder_ : OneHotEncoder
        Works on their codes.
    """

    def __init__(self, min_frequency: float) -> None:
        self.min_frequency = min_frequency

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn the levels."""
        self.codes_ = LevelCodes()
        self.encoder_ = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=self.min_frequency or None, sparse_output=False
        ).fit(self.codes_.fit_transform(table))
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return np.asarray(self.encoder_.transform(self.codes_.transform(table)))

    def get_feature_names_out(self) -> list[str]:
        """Return ``city_Paris``, ``city_missing`` and, where rare levels are gathered, ``city_other``."""
        return [
            f"{name}_{level}" for position, name in enumerate(self.codes_.names_) for level in self._features(position)
        ]

    def _features(self, position: int) -> list[str]:
        texts, rare = self.codes_.texts(position), self._rare(position)
        return [*(text for code, text in enumerate(texts) if code not in rare), *(["other"] if rare else [])]

    def _rare(self, position: int) -> set[int]:
        if not self.min_frequency:
            return set()  # the encoder then does not know the attribute
        rare = self.encoder_.infrequent_categories_[position]
        return set() if rare is None else set(rare.tolist())


class TargetEncoding(BaseEstimator):  # type: ignore[misc]
    """Replace a level by the mean of the target in it (a mean for each of three or more classes), scaled.

    In the train part a row's own target takes no part in its encoding: the rows are encoded fold by fold. An unknown
    level, and one met only once, is encoded as the mean of all rows.

    Parameters
    ----------
    task : "auto", "classification" or "regression"
        What the target is.
    random_state : int
        Seeds the folds.

    Attributes
    ----------
    codes_ : LevelCodes
        The levels met at least twice.
    classes_ : list of str
        The classes of the target; empty for a regression.
    encoder_, scaler_
        scikit-learn's `TargetEncoder` on the codes and `StandardScaler` on what it returns.
    """

    def __init__(self, task: str = "auto", random_state: int = 0) -> None:
        self.task = task
        self.random_state = random_state

    def fit_transform(self, table: pd.DataFrame, y: Any) -> Array:
        """Learn the encoding; return the train part encoded fold by fold."""
        target = read_target(y, self.task, [str(name) for name in table.columns])
        self.classes_ = target.classes
        self.codes_ = LevelCodes(least=2)
        self.encoder_ = TargetEncoder(target_type=target.type, cv=folds(target, self.random_state))
        encoded = self.encoder_.fit_transform(self.codes_.fit_transform(table), target.values)
        self.encoder_.set_params(cv=5)  # the folds are used up; a saved model need not carry them
        self.scaler_ = StandardScaler()
        return np.asarray(self.scaler_.fit_transform(encoded))

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return np.asarray(self.scaler_.transform(self.encoder_.transform(self.codes_.transform(table)), copy=False))

    def get_feature_names_out(self) -> list[str]:
        """Return ``city``, or ``city_<class>`` for each of three or more classes."""
        names = self.codes_.names_
        return [f"{name}_{each}" for name in names for each in self.classes_] if len(self.classes_) > 2 else names
