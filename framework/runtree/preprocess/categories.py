"""Categorical columns: one-hot encoding for few levels, target encoding for many.

scikit-learn's encoders do the work, on integer codes from `LevelCodes`. Given the texts themselves they would keep the
levels as Python objects, of which skops writes a node each: 100,000 levels take minutes to save.
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
from runtree.tables.numbers import is_numeric
from runtree.tables.table import factorize_texts

Array = np.ndarray[Any, Any]

UNKNOWN_CODE = -1
MAX_LEVEL_CHARACTERS = 64
TASKS = ("auto", "classification", "regression")
MAX_CLASSES = 20  # a target of integers with more values is a quantity; of more classes the rare ones are merged
N_FOLDS = 5


class LevelCodes(BaseEstimator):  # type: ignore[misc]
    """Number the levels of each column; a missing value is a level of its own.

    Parameters
    ----------
    least : int
        Levels in fewer rows are not kept and become unknown.

    Attributes
    ----------
    names_ : list of str
        The columns.
    levels_ : list of ndarray
        The sorted levels of each column. The code of a level is its position; the code of "missing" comes next.
    missing_ : list of bool
        Whether the train split had missing values in the column; if not, a missing value is unknown.
    """

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def fit_transform(self, table: pd.DataFrame) -> Array:
        """Learn the levels; return int64 codes of shape (rows, columns), each level that is not kept with its own."""
        self.names_ = [str(name) for name in table.columns]
        learned = [self._learn(table[name]) for name in self.names_]
        self.levels_ = [levels for levels, _ in learned]
        self.missing_ = [missing for _, missing in learned]
        return self._encode(table, keep_rare=True)

    def transform(self, table: pd.DataFrame) -> Array:
        """Return int64 codes of shape (rows, columns), -1 for unknown levels."""
        return self._encode(table, keep_rare=False)

    def level_names(self, column: int) -> list[str]:
        """Return the levels of the column at a position, as feature names end."""
        return [*self.levels_[column].tolist(), *(["missing"] if self.missing_[column] else [])]

    def _learn(self, column: "pd.Series[Any]") -> tuple[Array, bool]:
        positions, texts = factorize_texts(column)
        counts = np.bincount(positions[positions >= 0], minlength=len(texts))
        kept = [text for text, count in zip(texts, counts, strict=True) if count >= self.least]
        # sorted, for the binary search in `_encode_column`; a hash table would be rebuilt each time the model is loaded
        return np.unique(_to_fixed_width(kept)), bool((positions < 0).any())

    def _encode(self, table: pd.DataFrame, keep_rare: bool) -> Array:
        # column by column in memory, as it is filled and read by columns
        codes = np.empty((len(table), len(self.names_)), dtype=np.int64, order="F")
        for position, name in enumerate(self.names_):
            levels, missing = self.levels_[position], self.missing_[position]
            missing_code = len(levels) if missing else UNKNOWN_CODE
            codes[:, position] = _encode_column(table[name], levels, missing_code, keep_rare)
        return codes


def _encode_column(column: "pd.Series[Any]", levels: Array, missing_code: int, keep_rare: bool) -> Array:
    positions, texts = factorize_texts(column)
    stored = _to_fixed_width(texts)
    places = np.searchsorted(levels, stored)
    # searchsorted returns the place where a text would be inserted: it is known only if the text there is equal
    known = np.zeros(len(stored), dtype=bool)
    within = places < len(levels)
    known[within] = levels[places[within]] == stored[within]
    # in the train split each rare level has a code of its own: as one common level they would have a mean of their own,
    # while in later rows they are unknown and get the mean of all rows
    rare = len(levels) + 1 + np.arange(len(stored)) if keep_rare else np.full(len(stored), UNKNOWN_CODE)
    # the code for missing values is appended: factorize_texts has the position -1 for them, which takes the last item
    return np.append(np.where(known, places, rare), missing_code).take(positions)


def _to_fixed_width(texts: list[str]) -> Array:
    """Return texts as an array of limited width: NumPy would store all of them as wide as the longest."""
    return np.asarray([stored_form(text) for text in texts], dtype=np.str_)


def stored_form(text: str) -> str:
    """Return a text as a level is stored: a long one is shortened."""
    return text if len(text) <= MAX_LEVEL_CHARACTERS else _shorten(text)


def _shorten(text: str) -> str:
    """Return the beginning of a text and a hash of all of it, which keeps long texts distinct."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    # 17 characters: an ellipsis and 16 hexadecimal digits
    return text[: MAX_LEVEL_CHARACTERS - 17] + "…" + digest


class OneHot(BaseEstimator):  # type: ignore[misc]
    """One indicator feature per level; an unknown level has none, or joins the rare ones.

    Parameters
    ----------
    min_frequency : float
        Levels in a smaller share of the rows share one feature.

    Attributes
    ----------
    codes_ : LevelCodes
    encoder_ : OneHotEncoder
        Fitted on the codes.
    """

    def __init__(self, min_frequency: float) -> None:
        self.min_frequency = min_frequency

    def fit(self, table: pd.DataFrame) -> Self:
        self.codes_ = LevelCodes()
        # infrequent_if_exist: an unknown level joins the rare ones, to which it most likely belongs
        self.encoder_ = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=self.min_frequency or None, sparse_output=False
        ).fit(self.codes_.fit_transform(table))
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return self.encode(self.codes_.transform(table))

    def encode(self, codes: Array) -> Array:
        """Return float64 of shape (rows, features) for codes of levels."""
        return np.asarray(self.encoder_.transform(codes))

    def widths(self) -> list[int]:
        """Return the number of features of each column."""
        rare = [self._rare_codes(position) for position in range(len(self.codes_.names_))]
        return [len(self.codes_.level_names(place)) - len(few) + bool(few) for place, few in enumerate(rare)]

    def get_feature_names_out(self) -> list[str]:
        """Return ``city_Paris``, ``city_missing`` and, for the rare levels together, ``city_other``."""
        names = []
        for position, name in enumerate(self.codes_.names_):
            rare = self._rare_codes(position)
            levels = [level for code, level in enumerate(self.codes_.level_names(position)) if code not in rare]
            names += [f"{name}_{level}" for level in [*levels, *(["other"] if rare else [])]]
        return names

    def _rare_codes(self, position: int) -> set[int]:
        if not self.min_frequency:
            return set()  # the encoder has no `infrequent_categories_` then
        rare = self.encoder_.infrequent_categories_[position]
        return set() if rare is None else set(rare.tolist())


class NativeCodes(BaseEstimator):  # type: ignore[misc]
    """The level of each category as a number, for algorithms that take categories as they are.

    Attributes
    ----------
    codes_ : LevelCodes
    """

    def fit(self, table: pd.DataFrame) -> Self:
        self.codes_ = LevelCodes()
        self.codes_.fit_transform(table)
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, columns), NaN for unknown levels."""
        return self.encode(self.codes_.transform(table))

    def encode(self, codes: Array) -> Array:
        """Return codes of levels as float64, NaN for unknown ones."""
        return np.where(codes == UNKNOWN_CODE, np.nan, codes)

    def widths(self) -> list[int]:
        """Return the number of features of each column."""
        return [1] * len(self.codes_.names_)

    def counts(self) -> list[int]:
        """Return the number of levels of each column."""
        return [len(self.codes_.level_names(position)) for position in range(len(self.codes_.names_))]

    def get_feature_names_out(self) -> list[str]:
        """Return ``city_level``."""
        return [f"{name}_level" for name in self.codes_.names_]


class TargetEncoding(BaseEstimator):  # type: ignore[misc]
    """Replace a level by the mean of the target in it, scaled; one mean per class for three or more classes.

    The train split is encoded fold by fold, so that the target of a row takes no part in its own encoding. Unknown
    levels, and those that occur once, are encoded as the mean of all rows.

    Parameters
    ----------
    task : "auto", "classification" or "regression"
        The kind of the target.
    random_state : int
        Seeds the folds.

    Attributes
    ----------
    codes_ : LevelCodes
        The levels that occur at least twice.
    classes_ : list of str
        The classes of the target; empty for a regression.
    encoder_, scaler_
        `TargetEncoder` on the codes, and `StandardScaler` on its output.
    """

    def __init__(self, task: str = "auto", random_state: int = 0) -> None:
        self.task = task
        self.random_state = random_state

    def fit_transform(self, table: pd.DataFrame, y: Any) -> Array:
        """Learn the encoding; return the train split encoded fold by fold."""
        target = read_target(y, self.task, [str(name) for name in table.columns])
        self.classes_ = target.classes
        self.codes_ = LevelCodes(least=2)
        # without `target_type` scikit-learn would infer the task again, and take a few distinct floats for classes
        self.encoder_ = TargetEncoder(target_type=target.type, cv=make_folds(target, self.random_state))
        encoded = self.encoder_.fit_transform(self.codes_.fit_transform(table), target.values)
        self.encoder_.set_params(cv=5)  # the folds have served; a saved model need not carry them
        # scaled: the means of a target in thousands would dominate distances and penalties
        self.scaler_ = StandardScaler()
        return np.asarray(self.scaler_.fit_transform(encoded))

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        return self.encode(self.codes_.transform(table))

    def encode(self, codes: Array) -> Array:
        """Return float64 of shape (rows, features) for codes of levels."""
        return np.asarray(self.scaler_.transform(self.encoder_.transform(codes), copy=False))

    def widths(self) -> list[int]:
        """Return the number of features of each column."""
        return [len(feature_names([name], self.classes_)) for name in self.codes_.names_]

    def get_feature_names_out(self) -> list[str]:
        """Return ``city``, or ``city_<class>`` for each of three or more classes."""
        return feature_names(self.codes_.names_, self.classes_)


def feature_names(names: list[str], classes: list[str]) -> list[str]:
    """Return the names, or ``<name>_<class>`` for each of three or more classes."""
    return names if len(classes) < 3 else [f"{name}_{label}" for name in names for label in classes]


@dataclass(frozen=True)
class EncodingTarget:
    """The target as floats (then `classes` is empty), or as codes of classes."""

    values: Array
    classes: list[str]

    @property
    def type(self) -> str:
        """The `target_type` of scikit-learn's `TargetEncoder`."""
        if not self.classes:
            return "continuous"
        return "multiclass" if len(self.classes) > 2 else "binary"


def read_target(y: Any, task: str, columns: list[str]) -> EncodingTarget:
    """Return the target for the encoding of `columns`, which are named in messages."""
    if task not in TASKS:
        raise ConfigError(f"preprocess.task is '{task}'", f"possible: {', '.join(TASKS)}")
    if y is None:
        raise DataError(f"encoding column '{columns[0]}' needs the target: it has many levels, or is free text")
    if np.ndim(y) != 1:
        raise DataError(f"the target needs one value per row, got shape {np.shape(y)}")
    # without the index: it may have gaps, and pandas would align by it
    target = pd.Series(np.asarray(y) if not isinstance(y, pd.Series) else y.array, name="target")
    if target.isna().any():
        raise DataError("the target has missing values")
    if task == "regression" or (task == "auto" and _is_quantity(target)):
        return EncodingTarget(target.to_numpy(dtype=np.float64), [])
    codes, classes = pd.factorize(target, sort=True)
    return _merge_rare_classes(codes, [str(label) for label in classes])


def _is_quantity(target: "pd.Series[Any]") -> bool:
    if not is_numeric(target) or target.dtype == bool:
        return False
    values = target.to_numpy(dtype=np.float64)
    return bool((values % 1 != 0).any()) or len(np.unique(values)) > MAX_CLASSES


def _merge_rare_classes(codes: Array, classes: list[str]) -> EncodingTarget:
    """Keep the most frequent classes and merge the rest, because each class becomes a feature of each column."""
    if len(classes) <= MAX_CLASSES:
        return EncodingTarget(codes, classes)
    # stable: among equally frequent classes the first ones are kept, on every platform
    kept = np.sort(np.argsort(-np.bincount(codes), kind="stable")[:MAX_CLASSES])
    new_codes = np.full(len(classes), MAX_CLASSES)
    new_codes[kept] = np.arange(MAX_CLASSES)
    return EncodingTarget(new_codes[codes], [*(classes[code] for code in kept), "other"])


def make_folds(target: EncodingTarget, random_state: int) -> BaseCrossValidator:
    """Return seeded folds, stratified if every class has enough rows for each fold."""
    count = min(N_FOLDS, len(target.values))
    stratify = target.classes and np.bincount(target.values).min() >= count
    return (StratifiedKFold if stratify else KFold)(count, shuffle=True, random_state=random_state)
