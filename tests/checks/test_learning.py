import numpy as np
import pytest
from broken_algorithms import Peek

from runtree.checks.learning import chance_tolerance, check_learns, check_shuffled


@pytest.mark.parametrize("metric", ["auto", "f1", "roc_auc", "log_loss"])
def test_a_sound_pipeline_learns_and_falls_to_chance(looked_at, tables, metric):
    context = looked_at(tables(400), f"objective.metric={metric}")
    assert check_learns(context).state == "passed"
    assert check_shuffled(context).state == "passed"


@pytest.mark.parametrize("algorithm", ["mlp", "sgd", "knn"])
def test_a_sound_regression_learns_and_falls_to_chance(looked_at, algorithm):
    context = looked_at("diabetes", f"algorithm={algorithm}")
    assert check_learns(context).state == "passed"
    assert check_shuffled(context).state == "passed"


def test_what_is_no_better_than_a_dummy_fails(looked_at):
    assert check_learns(looked_at("diabetes", "algorithm=dummy")).state == "failed"
    assert check_learns(looked_at("iris", "algorithm=dummy")).state == "failed"


def test_what_may_be_luck_is_warned_of(looked_at, tables):
    noise = tables().assign(y=np.random.default_rng(0).choice(["p", "q"], 200))
    states = {check_learns(looked_at(noise, f"seed={seed}")).state for seed in range(4)}
    assert states & {"warned", "failed"}


def test_what_knows_the_answer_from_elsewhere_fails(looked_at, tables):
    found = check_shuffled(looked_at(tables(400), estimator=Peek()))
    assert found.state == "failed"
    assert "on permuted labels, by chance 0." in found.found


def test_the_tolerance_is_the_larger_of_two_errors():
    chances = np.array([0.4, 0.5, 0.6])
    assert chance_tolerance(np.full(6, 0.3), chances) == pytest.approx(0.4)
    assert chance_tolerance(np.array([0.3, -0.3] * 3), chances) > 0.7
