"""A fitted algorithm within what decides for it, and back: scikit-learn's own wrappers round a frozen estimator."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

WRAPPERS = ("CalibratedClassifierCV", "FixedThresholdClassifier", "FrozenEstimator")


def calibrated(algorithm: Any, method: str, rows: Any, target: Any) -> Any:
    """Return a fitted classifier with its chances mapped as rows that it did not see ask for.

    See scikit-learn's `CalibratedClassifierCV` with a `FrozenEstimator`; `temperature` after Guo et al. 2017,
    arXiv:1706.04599.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    return CalibratedClassifierCV(FrozenEstimator(algorithm), method=method).fit(rows, target)


def cut(algorithm: Any, threshold: float, rows: Any, target: Any) -> Any:
    """Return a fitted classifier of two classes that answers the second one from a chance on.

    Nothing is learnt from the rows: scikit-learn's `FixedThresholdClassifier` asks them for their type.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier

    second = algorithm.classes_.tolist()[1]
    wrapper = FixedThresholdClassifier(
        FrozenEstimator(algorithm), threshold=threshold, pos_label=second, response_method="predict_proba"
    )
    return wrapper.fit(rows, target)


def layers(last: Any) -> Iterator[Any]:
    """Yield a pipeline's last step and, where that decides for another, the other, down to the algorithm itself."""
    yield last
    if type(last).__name__ in WRAPPERS and type(last).__module__.startswith("sklearn."):
        yield from layers(last.estimator)


def algorithm_of(last: Any) -> Any:
    """Return the algorithm itself."""
    return list(layers(last))[-1]


def with_algorithm(last: Any, other: Any) -> Any:
    """Return what decides as `last` does, calibration and threshold included, for another algorithm."""
    own = algorithm_of(last)
    return other if last is own else deepcopy(last, {id(own): other})
