"""What a model says of some rows, as numbers: one column for each output that can be explained."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Output = Callable[[Array], Array]


def outputs(model: Any, classes: tuple[Any, ...]) -> dict[str, Output]:
    """Return what may be explained, by name, what is best explained first. Each gives shape (rows, outputs)."""
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
    """Return numbers of shape (rows, outputs); of two classes the second alone, for the first is its mirror."""
    found = np.asarray(values, dtype=float)
    found = found.reshape(len(found), -1)
    return found[:, -1:] if last else found


def quietly(work: Callable[[], Any]) -> Any:
    """Do some work without the libraries' warnings, on one thread: forests add up in whatever order threads end."""
    from joblib import parallel_config

    with warnings.catch_warnings(), parallel_config("sequential"):
        warnings.simplefilter("ignore")
        return work()
