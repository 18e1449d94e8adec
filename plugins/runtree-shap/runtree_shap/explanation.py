"""Explanation of a sample of the test set, with the names of features and outputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtree import Run
from runtree_shap.explainers import Explanation, explain
from runtree_shap.settings import Settings

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ExplainedRows:
    """An explanation with its rows and the names of features and outputs."""

    rows: Array  # positions in the data, as in predictions.parquet
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    inputs: Array  # the preprocessed rows
    explanation: Explanation


def explain_test_rows(run: Run, settings: Settings) -> ExplainedRows:
    """Explain a seeded sample of the test set after preprocessing, which is the input of the algorithm."""
    preprocess, model = run.model[:-1], run.model[-1]
    chosen = np.random.default_rng(run.seed).permutation(run.split.test)[: settings.rows]
    rows = dense(preprocess.transform(run.data.features.iloc[chosen]))
    train = dense(preprocess.transform(run.data.features.iloc[run.split.train]))
    explanation = explain(model, run.data.classes, train, rows, settings, run.seed)
    count = len(explanation.values)  # a permutation explanation may have fewer rows
    features = tuple(str(name) for name in preprocess.get_feature_names_out())
    return ExplainedRows(chosen[:count], features, output_names(run.data.classes), rows[:count], explanation)


def output_names(classes: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the name of each output: a class, or "prediction"; of two classes only the second."""
    kept = classes[-1:] if len(classes) == 2 else classes
    return tuple(str(label) for label in kept) or ("prediction",)


def dense(table: Any) -> Array:
    """Return numbers of shape (rows, features)."""
    return np.asarray(table.toarray() if hasattr(table, "toarray") else table, dtype=float)
