"""The words of a sweep: which are swept, in which order a run has them, and what stands for a mandatory key."""

import pytest

from runtree.app import App
from runtree.config.compose import Composer
from runtree.config.hydra_engine import HydraEngine
from runtree.contract.errors import ConfigError
from runtree.plugins import make_plugins
from runtree.sweeps.overrides import split_overrides

APP = App(make_plugins(found=[]))


def split(*words, **params):
    return split_overrides(words, params, APP.catalogue.groups, lambda group: APP.catalogue.groups[group])


@pytest.mark.parametrize(
    ("words", "values", "order"),
    [
        (["a.x=1,2", "b.y=5"], {"a.x": "a.x=2"}, ["a.x=2", "b.y=5"]),
        (["b.y=5", "a.x=1,2", "c.z=0"], {"a.x": "a.x=2"}, ["b.y=5", "a.x=2", "c.z=0"]),
        (["b.y=5", "++b.y=1,2"], {"++b.y": "++b.y=1"}, ["b.y=5", "++b.y=1"]),
        # what the tuner adds, such as the seed of a repeat, wins over what is typed
        (["seed=5", "a.x=1,2"], {"a.x": "a.x=1", "seed": "seed=6"}, ["seed=6", "a.x=1"]),
        (["++b.y=1,2", "b.y=5"], {}, ["b.y=5"]),
        (["b.y=1,2", "++b.y=5"], {}, ["++b.y=5"]),
    ],
)
def test_a_run_has_the_words_in_the_order_of_the_command_line(words, values, order):
    assert split(*words).arrange(values) == order


def test_a_later_word_replaces_a_sweep_over_the_same_key():
    overrides = split("++algorithm.alpha=1,2", "algorithm.alpha=5", "algorithm.tol=1,2")
    assert (dict(overrides.composed), list(overrides.ranges)) == ({}, ["algorithm.tol"])


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["data=csv", "data.path=a.csv,b.csv", "data.target=y"], ("a.csv", "y")),
        (["data=csv", "data.path=a.csv", "data.target=x,y"], ("a.csv", "x")),
        (["data=csv", "data.path=a.csv", "data.target=choice(7, 8)"], ("a.csv", 7)),
    ],
)
def test_a_mandatory_key_can_be_swept(words, first):
    overrides = split(*words)
    composer = Composer(
        HydraEngine(APP.folders, (), APP.allow_list()).compose,
        overrides.arrange,
        overrides.ranges,
        overrides.first_value,
    )
    base = composer.base({})
    assert (base.value("data.path"), base.value("data.target")) == first
    [path] = overrides.ranges
    assert base.with_values({path: "other"}).flat[path] == "other"


def test_a_mandatory_key_that_nobody_sets_is_still_asked_for():
    overrides = split("data=csv", "data.path=a.csv,b.csv")
    composer = Composer(
        HydraEngine(APP.folders, (), APP.allow_list()).compose,
        overrides.arrange,
        overrides.ranges,
        overrides.first_value,
    )
    with pytest.raises(ConfigError, match=r"data.target: a value is required"):
        composer.base({})


@pytest.mark.parametrize(
    ("declared", "first"), [("interval(0.5, 2)", 0.5), ("tag(log, interval(1, 9))", 1), ("3,4", 3)]
)
def test_the_first_value_of_a_range(declared, first):
    assert split(f"algorithm.alpha={declared}").first_value("algorithm.alpha") == first
