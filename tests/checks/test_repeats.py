import pytest
from broken_algorithms import Dice

from runtree.checks.pipeline import check_repeats


@pytest.mark.parametrize("algorithm", ["random_forest", "mlp"])
def test_the_same_seed_gives_the_same_predictions(looked_at, algorithm):
    assert check_repeats(looked_at("iris", f"algorithm={algorithm}")).state == "passed"


def test_randomness_without_a_seed_fails(looked_at, tables):
    found = check_repeats(looked_at(tables(), estimator=Dice()))
    assert found.state == "failed"
    assert "two fits with seed 0 differ" in found.found
