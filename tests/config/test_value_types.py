"""Values that arrive with another type than was meant: the error shows what to type, and typing it works."""

import shlex
from typing import get_type_hints

import pytest

from runtree.config.hydra_engine import force_open_parameters
from runtree.config.value_types import as_number, check_type, is_node
from runtree.contract.errors import ConfigError, unknown
from runtree.evaluation.options import read_evaluation_options
from runtree.lifecycle.table_options import TableOptions, table_options
from runtree.sweeps.options import LoopOptions

# the key of `data`, what arrived, what the message offers
MEANT = [
    ("target", None, "data.target=\"null\""),
    ("target", 1.0, "data.target=\"1.0\""),
    ("target", True, "data.target=\"true\""),
    ("target", ["y"], "data.target=y"),
    ("target", [7], 'data.target="7"'),
    ("drop", "x", "data.drop=[x]"),
    ("drop", 7, 'data.drop=["7"]'),
    ("drop", [None, "a"], "data.drop=[\"null\",a]"),
    ("drop", [1.0], "data.drop=[\"1.0\"]"),
    ("time", 2024, "data.time=\"2024\""),
    ("test_size", "0.2", "data.test_size=0.2"),
    ("test_size", "20%", "data.test_size=0.2"),
    ("test_size", "half", "data.test_size=0.5"),
    ("test_size", True, "data.test_size=0.5"),
    ("sample", "10", "data.sample=10"),
    ("missing", "-", "data.missing=[-]"),
    ("positive", ["yes"], "data.positive=yes"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "offered"), MEANT, ids=[f"{key}={value!r}" for key, value, _ in MEANT])
def test_what_is_offered_is_of_the_right_type_once_it_is_typed(key, value, offered):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    options = {"target": "y", key: value}
    with pytest.raises(ConfigError, match=rf"^data\.{key}: .* is not of the type") as refused:
        table_options(options)
    [hint] = refused.value.hints
    [word] = [word for word in shlex.split(hint) if word.startswith(f"data.{key}=")]
    assert word == offered
    typed = OverridesParser.create().parse_override(word)
    check_type(typed._convert_value(typed.value()), get_type_hints(TableOptions)[key], "data.key")


def test_words_that_are_meant_as_a_list_may_be_one_name_or_several():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    with pytest.raises(ConfigError) as refused:
        table_options({"target": "y", "drop": "first name's"})
    offered = [word for word in shlex.split(refused.value.hints[0].replace(";", "")) if word.startswith("data.drop=")]
    values = [OverridesParser.create().parse_override(word).value() for word in offered]
    assert [[str(item) for item in value] for value in values] == [["first name's"], ["first", "name's"]]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("split", False, "data.split: false is not one of auto, random"),
        ("duplicates", True, "data.duplicates: true is not one of auto, together, split\n  type: data.duplicates=auto"),
        ("task", ["regression"], "data.task: ['regression'] is not one of auto, classification, regression"),
        ("split", "grup", "unknown value at data.split: 'grup'\n  did you mean: group"),
        ("group", False, "for none type data.group=null; if it is a name, quote it"),
    ],
)
def test_a_word_of_a_few_is_told_with_the_others(key, value, says):
    with pytest.raises(ConfigError) as refused:
        table_options({"target": "y", key: value})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "typed"),
    [("diagnose", False, "none"), ("explain", True, "auto"), ("baselines", False, "none"), ("baselines", True, "auto")],
)
def test_what_is_switched_as_if_it_were_a_switch_is_told_with_the_word_for_it(key, value, typed):
    with pytest.raises(ConfigError, match=rf"\n  type: evaluator\.{key}={typed}$"):
        read_evaluation_options({key: value})


@pytest.mark.parametrize("value", [{}, {"a": 1}])
def test_a_mapping_is_no_plain_value(value):
    with pytest.raises(ConfigError, match=r"^data\.target: \{.*is not of the type str"):
        table_options({"target": value})
    assert is_node({"_target_": "x"}, str)
    assert not is_node({"a": 1}, dict[str, int])
    assert not is_node({"a": 1}, dict[str, float | int] | None)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"^data\.target: a value is required\n.*data\.target=…"):
        table_options({})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("12 %", 0.12),
        ("12%", 0.12),
        ("nan", None),
        ("x", None),
        (True, None),
        (10**400, None),
    ],
)
def test_numbers_in_texts(value, number):
    assert as_number(value) == number


def test_a_name_that_is_a_number_has_an_answer():
    assert "unknown metric '1'" in str(unknown("metric", 1, ["f1"]))


def test_a_mapping_without_fixed_keys_can_be_typed_as_a_whole():
    assert force_open_parameters(["data.types={007: category}", "data.types.a=number", "data.target=y"]) == [
        "++data.types={007: category}",
        "++data.types.a=number",
        "data.target=y",
    ]


@pytest.mark.parametrize("value", ["20260101-000000-sweep", ["a"], 5])
def test_a_block_that_is_no_mapping_says_which_key_was_meant(value):
    with pytest.raises(ConfigError, match=r"^tuner\.warm_start: .* is not a mapping\n.*tuner\.warm_start\.from="):
        LoopOptions(warm_start=value).warm  # noqa: B018
