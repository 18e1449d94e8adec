import pytest
from broken_algorithms import Certain, Fails, Flat

from runtree.checks.pipeline import check_shapes


def test_what_fits_together_passes_with_its_sizes(looked_at, tables):
    found = check_shapes(looked_at(tables().assign(place=["north", "south"] * 100)))
    assert found.state == "passed"
    assert found.found == "120/40/40 rows, 5 columns become 6 features"


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        (Certain(), "chances do not add up to 1 in the train part"),
        (Flat(), "predict answers (50, 2) for 50 train rows"),
        (Fails(), "RuntimeError: no luck"),
    ],
)
def test_a_broken_algorithm_fails(looked_at, tables, estimator, says):
    found = check_shapes(looked_at(tables(), estimator=estimator))
    assert (found.state, found.found) == ("failed", says)
    assert found.advice
