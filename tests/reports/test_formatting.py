import math

import pytest

from runtree.reports.formatting import (
    MISSING,
    format_bytes,
    format_estimate,
    format_interval,
    format_number,
    format_p_value,
    format_seconds,
    join_words,
    metric_label,
    pluralize,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.96924603, "0.9692"), (1.0, "1.000"), (62.9912, "62.99"), (-0.5, "\N{MINUS SIGN}0.5000"), (3968.4, "3968"),
        (123456.7, "123,457"), (1797, "1,797"), (6.38e-06, "6.38e-06"), (0.0, "0.0000"), (None, MISSING), (math.nan, MISSING),
        (math.inf, MISSING), (True, "yes"), ("text", "text"), (1e20, "1e+20"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert format_number(value) == text


def test_a_signed_number_shows_its_sign():
    assert [format_number(value, signed=True) for value in (0.02, -0.02, 0.0)] == [
        "+0.0200",
        "\N{MINUS SIGN}0.0200",
        "0.0000",
    ]


def test_interval():
    found = {"value": 0.9, "low": 0.85, "high": 0.94}
    assert format_interval(found) == "0.8500 to 0.9400"
    assert format_estimate(found) == "0.9000 (0.8500 to 0.9400)"
    assert format_interval({"value": 0.9}) == format_interval(None) == MISSING


def test_a_p_value_is_never_0():
    assert [format_p_value(value) for value in (0.0, 0.0009, 0.0123, None)] == ["< 0.001", "< 0.001", "0.012", MISSING]


def test_words():
    assert [metric_label(name) for name in ("roc_auc", "balanced_accuracy", "r2")] == [
        "ROC AUC",
        "balanced accuracy",
        "R²",
    ]
    assert [format_seconds(value) for value in (0.123, 12.34, 1234.5)] == ["0.12 s", "12.3 s", "1,234 s"]
    assert [format_bytes(value) for value in (12, 312_000, 4_100_000)] == ["12 B", "312 kB", "4.1 MB"]
    assert [pluralize(1, "row"), pluralize(5000, "row")] == ["1 row", "5,000 rows"]
    assert [join_words([]), join_words(["a"]), join_words(["a", "b", "c"]), join_words(list("abcd"), 2)] == [
        "",
        "a",
        "a, b and c",
        "a, b and 2 more",
    ]
