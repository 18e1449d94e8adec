"""A plugin's tuner is told by name where it fails or proposes what is no proposal."""

import pytest

from runtree.contract.errors import ConfigError, RunFailedError
from runtree.contract.search import Choice, Dimension, Interval, Observation, Proposal
from runtree.sweeps.plugin_tuner import find_misfit, guarded
from runtree.tuners.grid import Grid

SPACE = (
    Dimension("algorithm", Choice(("line", "tree"))),
    Dimension("algorithm.depth", Interval(1, 8, integer=True), when=lambda chosen: chosen["algorithm"] == "tree"),
    Dimension("algorithm.rate", Interval(0.0, 1.0)),
)
RIGHT = {"algorithm": "line", "algorithm.rate": 0.5}


class Mine:
    own_space, prunes = True, True

    def __init__(self, proposal=None):
        self.proposal, self.told = proposal, []

    def begin(self, space, directions, seed):
        self.told.append(directions)

    def ask(self, number):
        if isinstance(self.proposal, BaseException):
            raise self.proposal
        return self.proposal

    def tell(self, observation):
        self.told.append(observation)

    def report(self, number, step, value):
        return value > 0


def begun(proposal=None):
    tuner = guarded(Mine(proposal), "mine")
    tuner.begin(SPACE, ["minimize"], 0)
    return tuner


def test_what_is_right_passes():
    tuner, observation = begun(Proposal(0, RIGHT)), Observation(0, "failed", RIGHT)
    assert tuner.ask(0).values == RIGHT
    tuner.tell(observation)
    assert tuner.tuner.told == [["minimize"], observation]
    assert (tuner.own_space, tuner.prunes, tuner.exhaustive) == (True, True, False)
    assert [tuner.report(0, 0, value) for value in (-1.0, 1.0)] == [False, True]
    assert begun(None).ask(3) is None
    own = Grid()
    assert guarded(own, "grid") is own


@pytest.mark.parametrize(
    ("proposal", "says"),
    [
        (ZeroDivisionError("by zero"), "tuner=mine failed in `ask`: ZeroDivisionError: by zero"),
        (SystemExit(0), r"tuner=mine failed in `ask`: it called sys.exit\(0\)"),
        (None, r"tuner=mine proposed nothing at all: `ask\(0\)` returned None"),
        (RIGHT, "tuner=mine returned {'algorithm': 'line'.* from `ask`, not a Proposal"),
        (Proposal(1, RIGHT), "tuner=mine was asked for proposal 0 and returned number 1"),
        (Proposal(0, {**RIGHT, "algorithm.rate": 2}), "tuner=mine proposed what is not in the space: algorithm.rate=2"),
    ],
)
def test_a_fault_is_told_with_the_name_of_the_tuner(proposal, says):
    with pytest.raises(RunFailedError, match=says):
        begun(proposal).ask(0)


def test_a_refusal_of_the_tuner_is_the_users():
    with pytest.raises(ConfigError, match=r"^no$"):
        begun(ConfigError("no")).ask(0)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, ""),
        ({"algorithm.rate": 1}, ""),
        ({"algorithm": "tree", "algorithm.depth": 3}, ""),
        ({"algorithm": "tree"}, "there is no value for algorithm.depth"),
        ({"algorithm.depth": 3}, "algorithm.depth takes no part in it"),
        ({"algorithm": "tree", "algorithm.depth": 3.5}, "algorithm.depth=3.5 does not lie in"),
        ({"algorithm": "tree", "algorithm.depth": True}, "algorithm.depth=True does not lie in"),
        ({"algorithm": "shrub"}, "algorithm='shrub' does not lie in"),
        ({"algorithm.rate": float("nan")}, "algorithm.rate=nan does not lie in"),
    ],
)
def test_a_proposal_is_compared_with_the_space(change, wrong):
    assert find_misfit({**RIGHT, **change}, SPACE).startswith(wrong)
    assert bool(find_misfit({**RIGHT, **change}, SPACE)) == bool(wrong)
