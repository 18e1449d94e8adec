import math

import pytest

from runtree.reports.numbers import (
    NOTHING,
    chance,
    counted,
    interval,
    listed,
    metric_name,
    number,
    seconds,
    size,
    with_interval,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.96924603, "0.9692"), (1.0, "1.000"), (62.9912, "62.99"), (-0.5, "\N{MINUS SIGN}0.5000"), (3968.4, "3968"),
        (123456.7, "123,457"), (1797, "1,797"), (6.38e-06, "6.38e-06"), (0.0, "0.0000"), (None, NOTHING), (math.nan, NOTHING),
        (math.inf, NOTHING), (True, "yes"), ("text", "text"), (1e20, "1e+20"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


def test_a_signed_number_tells_its_sign():
    assert [number(value, signed=True) for value in (0.02, -0.02, 0.0)] == ["+0.0200", "\N{MINUS SIGN}0.0200", "0.0000"]


def test_interval():
    found = {"value": 0.9, "low": 0.85, "high": 0.94}
    assert interval(found) == "0.8500 to 0.9400"
    assert with_interval(found) == "0.9000 (0.8500 to 0.9400)"
    assert interval({"value": 0.9}) == interval(None) == NOTHING


def test_a_chance_is_never_nothing():
    assert [chance(value) for value in (0.0, 0.0009, 0.0123, None)] == ["< 0.001", "< 0.001", "0.012", NOTHING]


def test_words():
    assert [metric_name(name) for name in ("roc_auc", "balanced_accuracy", "r2")] == [
        "ROC AUC",
        "balanced accuracy",
        "R²",
    ]
    assert [seconds(value) for value in (0.123, 12.34, 1234.5)] == ["0.12 s", "12.3 s", "1,234 s"]
    assert [size(value) for value in (12, 312_000, 4_100_000)] == ["12 B", "312 kB", "4.1 MB"]
    assert [counted(1, "row"), counted(5000, "row")] == ["1 row", "5,000 rows"]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"]), listed(list("abcd"), 2)] == [
        "",
        "a",
        "a, b and c",
        "a, b and 2 more",
    ]
