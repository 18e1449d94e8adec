"""scikit-learn's own checks of an estimator, and why some cannot hold."""

from typing import Any

import pytest
from runtree_keras.mlp import MLPClassifier, MLPRegressor
from runtree_keras.model import ModelClassifier, ModelRegressor
from runtree_keras.networks import mlp
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

# These ask for a score, or for a share of the predictions; to all others the number of epochs is the same.
LEARNS = ("check_classifiers_train", "check_regressors_train", "check_class_weight_classifiers")
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
    if check.func.__name__ not in LEARNS:
        estimator = clone(estimator).set_params(max_epochs=2)  # what is given is shared by all checks
    check(estimator)
