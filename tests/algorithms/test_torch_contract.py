"""The networks obey scikit-learn's estimator contract."""

import pytest

pytest.importorskip("torch")

from sklearn.utils.estimator_checks import parametrize_with_checks

from algorithms.torch_checks import carry_out
from runtree.algorithms.torch.module import TorchModuleClassifier, TorchModuleRegressor
from runtree.algorithms.torch.tabular import (
    TorchMLPClassifier,
    TorchMLPRegressor,
    TorchResNetClassifier,
    TorchResNetRegressor,
)

QUICK = {"max_epochs": 15, "batch_size": 16, "learning_rate": 0.02, "device": "cpu", "threads": 1}
ESTIMATORS = [
    TorchMLPClassifier(units=16, **QUICK),
    TorchMLPRegressor(units=16, **QUICK),
    TorchResNetClassifier(units=16, blocks=1, **QUICK),
    TorchResNetRegressor(units=16, blocks=1, **QUICK),
    TorchModuleClassifier(**QUICK),
    TorchModuleRegressor(**QUICK),
]


EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn by row: a row that weighs two is in one, a row that is there twice may be in two",
    "check_methods_subset_invariance": "arithmetic is float32: a row's last bits depend on how many rows are with it",
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED, xfail_strict=False)
def test_scikit_learn_contract(estimator, check):
    carry_out(check, estimator)
