import pytest
from broken_algorithms import Certain, Dice, Fails, Flat

from runtree.checks.pipeline import check_repeats, check_shapes


def test_shapes_that_fit_pass_with_their_sizes(make_context, tables):
    found = check_shapes(make_context(tables().assign(place=["north", "south"] * 100)))
    assert found.state == "passed"
    assert found.message == "120/40/40 rows, 5 columns become 6 features"


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Certain(), "probabilities do not sum to 1 in the train split"),
        (Flat(), "predict returns shape (50, 2) for 50 train rows"),
        (Fails(), "RuntimeError: no luck"),
    ],
)
def test_a_broken_algorithm_fails(make_context, tables, estimator, message):
    found = check_shapes(make_context(tables(), estimator=estimator))
    assert (found.state, found.message) == ("failed", message)
    assert found.advice


@pytest.mark.parametrize("algorithm", ["random_forest", "mlp"])
def test_the_same_seed_gives_the_same_predictions(make_context, algorithm):
    assert check_repeats(make_context("iris", f"algorithm={algorithm}")).state == "passed"


def test_randomness_without_a_seed_fails(make_context, tables):
    found = check_repeats(make_context(tables(), estimator=Dice()))
    assert found.state == "failed"
    assert "two fits with seed 0 differ" in found.message
