"""`tuner.constraints`: bounds on metrics, and by how much a run violates them."""

import math

import pytest

from runtree.contract.errors import ConfigError
from runtree.sweeps.messages import AttemptResult
from runtree.sweeps.results import read_constraints


@pytest.mark.parametrize(
    ("text", "value", "violation"),
    [
        ("validation.log_loss <= 0.3", 0.5, 0.2),
        ("validation.log_loss <= 0.3", 0.1, -0.2),
        ("validation.recall>=0.9", 0.8, 0.1),
        (" validation.recall >= 9e-1 ", 1.0, -0.1),
    ],
)
def test_a_constraint_tells_how_much_it_is_violated(text, value, violation):
    [constraint] = read_constraints(text)
    split, _, name = constraint.metric.partition(".")
    result = AttemptResult("completed", metrics={split: {name: value}})
    assert constraint.violation(result) == pytest.approx(violation)


def test_what_was_not_measured_violates():
    nothing = AttemptResult("completed", metrics={"validation": {"b": math.nan}})
    constraints = read_constraints(["a <= 1", "a >= 1", "b <= 1", "b >= 1", "fit_seconds <= 1"])
    assert [constraint.violation(nothing) for constraint in constraints] == [math.inf] * 5


def test_a_constraint_without_a_split_means_the_validation_split_and_never_the_test_split():
    assert [constraint.metric for constraint in read_constraints(["a <= 1", "train.a <= 1"])] == [
        "validation.a",
        "train.a",
    ]
    with pytest.raises(ConfigError, match="uses the test split"):
        read_constraints("test.a <= 1")


@pytest.mark.parametrize(
    "text", ["", "a", "a < 1", "a == 1", "a <= b", "a <= nan", "a <= inf", "1 <= a <= 2", "a b <= 1"]
)
def test_any_other_constraint_is_refused(text):
    with pytest.raises(ConfigError, match=r"^tuner\.constraints: "):
        read_constraints(text)
