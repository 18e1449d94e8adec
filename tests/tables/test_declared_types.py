"""Declared types, values that do not fit them, and notes on columns whose type was guessed."""

import shlex

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import describe_content, to_table
from runtree.lifecycle.table_options import TableOptions, table_options
from runtree.tables.csv_files import Reading
from runtree.tables.declared import (
    apply_missing,
    apply_types,
    check_types,
    find_misfits,
    missing_override,
    type_override,
)
from runtree.tables.declared import read_as as read_as_type
from runtree.tables.notes import apply_decisions, decide_types, notes_of
from runtree.testing.fixtures import compose


def typed(values, kind, decimal="."):
    return apply_types(pd.DataFrame({"a": values}), {"a": kind}, decimal)["a"]


@pytest.mark.parametrize(
    ("values", "decimal", "expected"),
    [
        (["007", "7", None], ".", [7, 7, None]),
        (["1,257", "-12,345.5", "3"], ".", [1257, -12345.5, 3]),
        (["0.12%", "50 %", "-1%"], ".", [0.0012, 0.5, -0.01]),
        (["($1,257.50)", "\u22123", "12-", "USD 5", "5 EUR"], ".", [-1257.5, -3, -12, 5, 5]),
        (["1 234 567", "-1 234,5", "12"], ",", [1234567, -1234.5, 12]),
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


def test_a_target_of_text_that_looks_like_numbers_is_one_if_all_texts_are():
    frame = pd.DataFrame({"a": range(40), "y": [f"{n + 1},257" for n in range(40)]})
    for options in ({}, {"task": "regression"}, {"types": {"y": "number"}}):
        found = to_table(frame, TableOptions(target="y", **options), "t", seed=0)
        assert (found.task, found.target[0], found.types) == ("regression", 1257.0, {"y": "number"})
    # few of them may be classes, as they are
    few = to_table(frame.assign(y=["5%", "10%"] * 20), TableOptions(target="y"), "t", seed=0)
    assert few.classes == ("10%", "5%")
    stray = frame.assign(y=["n/d", *frame["y"][1:]])
    with pytest.raises(DataError, match=r"39 numbers and 1 other text \('n/d'\)"):
        to_table(stray, TableOptions(target="y", task="regression"), "t", seed=0)


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
            ["1.5", "2", "low", "3"],
            "3 numbers and 1 other text ('low'), so all are read as text; to take those as missing",
        ),
        (["1.5", "2", "low", "3"], "'data.missing=[auto,low]'"),
        (
            ["1.5", "2", "-", "3", "N/D"],
            "3 numbers and 2 other texts ('-', 'N/D'): read as numbers, and those as missing",
        ),
        (["(1.5)", "2", "3-"], "('(1.5)', '3-'), and are read as such ('(1.5)' is -1.5)"),
        (["1 250", "12"], "('1 250'), and are read as such ('1 250' is 1250)"),
        (["01/03/20", "02/03/20"], "'01/03/20' is read as %m/%d/%y; if it is %d/%m/%y, type: data.types.a=%d/%m/%y"),
        (["1,257", "3"], "('1,257'), and are read as such ('1,257' is 1257); if its comma is a decimal mark, type: "),
        (["1,257", "3"], "type: data.types.a=decimal_comma; if they are categories, type: data.types.a=category"),
        (["0,5", "1,257"], "('0,5' is 0.5); if they are categories, type: data.types.a=category; to confirm, type: "),
        (["0.1%", "0.2%"], "to confirm, type: data.types.a=number"),
        (["1.5"] * 29 + ["n/d"], "29 numbers and 1 other text ('n/d'): read as numbers, and those as missing; if"),
        (["1.5"] * 29 + ["n/d"], "to confirm, type: 'data.missing=[auto,n/d]'"),
        (["007", "07", "7"], "codes with leading zeros ('007', '07') are read as categories"),
        (
            ["05/01/2024", "06/01/2024"],
            "'05/01/2024' is read as %m/%d/%Y; if it is %d/%m/%Y, type: data.types.a=%d/%m/%Y",
        ),
        (["2024-01-01"] * 30 + ["soon"], "1 of 31 values are no dates ('soon') and count as missing"),
    ],
)
def test_a_guess_is_told_with_what_to_type(values, says):
    [note] = notes_of(decide_types(pd.DataFrame({"a": values}), {}))
    assert says in note
    assert decide_types(pd.DataFrame({"a": values}), {"a": "category"}) == {}


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
    assert notes_of(decide_types(pd.DataFrame({"a": values}), {})) == []


@pytest.mark.parametrize(
    ("values", "numbers", "read_as"),
    [
        (["1,257", "12,345.5", "3"], [1257, 12345.5, 3], "number"),
        (["12,5", "1.257,5", "3"], [12.5, 1257.5, 3], "decimal_comma"),
        (["$5", "-$1,257.5", "$ 3"], [5, -1257.5, 3], "number"),
        (["5 €", "1'257 €", "1\u202f257 €"], [5, 1257, 1257], "number"),
        (["0.12%", "5 %"], [0.0012, 0.05], "number"),
        ([*map(str, range(239)), "n/d"], [*range(239), np.nan], "number"),
        (["007", "7", "$5"], None, ""),
        (["1", "2", "low"], None, ""),
        (["1", "2", "n/d"], [1, 2, np.nan], "number"),
        (["5551234", "12"], None, ""),  # text of a format with types, and nothing odd about it
    ],
)
def test_numbers_written_as_text_are_numbers(values, numbers, read_as):
    frame = pd.DataFrame({"a": values})
    decided = decide_types(frame, {})
    assert decided["a"].read_as == read_as
    read = apply_decisions(frame, decided)["a"]
    if numbers is None:
        assert read.tolist() == values
    else:
        np.testing.assert_allclose(read, numbers)
        # a declared type reads the same, but for what does not fit
        np.testing.assert_allclose(read_as_type(frame["a"], read_as)[0], numbers)


def test_what_was_decided_is_told_of_each_column():
    frame = pd.DataFrame(
        {
            "price": [f"${n}" for n in range(59)] + ["n/d"],
            "day": [f"{1 + n % 28:02}/12/2024" for n in range(59)] + ["soon"],
            "zip": ["007", "07", "7"] * 20,
            "kind": ["a", "b"] * 30,
            "id": [f"x{n}" for n in range(60)],
            "whole": range(60),
            "share": np.linspace(0, 1, 60),
            "member": [True, False] * 30,
            "words": [f"some {n} words in a row" for n in range(60)],
            "left": "out",
            "y": ["u", "v"] * 30,
        }
    )
    options = TableOptions(target="y", types={"kind": "text", "left": "drop"}, date_format="%d/%m/%Y")
    found = to_table(frame, options, "t", seed=0)
    columns = {column.pop("name"): column for column in describe_content(found)["columns"]}
    assert {name: column["type"] for name, column in columns.items()} == {
        "price": "number",
        "day": "date",
        "zip": "code",
        "kind": "text",
        "id": "identifier",
        "whole": "integer",
        "share": "number",
        "member": "boolean",
        "words": "text",
    }
    assert columns["price"]["why"] == "59 numbers and 1 other text ('n/d')"
    assert (columns["price"]["misfits"], columns["price"]["examples"]) == (1, ["n/d"])
    assert columns["day"]["why"] == "59 of 60 texts are dates as %d/%m/%Y, by data.date_format"
    assert found.types == {"kind": "text", "price": "number", "day": "%d/%m/%Y"}
    assert found.features["day"][1] == pd.Timestamp("2024-12-02")
    assert found.aside.columns.tolist() == ["left"]


def test_a_date_format_is_checked():
    with pytest.raises(ConfigError, match=r"data\.date_format: 'DD/MM' is no format of dates"):
        table_options({"target": "y", "date_format": "DD/MM"})
