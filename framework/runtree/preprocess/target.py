"""The target, as the encoding of categories by their mean target needs it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold

from runtree.contract.errors import ConfigError, DataError
from runtree.preprocess.numbers import holds_numbers

Array = np.ndarray[Any, Any]

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
