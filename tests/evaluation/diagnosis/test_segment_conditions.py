import numpy as np
import pandas as pd

from runtree.evaluation.diagnosis.columns import read_columns
from runtree.evaluation.diagnosis.segments import (
    CategoryCondition,
    MissingCondition,
    RangeCondition,
    combine_masks,
    format_conditions,
    simplify_conditions,
)


def columns(frame):
    found, skipped = read_columns(frame)
    return {column.name: column for column in found}, skipped


FRAME = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, np.nan, 60.0, 70.0, 80.0],
        "city": ["Bern", "Rome", None, "Bern", "Oslo", "Rome", "Oslo"],
        "rooms": [1, 2, 2, 3, 1, 2, 3],
        "when": pd.date_range("2024-01-01", periods=7),
    }
)


def test_conditions_match_rows():
    known, skipped = columns(FRAME)
    assert skipped == {"when": "holds dates"}
    assert combine_masks([RangeCondition("age", 25, 60)], known).tolist() == [
        False,
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    assert combine_masks([CategoryCondition("city", "Bern")], known).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert combine_masks([MissingCondition("city")], known).tolist() == [False, False, True, False, False, False, False]
    assert combine_masks([CategoryCondition("rooms", "2"), CategoryCondition("city", "Rome")], known).tolist() == [
        False,
        True,
        False,
        False,
        False,
        True,
        False,
    ]


def test_a_path_is_simplified():
    path = [
        RangeCondition("age", 20),
        CategoryCondition("city", "Rome", False),
        RangeCondition("age", 30),
        RangeCondition("age", high=50),
        CategoryCondition("city", "Bern"),
    ]
    assert format_conditions(simplify_conditions(path)) == "30 < age <= 50 and city = Bern"
    assert format_conditions([RangeCondition("age", high=30.5)]) == "age <= 30.5"
    assert format_conditions([MissingCondition("age", False)]) == "age is not missing"


def test_the_most_frequent_levels_are_kept():
    names = pd.DataFrame({"name": [f"n{number % 200}" for number in range(400)] + ["common"] * 50})
    known, _ = columns(names)
    assert known["name"].levels[0] == "common"
    assert len(known["name"].levels) == 50
    assert (known["name"].values == 0).sum() == 50
    assert not known["name"].missing.any()
