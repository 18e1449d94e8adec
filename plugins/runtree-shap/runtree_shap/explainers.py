"""Explainers: exact ones for linear and tree models, permutations for all others."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from runtree_shap.outputs import Output, outputs
from runtree_shap.settings import Settings, divide_budget

log = logging.getLogger("runtree.shap")

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-6  # of the largest output
TREES = ("tree_", "estimators_", "_predictors", "booster_", "get_booster", "get_all_params")  # the last is of CatBoost


@dataclass(frozen=True)
class Explanation:
    """SHAP values of shape (rows, features, outputs); `base` + their sum over features is the output."""

    explainer: str
    explains: str
    values: Array
    base: Array
    additivity: float  # the largest difference between base + sum and the model's output


def explain(
    model: Any, classes: tuple[Any, ...], train: Array, rows: Array, settings: Settings, seed: int
) -> Explanation:
    """Explain preprocessed rows with the first exact explainer, else by permutations; of two classes the last one."""
    # explainers follow the model's own order of the classes, which `data.positive` may reverse
    own = tuple(np.asarray(getattr(model, "classes_", classes)).tolist()) if len(classes) == 2 else classes
    explanation = _explain(model, own, train, rows, settings, seed)
    return explanation if own[-1:] == classes[-1:] else mirror(explanation)


def mirror(explanation: Explanation) -> Explanation:
    """Return the explanation of the other of two classes."""
    whole = 0.0 if explanation.explains == "decision function" else 1.0
    return replace(explanation, values=-explanation.values, base=whole - explanation.base)


def _explain(
    model: Any, classes: tuple[Any, ...], train: Array, rows: Array, settings: Settings, seed: int
) -> Explanation:
    candidates = outputs(model, classes)
    for explainer, values, base in exact(model, train, rows):
        if found := match_output(explainer, values, base, candidates, rows):
            return found
        log.info("shap: the values of the %s explainer do not add up to the output of the model", explainer)
    return by_permutations(candidates, train, rows, settings, seed)


def exact(model: Any, train: Array, rows: Array) -> Iterator[tuple[str, Array, Array]]:
    """Yield (explainer, values, base) of each exact explainer that supports the model."""
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        yield "linear", *linear_values(model, train, rows)
    if any(hasattr(model, name) for name in TREES):
        try:
            yield "tree", *tree_values(model, rows)
        except Exception as error:  # SHAP supports a list of models, and raises errors of many types for others
            log.info("shap: not explained as trees: %s", str(error).partition("\n")[0])


def linear_values(model: Any, train: Array, rows: Array) -> tuple[Array, Array]:
    """Return w · (x - mean of the train set), exact for independent features (Lundberg and Lee 2017, corollary 1)."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=float))
    mean = train.mean(axis=0)
    values = (rows - mean)[:, :, None] * weights.T[None, :, :]
    return values, weights @ mean + np.ravel(model.intercept_)


def tree_values(model: Any, rows: Array) -> tuple[Array, Array]:
    """Return values and base of `shap.TreeExplainer`; the background is the number of train rows in each leaf."""
    import shap

    explainer = shap.TreeExplainer(model)
    values = np.asarray(explainer.shap_values(rows, check_additivity=False))
    values = values if values.ndim == 3 else values[:, :, None]
    return values, np.ravel(explainer.expected_value)[-values.shape[2] :]


def match_output(
    explainer: str, values: Array, base: Array, candidates: Mapping[str, Output], rows: Array
) -> Explanation | None:
    """Return the explanation with the output that base + sum equals; None if an explainer misinterprets a model."""
    for explains, output in candidates.items():
        expected = output(rows)
        size = expected.shape[1]
        if values.shape[2] < size or not np.isfinite(expected).all():
            continue
        kept = Explanation(explainer, explains, values[:, :, -size:], base[-size:], 0.0)
        distance = additivity_error(kept, expected)
        if distance <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            return Explanation(explainer, explains, kept.values, kept.base, distance)
    return None


def by_permutations(
    candidates: Mapping[str, Output], train: Array, rows: Array, settings: Settings, seed: int
) -> Explanation:
    """Explain by permutations as many rows as the settings allow."""
    explains, output = next(iter(candidates.items()))
    budget = divide_budget(settings, rows.shape[1])
    sampled = np.random.default_rng(seed).choice(len(train), min(budget.background, len(train)), replace=False)
    explained = rows[: budget.rows]
    values, base = permutation_values(
        output, explained, train[np.sort(sampled)], budget.permutations, seed, settings.seconds
    )
    if len(values) < len(explained):
        log.info("shap: %d of %d rows explained in %d seconds", len(values), len(explained), settings.seconds)
    found = Explanation("permutation", explains, values, base, 0.0)
    return Explanation("permutation", explains, values, base, additivity_error(found, output(explained[: len(values)])))


def permutation_values(
    predict: Callable[[Array], Array],
    rows: Array,
    background: Array,
    permutations: int,
    seed: int,
    seconds: float = float("inf"),
) -> tuple[Array, Array]:
    """Return values (rows, features, outputs) and the base (outputs,) of `shap.PermutationExplainer`.

    They are exact if features interact at most in pairs. After `seconds`, the rows so far are returned.

    Parameters
    ----------
    predict
        A function from (rows, features) to (rows, outputs).
    background
        Rows whose values replace those of unknown features.
    permutations
        Number of orders of the features for each row, each walked forwards and backwards.
    """
    import shap

    state = np.random.get_state()
    try:
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.PermutationExplainer(predict, masker, seed=seed)
        evaluations = permutations * (2 * rows.shape[1] + 1)
        values: list[Array] = []
        begin = time.monotonic()
        for row in rows:
            if len(values) == 1:  # SHAP compiles code for the first row, which does not count
                begin = time.monotonic()
            if values and time.monotonic() - begin >= seconds:
                break
            found = explainer(row[None], max_evals=evaluations, silent=True)
            values.append(found.values[0].reshape(rows.shape[1], -1))  # SHAP drops the dimension of a single output
    finally:
        np.random.set_state(state)  # SHAP seeds numpy's global generator, which later stages of a run may use
    return np.stack(values), predict(background).mean(axis=0)


def additivity_error(found: Explanation, expected: Array) -> float:
    """Return the largest difference between base + sum and the output of the model."""
    return float(np.abs(found.values.sum(axis=1) + found.base - expected).max())
