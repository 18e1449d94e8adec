"""A grid is what Hydra's basic sweeper makes of the same lists."""

import json
import subprocess
import sys
from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal
from runtree.tuners.grid import Grid

CHOICES = st.lists(st.integers(0, 9) | st.text(max_size=2) | st.none(), min_size=1, max_size=4).map(tuple)
RANGES = st.builds(lambda low, count: Interval(low, low + count, integer=True), st.integers(-5, 5), st.integers(0, 3))


def begun(space):
    grid = Grid()
    grid.begin(space, ["minimize"], 0)
    return grid


def everything(grid):
    number = 0
    while (proposal := grid.ask(number)) is not None:
        assert proposal.number == number
        yield proposal.values
        number += 1


def distinct(combinations):
    return list({json.dumps(each): each for each in combinations}.values())


@given(st.lists(CHOICES.map(Choice) | RANGES, max_size=4))
def test_the_order_is_that_of_product(domains):
    space = [Dimension(f"key{position}", domain) for position, domain in enumerate(domains)]
    paths = [dimension.path for dimension in space]
    expected = [dict(zip(paths, row, strict=True)) for row in product(*(domain.values for domain in domains))]
    assert list(everything(begun(space))) == distinct(expected)


@given(st.lists(st.tuples(CHOICES, st.integers(0, 3)), min_size=1, max_size=4))
def test_what_does_not_hold_is_left_out_and_multiplies_nothing(declared):
    space = [Dimension("key0", Choice((0, 1, 2)))]
    for position, (options, wanted) in enumerate(declared, start=1):
        holds = None if wanted == 3 else lambda chosen, wanted=wanted: chosen["key0"] == wanted
        space.append(Dimension(f"key{position}", Choice(options), holds))
    expected = []
    for row in product(*(dimension.domain.values for dimension in space)):
        chosen = {}
        for dimension, value in zip(space, row, strict=True):
            if dimension.holds(chosen):
                chosen[dimension.path] = value
        expected.append(chosen)
    assert list(everything(begun(space))) == distinct(expected)


def test_no_dimension_is_one_combination():
    assert list(everything(begun([]))) == [{}]


def test_a_billion_combinations_are_not_made():
    grid = begun([Dimension(f"key{position}", Interval(1, 10**9, integer=True)) for position in range(9)])
    assert list(islice(everything(grid), 3))[2] == {**{f"key{position}": 1 for position in range(8)}, "key8": 3}
    assert grid.ask(100_000).values["key8"] == 100_001


def test_a_restored_one_goes_on():
    space = [Dimension("a", Choice((1, 2, 3))), Dimension("b", Choice(("x", "y")))]
    grid = begun(space)
    for number, state in enumerate(["completed", "failed", "running"]):
        grid.tell(Observation(number, state, {"a": 9}))
    assert grid.ask(3) == Proposal(3, {"a": 2, "b": "y"})
    assert grid.ask(0) == Proposal(0, {"a": 1, "b": "x"})
    assert grid.ask(6) is None


def test_the_infinite_is_refused_with_what_to_type():
    space = [Dimension("seed", Choice((1, 2))), Dimension("algorithm.alpha", Interval(0.0, 1.0), text="interval(0, 1)")]
    with pytest.raises(ConfigError) as raised:
        begun(space)
    assert str(raised.value).startswith(
        "algorithm.alpha: a grid needs a finite space, but interval(0, 1) is continuous"
    )
    assert "algorithm.alpha=0,1" in str(raised.value)
    assert "tuner=tpe" in str(raised.value)


def test_a_grid_needs_no_optuna():
    code = "import sys, runtree.tuners.grid; print('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
