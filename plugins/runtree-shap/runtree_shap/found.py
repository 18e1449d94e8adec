"""What the stage finds: an explanation of a sample of the test part, and the names of what it is about."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree import Run
from runtree_shap.explainers import Explanation, explain
from runtree_shap.settings import Settings

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Found:
    """An explanation with the names of what it is about."""

    rows: Array  # positions in the data, as in predictions.parquet
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    inputs: Array  # the preprocessed rows
    explanation: Explanation


def explained(run: Run, settings: Settings) -> Found:
    """Explain a seeded sample of the test part, as the algorithm sees it: preprocessed."""
    preprocess, model = run.model[:-1], run.model[-1]
    chosen = np.random.default_rng(run.seed).permutation(run.split.test)[: settings.rows]
    rows = dense(preprocess.transform(run.data.features.iloc[chosen]))
    train = dense(preprocess.transform(run.data.features.iloc[run.split.train]))
    found = explain(model, run.data.classes, train, rows, settings, run.seed)
    count = len(found.values)  # a model-agnostic explanation takes fewer rows than it is offered
    features = tuple(str(name) for name in preprocess.get_feature_names_out())
    return Found(chosen[:count], features, names(run.data.classes), rows[:count], found)


def names(classes: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the name of each output: a class, or "prediction"; of two classes the second stands for both."""
    kept = classes[-1:] if len(classes) == 2 else classes
    return tuple(str(label) for label in kept) or ("prediction",)


def dense(table: Any) -> Array:
    """Return numbers of shape (rows, features)."""
    return np.asarray(table.toarray() if hasattr(table, "toarray") else table, dtype=float)
