import math
from pathlib import Path

import pytest

from runtree.contract.types import RunRecord
from runtree.records.diff import ABSENT, diff


def record(name: str, **changes) -> RunRecord:
    known = {
        "id": name, "experiment": "e", "state": "completed", "reason": None, "started": "", "finished": None,
        "seconds": 1.0, "overrides": (), "config": {}, "metrics": {}, "objective": {}, "fingerprints": {},
        "stages": {}, "task": None, "error": None, "folder": Path("nowhere", name),
    }  # fmt: skip
    return RunRecord(**known | changes)


@pytest.mark.parametrize(("one", "other"), [(True, 1), (0, False), (1.0, "1.0"), (None, 0), ([1], [2]), ({}, None)])
def test_values_of_other_kinds_differ(one, other):
    [found] = diff(record("a", config={"x": one}), record("b", config={"x": other})).section("config").found
    assert (found.name, found.one, found.other) == ("x", one, other)


@pytest.mark.parametrize("value", [math.nan, 1, None, "a", [1, {"b": None}], {}])
def test_a_value_is_the_same_as_itself(value):
    section = diff(record("a", config={"x": value}), record("b", config={"x": value})).section("config")
    assert (section.found, section.compared) == ((), 1)


def test_a_key_that_one_lacks_differs_even_from_null():
    [found] = diff(record("a", config={"x": None}), record("b")).section("config").found
    assert (found.one, found.other, found.change) == (None, ABSENT, None)


def test_metrics_that_are_no_mapping_break_nothing():
    found = diff(record("a", metrics={"validation": 3}), record("b", metrics={"validation": {"f1": 0.5}}))
    assert {item.name for item in found.section("metrics").found} == {"validation", "validation.f1"}


def test_what_is_not_known_of_a_run_is_no_obstacle():
    assert diff(record("a", fingerprints={"data": "d1"}), record("b")).obstacles == ()
    assert diff(record("a"), record("b")).same_science is None
