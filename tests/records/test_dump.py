"""How records are written as text: what is read back is what was given."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtree.records.writer import dump_json, dump_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
LEAVES = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | TEXTS
FINITE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


def trees(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.recursive(
        leaves, lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4), max_leaves=20
    )


def alike(one: object, other: object) -> bool:
    """Tell whether two values are equal, types and the order of keys included."""
    return repr(one) == repr(other)


@given(st.dictionaries(TEXTS, trees(LEAVES), max_size=5))
def test_yaml_reads_back_the_same_types_and_order_included(content: dict[str, object]) -> None:
    assert alike(yaml.safe_load(dump_yaml(content)), content)


@given(trees(FINITE), st.sampled_from([None, 0, 1]))
def test_json_reads_back_the_same(value: object, spaces: int | None) -> None:
    assert alike(json.loads(dump_json(value, spaces)), value)


@pytest.mark.parametrize("value", [1, 1.0, True, "1", None, [1], [1.0], [True], {"a": 1}, {"a": 1.0}, math.inf])
def test_equal_values_of_other_types_are_told_apart_however_often_they_are_written(value: object) -> None:
    for other in (1, 1.0, True, "1", value):
        dump_yaml({"key": other, "deeper": {"key": other}})
    assert alike(yaml.safe_load(dump_yaml({"key": value, "deeper": {"key": value}}))["deeper"]["key"], value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(0.5), "0.5"),
        (np.int32(3), "3"),
        (Path("/data"), '"/data"'),
        ([math.nan, math.inf, -math.inf], "[null,null,null]"),
        ({1: "a", None: "b"}, '{"1":"a","None":"b"}'),
        ((1, (2,)), "[1,[2]]"),
    ],
)
def test_what_json_does_not_know_is_told_as_a_number_or_a_text(value: object, text: str) -> None:
    assert dump_json(value).decode() == text


def test_what_yaml_does_not_know_too() -> None:
    assert yaml.safe_load(dump_yaml({"path": Path("/data"), "deeper": {"share": np.float64(0.5)}})) == {
        "path": "/data",
        "deeper": {"share": 0.5},
    }


def test_nothing_is_an_empty_mapping() -> None:
    assert yaml.safe_load(dump_yaml({})) == {}
