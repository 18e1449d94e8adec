import pandas as pd
import pytest

from runtree.tables.groups import group_labels


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series(["a", None, "b"]), ["a", "missing", "b"]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.Series([1, 2, 1]), ["1", "2", "1"]),
        (pd.Series([0.5, None]), ["0.5", "missing"]),
        (pd.Series([0.05068011873981862]), ["0.0506801"]),
    ],
)
def test_few_values_are_groups_themselves(values, expected):
    assert group_labels(values).tolist() == expected


def test_many_numbers_are_binned_by_quarters_and_rare_levels_gathered():
    numbers = group_labels(pd.Series([*range(100), None]))
    assert numbers.value_counts().to_dict() == {
        "<= 24.75": 25,
        "24.75 to 49.5": 25,
        "49.5 to 74.25": 25,
        "> 74.25": 25,
        "missing": 1,
    }
    days = group_labels(pd.Series(pd.date_range("2026-01-01", periods=40)))
    assert days.iloc[0] == "<= 2026-01-10 18:00:00"
    words = group_labels(pd.Series([f"level {min(row // 4, 29)}" for row in range(200)]))
    assert words.nunique() == 20
    assert "others" in set(words)
