"""Declared types, values that do not fit them, and notes on columns whose type was guessed."""

import shlex

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import TableOptions, to_table
from runtree.tables.csv_files import Reading
from runtree.tables.declared import (
    apply_missing,
    apply_types,
    check_types,
    find_misfits,
    missing_override,
    type_override,
)
from runtree.tables.notes import column_notes
from runtree.testing.fixtures import compose


def typed(values, kind, decimal="."):
    return apply_types(pd.DataFrame({"a": values}), {"a": kind}, decimal)["a"]


@pytest.mark.parametrize(
    ("values", "decimal", "expected"),
    [
        (["007", "7", None], ".", [7, 7, None]),
        (["1,257", "-12,345.5", "3"], ".", [1257, -12345.5, 3]),
        (["0.12%", "50 %", "-1%"], ".", [0.0012, 0.5, -0.01]),
        (["1.257,5", "0,5", "2"], ",", [1257.5, 0.5, 2]),
        ([1, 2, 3], ".", [1, 2, 3]),
    ],
)
def test_numbers_are_read_as_people_write_them(values, decimal, expected):
    np.testing.assert_allclose(typed(values, "number", decimal).astype(float), np.asarray(expected, dtype=float))


def test_categories_and_dates():
    assert typed([7, 8, None], "category").tolist()[:2] == ["7", "8"]
    assert typed(["05/01/2024"], "%d/%m/%Y").item() == pd.Timestamp("2024-01-05")
    assert typed(["19.01.22"], "date").item() == pd.Timestamp("2022-01-19")
    with pytest.raises(DataError, match=r"'05/01/2024' may be %m/%d/%Y or %d/%m/%Y"):
        typed(["05/01/2024"], "date")


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (["1", "n/d", "2"], "number", "column 'a' holds 'n/d' in row 2, which is not a number"),
        (["1,25", "n/d", "?"], "number", "holds '1,25' in row 1 (3 such rows)"),
        (["2024-01-01", "soon"], "date", "column 'a' holds 'soon' in row 2, which is not a date"),
        ([1, 2], "%Y", "column 'a' holds '1' in row 1 (2 such rows), which is not a date"),
    ],
)
def test_what_does_not_fit_is_named_by_row(values, kind, says):
    with pytest.raises(DataError) as caught:
        typed(values, kind)
    assert says in str(caught.value)
    assert "data.missing=[auto," in str(caught.value)


def test_a_target_of_text_that_looks_like_numbers_is_refused_with_what_to_type():
    frame = pd.DataFrame({"a": range(40), "y": [f"{n + 1},257" for n in range(40)]})
    for task in ("auto", "regression"):
        with pytest.raises(DataError, match=r"40 texts look like numbers \('1,257'.*type: data.types.y=number"):
            to_table(frame, TableOptions(target="y", task=task), "t", seed=0)
    found = to_table(frame, TableOptions(target="y", types={"y": "number"}), "t", seed=0)
    assert (found.task, found.target[0], found.notes) == ("regression", 1257.0, ())


def test_classes_and_groups_that_differ_in_spaces_are_told():
    frame = pd.DataFrame({"a": range(8), "g": ["u", "v ", "w", "v"] * 2, "y": ["No", "Yes", "no", "Yes"] * 2})
    notes = to_table(frame, TableOptions(target="y", group="g"), "t", seed=0).notes
    assert [note.partition(" are ")[0] for note in notes] == ["column 'y': 'No' and 'no'", "column 'g': 'v ' and 'v'"]


@pytest.mark.parametrize("role", ["group", "time"])
def test_the_target_has_no_other_role(role):
    with pytest.raises(ConfigError, match=f"data.{role}: column 'y' is the target"):
        to_table(pd.DataFrame({"a": [1, 2], "y": [1, 2]}), TableOptions(target="y", **{role: "y"}), "t", seed=0)


def test_types_are_checked():
    with pytest.raises(ConfigError, match=r"data\.types\.a: 'numbr' is no type"):
        check_types({"a": "numbr"}, ["a"])
    with pytest.raises(DataError, match=r"unknown column at data\.types: 'b'"):
        check_types({"b": "number"}, ["a"])


@pytest.mark.parametrize(
    ("name", "kind"), [("t", "%d/%m/%Y"), ("t", "%b %d, %Y %H:%M"), ("my col", "number"), ("a.b", "date")]
)
def test_what_a_message_says_to_type_works_when_it_is_typed(name, kind):
    typed = shlex.split(f"{type_override(name, kind)} {missing_override(['n/d', 'not known', '?', '-'])}")
    config = compose("data=csv", "data.path=t.csv", "data.target=y", *typed).config["data"]
    assert config["types"] == {name: kind}
    assert config["missing"] == ["auto", "n/d", "not known", "?", "-"]


def test_missing_words_of_a_table_that_is_not_read_from_text():
    frame = pd.DataFrame({"a": ["NA", "n/d", "b"], "n": [1.0, -99.0, 2.0]})
    changed = apply_missing(frame, Reading(missing=("auto", "n/d", "-99")))
    assert changed.isna().sum().to_dict() == {"a": 1, "n": 1}
    assert apply_missing(frame, Reading()) is frame


@pytest.mark.parametrize(
    ("column", "kind", "date_format", "bad"),
    [
        (pd.Series(["1", "x", None, "true"]), "number", "", [1]),
        (pd.Series([1.5, None]), "number", "", []),
        (pd.to_datetime(pd.Series(["2024-01-01", None])), "number", "", [0]),
        (pd.Series(["31/01/2024", "2024-01-31", "soon", None]), "date", "%d/%m/%Y", [2]),
        (pd.Series([1722470400, 1]), "date", "", [0, 1]),
        (pd.Series([None, None], dtype=object), "date", "", []),
        (pd.Series(["x"]), "", "", []),
    ],
)
def test_misfits_of_a_column(column, kind, date_format, bad):
    found = find_misfits(column, kind, date_format)
    assert (np.flatnonzero(found.rows).tolist() if found else []) == bad


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            ["1.5", "2", "n/d", "3"],
            "3 numbers and 1 other text ('n/d'), so all are read as text; to take those as missing",
        ),
        (["1.5", "2", "n/d", "3"], "'data.missing=[auto,n/d]'"),
        (["1,257", "3"], "2 texts look like numbers ('1,257'), but are read as text; type: data.types.a=number"),
        (["0,5", "1,25"], "type: 'data.decimal=\",\"'"),
        (["0.1%", "0.2%"], "data.types.a=number"),
        (["007", "07", "7"], "codes with leading zeros ('007', '07') are read as categories"),
        (
            ["05/01/2024", "06/01/2024"],
            "'05/01/2024' is read as %m/%d/%Y; if it is %d/%m/%Y, type: data.types.a=%d/%m/%Y",
        ),
        (["2024-01-01"] * 30 + ["soon"], "1 of 31 values are no dates ('soon') and count as missing"),
    ],
)
def test_a_guess_is_told_with_what_to_type(values, says):
    [note] = column_notes(pd.DataFrame({"a": values}), {})
    assert says in note
    assert column_notes(pd.DataFrame({"a": values}), {"a": "category"}) == []


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        [1.5, None],
        ["true", "false"],
        [True, None],
        ["2024-01-01", "2024-01-15"],
        [None, None],
        ["A1", "2"] * 9 + ["B", "C"],
    ],
)
def test_plain_columns_have_no_note(values):
    assert column_notes(pd.DataFrame({"a": values}), {}) == []
