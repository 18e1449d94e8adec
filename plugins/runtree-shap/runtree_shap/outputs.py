"""The outputs of a model that can be explained, as numbers."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Output = Callable[[Array], Array]


def outputs(model: Any, classes: tuple[Any, ...]) -> dict[str, Output]:
    """Return functions that compute outputs of shape (rows, outputs), by name, the preferred one first."""
    return dict(_classifier(model, classes) if classes else _regressor(model))


def _classifier(model: Any, classes: tuple[Any, ...]) -> Iterator[tuple[str, Output]]:
    two = len(classes) == 2
    if hasattr(model, "predict_proba"):
        yield "probability", lambda rows: columns(model.predict_proba(rows), last=two)
    if hasattr(model, "decision_function"):
        yield "decision function", lambda rows: columns(model.decision_function(rows), last=two)
    known = np.asarray(classes)
    yield "predicted class", lambda rows: columns(np.asarray(model.predict(rows))[:, None] == known, last=two)


def _regressor(model: Any) -> Iterator[tuple[str, Output]]:
    yield "prediction", lambda rows: columns(model.predict(rows))
    yield "logarithm of the prediction", lambda rows: columns(_logarithm(model.predict(rows)))


def _logarithm(values: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.log(values)


def columns(values: Any, last: bool = False) -> Array:
    """Return numbers of shape (rows, outputs); of two classes only the second, as the first is its complement."""
    numbers = np.asarray(values, dtype=float)
    numbers = numbers.reshape(len(numbers), -1)
    return numbers[:, -1:] if last else numbers


def call_quietly(function: Callable[[], Any]) -> Any:
    """Call a function without warnings and on one thread: with several, the sums of a forest depend on their order."""
    from joblib import parallel_config

    with warnings.catch_warnings(), parallel_config("sequential"):
        warnings.simplefilter("ignore")
        return function()
