import numpy as np
import pytest
from broken_algorithms import Peek, Stuck

from runtree.checks.learning import chance_tolerance, check_learns, check_one_batch, check_shuffled


@pytest.mark.parametrize("metric", ["auto", "f1", "roc_auc", "log_loss"])
def test_a_sound_pipeline_learns_and_falls_to_chance(make_context, tables, metric):
    context = make_context(tables(400), f"objective.metric={metric}")
    assert check_learns(context).state == "passed"
    assert check_shuffled(context).state == "passed"


@pytest.mark.parametrize("algorithm", ["mlp", "sgd", "knn"])
def test_a_sound_regression_learns_and_falls_to_chance(make_context, algorithm):
    context = make_context("diabetes", f"algorithm={algorithm}")
    assert check_learns(context).state == "passed"
    assert check_shuffled(context).state == "passed"


def test_a_pipeline_that_is_not_better_than_a_dummy_fails(make_context):
    assert check_learns(make_context("diabetes", "algorithm=dummy")).state == "failed"
    assert check_learns(make_context("iris", "algorithm=dummy")).state == "failed"


def test_a_score_within_the_sampling_error_is_not_passed(make_context, tables):
    noise = tables().assign(y=np.random.default_rng(0).choice(["p", "q"], 200))
    states = {check_learns(make_context(noise, f"seed={seed}")).state for seed in range(4)}
    assert states & {"warned", "failed"}


def test_a_pipeline_that_knows_the_target_otherwise_fails(make_context, tables):
    found = check_shuffled(make_context(tables(400), estimator=Peek()))
    assert found.state == "failed"
    assert "on permuted labels, chance 0." in found.message


def test_the_tolerance_is_the_larger_of_two_errors():
    chance = np.array([0.4, 0.5, 0.6])
    assert chance_tolerance(np.full(6, 0.3), chance) == pytest.approx(0.4)
    assert chance_tolerance(np.array([0.3, -0.3] * 3), chance) > 0.7


@pytest.mark.parametrize(
    ("data", "algorithm"), [("iris", "mlp"), ("diabetes", "mlp"), ("digits", "sgd"), ("diabetes", "sgd")]
)
def test_algorithms_trained_by_gradients_memorize_a_few_rows(make_context, data, algorithm):
    found = check_one_batch(make_context(data, f"algorithm={algorithm}"))
    assert found.state == "passed"
    assert "rows memorized: train" in found.message


def test_a_strong_penalty_is_switched_off(make_context):
    assert (
        check_one_batch(make_context("iris", "algorithm=mlp", "algorithm.alpha=100", "algorithm.max_iter=2")).state
        == "passed"
    )


def test_a_gradient_that_is_never_applied_fails(make_context, tables):
    found = check_one_batch(make_context(tables(), "algorithm=mlp", estimator=Stuck()))
    assert found.state == "failed"
    assert found.message.startswith("cannot memorize even 8 rows")


def test_a_learning_rate_that_is_too_small_fails(make_context):
    assert (
        check_one_batch(make_context("digits", "algorithm=mlp", "algorithm.learning_rate_init=1e-9")).state == "failed"
    )


def test_other_algorithms_are_skipped(make_context):
    found = check_one_batch(make_context("iris", "algorithm=random_forest"))
    assert (found.state, found.message) == ("skipped", "random_forest is not trained by gradients")
