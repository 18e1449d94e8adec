"""scikit-learn's own checks of an estimator, and why some cannot hold."""

from typing import Any

import pytest
from runtree_keras.mlp import MLPClassifier, MLPRegressor
from runtree_keras.model import ModelClassifier, ModelRegressor
from runtree_keras.networks import mlp
from sklearn.utils.estimator_checks import parametrize_with_checks

QUICK = {"learning_rate": 0.02, "max_epochs": 15, "batch_size": 16, "random_state": 0, "device": "cpu", "threads": 1}


class Factory:
    """A factory by a name that is the same in every process: of a function the address is shown, in a test's name too."""

    def __call__(self, input_shape: Any, outputs: int) -> Any:
        """Return a network."""
        return mlp(input_shape, outputs)

    def __repr__(self) -> str:
        return "mlp"


def expected(estimator: Any) -> dict[str, str]:
    """Return the checks that fail, each with its reason."""
    return {"check_methods_subset_invariance": "sums of float32 differ in their last bits with the rows in a batch"}


@pytest.mark.slow
@parametrize_with_checks(
    [
        MLPClassifier(units=16, **QUICK),
        MLPRegressor(units=16, **QUICK),
        ModelClassifier(network=Factory(), **QUICK),
        ModelRegressor(network=Factory(), **QUICK),
    ],
    expected_failed_checks=expected,
)
def test_check(estimator: Any, check: Any) -> None:
    check(estimator)
