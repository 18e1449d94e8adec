import pytest
from broken_algorithms import Stuck

from runtree.checks.learning import check_one_batch


@pytest.mark.parametrize(
    ("data", "algorithm"), [("iris", "mlp"), ("diabetes", "mlp"), ("digits", "sgd"), ("diabetes", "sgd")]
)
def test_what_learns_by_gradients_learns_a_few_rows_by_heart(looked_at, data, algorithm):
    found = check_one_batch(looked_at(data, f"algorithm={algorithm}"))
    assert found.state == "passed"
    assert "rows learnt by heart: train" in found.found


def test_a_strong_penalty_does_not_hinder(looked_at):
    assert (
        check_one_batch(looked_at("iris", "algorithm=mlp", "algorithm.alpha=100", "algorithm.max_iter=2")).state
        == "passed"
    )


def test_a_gradient_that_is_never_applied_fails(looked_at, tables):
    found = check_one_batch(looked_at(tables(), "algorithm=mlp", estimator=Stuck()))
    assert found.state == "failed"
    assert found.found.startswith("not even 8 rows can be learnt by heart")


def test_a_step_too_small_fails(looked_at):
    assert check_one_batch(looked_at("digits", "algorithm=mlp", "algorithm.learning_rate_init=1e-9")).state == "failed"


def test_other_algorithms_are_skipped(looked_at):
    found = check_one_batch(looked_at("iris", "algorithm=random_forest"))
    assert (found.state, found.found) == ("skipped", "random_forest does not iterate by gradients")
