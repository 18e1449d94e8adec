import math
from pathlib import Path

import pytest

from runtree.contract.types import RunRecord
from runtree.records.diff import ABSENT, diff, varying_keys


def record(name: str, **changes) -> RunRecord:
    known = {
        "id": name, "experiment": "e", "state": "completed", "reason": None, "started": "", "finished": None,
        "seconds": 1.0, "overrides": (), "config": {}, "metrics": {}, "objective": {}, "fingerprints": {},
        "stages": {}, "task": None, "error": None, "folder": Path("nowhere", name),
    }  # fmt: skip
    return RunRecord(**known | changes)


@pytest.mark.parametrize(("one", "other"), [(True, 1), (0, False), (1.0, "1.0"), (None, 0), ([1], [2]), ({}, None)])
def test_values_of_other_kinds_differ(one, other):
    [found] = diff(record("a", config={"x": one}), record("b", config={"x": other})).section("config").differences
    assert (found.name, found.first, found.second) == ("x", one, other)


@pytest.mark.parametrize("value", [math.nan, 1, None, "a", [1, {"b": None}], {}])
def test_a_value_is_the_same_as_itself(value):
    section = diff(record("a", config={"x": value}), record("b", config={"x": value})).section("config")
    assert (section.differences, section.compared) == ((), 1)


def test_a_key_that_one_lacks_differs_even_from_null():
    [found] = diff(record("a", config={"x": None}), record("b")).section("config").differences
    assert (found.first, found.second, found.change) == (None, ABSENT, None)


def test_metrics_that_are_no_mapping_break_nothing():
    found = diff(record("a", metrics={"validation": 3}), record("b", metrics={"validation": {"f1": 0.5}}))
    assert {item.name for item in found.section("metrics").differences} == {"validation", "validation.f1"}


def test_what_is_not_known_of_a_run_is_no_obstacle():
    assert diff(record("a", fingerprints={"data": "d1"}), record("b")).obstacles == ()
    assert diff(record("a"), record("b")).same_config is None


def a_run(overrides: tuple[str, ...] = (), **config) -> RunRecord:
    """Make a record; keys of the config have __ for a dot."""
    settings = {"algorithm.name": "ridge", "data.name": "iris"} | {k.replace("__", "."): v for k, v in config.items()}
    return record("r", overrides=overrides, config=settings)


def test_a_key_varies_where_runs_of_one_option_differ():
    runs = [
        a_run(seed=0, algorithm__alpha=1.0, algorithm__tol=1),
        a_run(seed=0, algorithm__alpha=2.0, algorithm__tol=1),
    ]
    assert varying_keys(runs) == ["algorithm.alpha"]
    assert varying_keys(runs[:1]) == []
    assert varying_keys([]) == []


def test_other_options_differ_by_name_and_not_by_every_key_that_they_have():
    forest = {"algorithm__name": "forest", "algorithm__trees": 100, "algorithm__tol": 2}
    runs = [a_run(algorithm__alpha=1.0, algorithm__tol=1), a_run(**forest)]
    assert varying_keys(runs) == ["algorithm.name"]


def test_a_key_that_was_typed_varies_across_options():
    runs = [
        a_run(algorithm__alpha=1.0),
        a_run(algorithm__name="lasso", algorithm__alpha=0.1, overrides=("algorithm=lasso", "algorithm.alpha=0.1")),
    ]
    assert varying_keys(runs) == ["algorithm.name", "algorithm.alpha"]


def test_a_key_that_only_some_runs_of_an_option_have_varies():
    runs = [a_run(algorithm__params__depth=3), a_run(algorithm__params={})]
    assert varying_keys(runs) == ["algorithm.params.depth"]


def test_targets_spaces_and_places_are_no_differences():
    noise = [
        {"algorithm___target_": name, "algorithm__space__alpha": name, "outputs": name, "experiment__name": name}
        for name in "ab"
    ]
    assert (
        varying_keys([a_run(**keys, overrides=tuple(key.replace("__", ".") for key in keys)) for keys in noise]) == []
    )


def test_a_group_without_a_name_differs_by_its_target():
    runs = [a_run(preprocess___target_="p.Tabular", preprocess__levels=20), a_run(preprocess___target_="p.Standard")]
    assert varying_keys(runs) == ["preprocess._target_"]


def test_what_follows_the_seed_says_nothing_new():
    following = [a_run(seed=number, algorithm__random_state=number) for number in (0, 1)]
    assert varying_keys(following) == ["seed"]
    own = [a_run(seed=number, algorithm__random_state=7 + number) for number in (0, 1)]
    assert varying_keys(own) == ["seed", "algorithm.random_state"]
