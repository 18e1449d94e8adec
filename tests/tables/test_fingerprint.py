"""What changed between two tables, from what `data.json` keeps of each."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract.errors import DataError
from runtree.tables.fingerprint import (
    TableHash,
    check_pin,
    describe_changes,
    equal_beginning,
    hash_table,
    pin_override,
    row_hashes,
)
from runtree.tables.strata import repeated_rows


def described(frame):
    features, target = frame.drop(columns="y"), frame["y"]
    fingerprint, sketch = hash_table(features, target)
    columns = [{"name": name, "dtype": str(column.dtype)} for name, column in features.items()]
    target = {"name": "y", "dtype": str(target.dtype)}
    return {"rows": len(frame), "columns": columns, "target": target, "fingerprint": fingerprint, "sketch": sketch}


def table(rows=100):
    return pd.DataFrame({"a": np.arange(rows), "b": [f"w{n % 7}" for n in range(rows)], "y": np.arange(rows) % 2})


def changed(row, rows=100):
    frame = table(rows)
    frame.loc[row, "b"] = "other"
    return frame


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (table(), []),
        (table(120), ["rows: 20 added, the first 100 are as before"]),
        (table()[["b", "a", "y"]], ["columns: in another order, from 'b' on"]),
        (table(90), ["rows: 10 fewer, the first 90 are as before"]),
        (changed(41), ["rows: the first that differs is row 42 (values of 'b')"]),
        (changed(41, 120), ["rows: 20 added, the first that differs is row 42"]),
        (table().iloc[::-1], ["rows: the first that differs is row 1"]),
        (table().rename(columns={"a": "c"}), ["columns: without 'a' and with 'c'"]),
        (table(101).astype({"a": float}), ["types: 'a' was int64 and is float64", "rows: 1 added"]),
        (changed(700, 1000), ["rows: 900 added, the first 96 are as before"]),
    ],
)
def test_what_changed_is_told(now, says):
    assert describe_changes(described(table()), described(now)) == says


def test_of_a_long_table_the_rows_of_a_block_are_named():
    [says] = describe_changes(described(table(5000)), described(changed(4321, 5000)))
    assert says == "rows: the first that differs is in rows 4,289 to 4,352 (values of 'b')"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700))
def test_a_table_that_has_grown_begins_as_before(one, two):
    few, many = sorted((one, two))
    before, now = (described(table(rows)) for rows in (few, many))
    size = max(before["sketch"]["block"], now["sketch"]["block"])
    equal = equal_beginning(before["sketch"], now["sketch"], few)
    assert few - equal < size
    if few == many:
        assert before == now


def test_a_pin_holds_or_is_refused_with_what_changed():
    before, now = described(table()), described(table(120))
    check_pin(before["fingerprint"][:8].upper(), before["fingerprint"], before, lambda: pytest.fail("nothing to find"))
    with pytest.raises(DataError) as told:
        check_pin(before["fingerprint"][:8], now["fingerprint"], now, lambda: before)
    assert str(told.value).splitlines() == [
        f"data.fingerprint: the table is not {before['fingerprint'][:8]}, but {now['fingerprint'][:12]}",
        "  rows: 20 added, the first 100 are as before",
        f"  if the new one is meant, type: {pin_override(now['fingerprint'])}",
    ]
    with pytest.raises(DataError, match="no run in this folder has used the pinned table"):
        check_pin("abcdef", now["fingerprint"], now, lambda: None)
    with pytest.raises(DataError, match=r"'orders' is not a fingerprint"):
        check_pin("orders", now["fingerprint"], now, lambda: None)


@pytest.mark.parametrize(
    ("fingerprint", "digits"), [("0123456789abcdef", 12), ("123456789012345a", 16), ("1234567e9012345a", 16)]
)
def test_what_is_typed_to_pin_is_no_number_in_yaml(fingerprint, digits):
    assert pin_override(fingerprint) == f"data.fingerprint={fingerprint[:digits]}"


@pytest.mark.parametrize("texts", [["a", None, "bé", "a"], [None, None], [], ["x"] * 3])
def test_texts_are_hashed_as_pandas_does(texts):
    column = pd.Series(texts, dtype="str")
    assert row_hashes(column).tolist() == pd.util.hash_pandas_object(column, index=False).tolist()


def test_rows_have_one_hash_where_they_are_equal():
    frame = pd.DataFrame({"a": [1, 2, 1, 1, 2], "b": ["x", "1", "x", None, "1"], "c": [None, 0.5, None, None, 0.5]})
    assert repeated_rows(TableHash().update(frame, frame["a"])).tolist() == [0, 1, 0, 3, 1]
    swapped = pd.DataFrame({"a": ["x", "y"], "b": ["y", "x"]})
    assert len(set(TableHash().update(swapped, swapped["a"]))) == 2
