"""Categories as features: a column a level where levels are few, what is usual for the target where they are many."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from runtree.preprocess.levels import LevelCodes
from runtree.preprocess.target import folds, read_target

Array = np.ndarray[Any, Any]


class FewLevels(BaseEstimator):  # type: ignore[misc]
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


class ManyLevels(BaseEstimator):  # type: ignore[misc]
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
