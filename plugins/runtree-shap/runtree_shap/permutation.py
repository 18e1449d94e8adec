"""SHAP values of any model, by walking through permutations of its features.

This is the estimate of `shap.PermutationExplainer`: exact for models whose features interact in pairs at most, and
additive for all. Here each row takes two large predictions in place of many small ones, nothing is compiled
first, and numpy's global generator is left alone.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], Array]

CELLS = 4_000_000  # of a table that is predicted at once


def permutation_values(
    predict: Predict, rows: Array, background: Array, permutations: int, seed: int, seconds: float = float("inf")
) -> tuple[Array, Array]:
    """Return values of shape (rows, features, outputs) and the base of shape (outputs,).

    When the time is up the rows that are done are returned, one at least; their values do not hang on the clock.

    Parameters
    ----------
    predict
        From (rows, features) to (rows, outputs).
    background
        Rows whose values stand in for features that are not known.
    permutations
        How many to walk through for each row, each forwards and backwards.
    """
    generator, begin = np.random.default_rng(seed), time.monotonic()
    base = predict(background).mean(axis=0)
    values: list[Array] = []
    for row in rows:
        if values and time.monotonic() - begin > seconds:
            break
        found = np.zeros((len(row), len(base)))
        for _ in range(permutations):
            order = generator.permutation(len(row))
            for walk in (order, order[::-1]):
                found[walk] += np.diff(means(predict, row, background, walk), axis=0)
        values.append(found / (2 * permutations))
    return np.stack(values), base


def means(predict: Predict, row: Array, background: Array, walk: Array) -> Array:
    """Return the mean prediction, shape (features + 1, outputs), with ever more features of the row known."""
    known = np.argsort(walk)  # the step at which each feature becomes known
    step = max(1, CELLS // background.size)
    found = []
    for start in range(0, len(walk) + 1, step):
        steps = np.arange(start, min(start + step, len(walk) + 1))
        mask = known[None, :] < steps[:, None]
        table = np.where(mask[:, None, :], row[None, None, :], background[None, :, :])
        answers = predict(table.reshape(-1, row.size))
        found.append(answers.reshape(len(steps), len(background), -1).mean(axis=1))
    return np.concatenate(found)
