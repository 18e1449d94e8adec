"""Points of a Sobol sequence, and the values that they stand for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from runtree.contract.search import Choice, Dimension, Interval, Observation
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.tuners.sobol import Sobol, place

SPACE = [
    Dimension("model", Choice(("line", "tree"))),
    Dimension("alpha", Interval(0.0, 1.0), lambda chosen: chosen["model"] == "line"),
    Dimension("depth", Interval(1, 8, integer=True), lambda chosen: chosen["model"] == "tree"),
    Dimension("share", Interval(0.0, 1.0)),
]


def points(count, seed=0, start=0):
    tuner = OptunaTuner(Sobol, memory=0, reseed=False)
    tuner.begin(SPACE, ["minimize"], seed)
    for number in range(start):
        tuner.tell(Observation(number, "failed", {}))
    return [tuner.ask(number).values for number in range(start, count)]


def test_every_eighth_of_a_range_gets_its_point():
    found = points(64)
    assert Counter(int(values["share"] * 8) for values in found) == dict.fromkeys(range(8), 8)
    assert Counter(values["model"] for values in found) == {"line": 32, "tree": 32}


def test_conditional_ranges_are_covered_too():
    depths = Counter(values["depth"] for values in points(128) if "depth" in values)
    assert set(depths) == set(range(1, 9))
    assert max(depths.values()) - min(depths.values()) <= 4


def test_a_point_depends_on_its_number_alone():
    assert points(20, start=13) == points(20)[13:]
    assert points(20) != points(20, seed=1)


@given(st.floats(0.0, 1.0, exclude_max=True), st.booleans())
def test_a_share_is_placed_within(share, log):
    assert 1 <= place(share, IntDistribution(1, 50, log=log)) <= 50
    assert 0.1 <= place(share, FloatDistribution(0.1, 7.0, log=log)) <= 7.0
    assert place(share, CategoricalDistribution((0, 1, 2))) == int(share * 3)


def test_whole_numbers_get_equal_shares():
    found = Counter(place(position / 1000, IntDistribution(1, 4)) for position in range(1000))
    assert found == {1: 250, 2: 250, 3: 250, 4: 250}


def test_a_log_scale_gives_equal_ratios_equal_shares():
    assert place(0.5, FloatDistribution(1e-4, 1.0, log=True)) == pytest.approx(1e-2)
