"""What a model remembers of the values of a column: enough for a form, and nothing that names people."""

import pandas as pd
import pytest

from runtree.lifecycle.save import MAX_KEPT_CATEGORIES, seen_values


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([3, 1, 2, 10], {"low": 1, "high": 10, "typical": 2}),
        ([0.5, None, 1.5], {"low": 0.5, "high": 1.5, "typical": 0.5}),
        ([True, False, True], {"values": [False, True], "typical": True}),
        (["b", "a", "b", None], {"values": ["b", "a"], "typical": "b"}),
        ([f"name {n}" for n in range(MAX_KEPT_CATEGORIES + 1)], {}),
        ([["nested"], ["lists"]], {}),
        ([None, None], {}),
    ],
)
def test_range_categories_and_a_typical_value_are_kept(values, kept):
    assert seen_values(pd.Series(values)) == kept


def test_dates_are_kept_as_text():
    found = seen_values(pd.Series(pd.to_datetime(["2026-01-03", "2026-01-01", "2026-01-02"])))
    assert found == {"low": "2026-01-01T00:00:00", "high": "2026-01-03T00:00:00", "typical": "2026-01-02T00:00:00"}
