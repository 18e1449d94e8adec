"""Reading columns: the same value is the same however it was stored, and what cannot be read is named."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import DataError
from runtree.tables import table
from runtree.tables.dates import find_format, parse_dates, read_dates
from runtree.tables.numbers import is_numeric, to_numbers
from runtree.tables.table import as_table, factorize_texts, pick, sample_evenly, to_texts

NUMBERS = [1.0, None, 2.0]
COLUMNS = {
    "float": pd.Series([1.0, np.nan, 2.0]),
    "Int64": pd.Series(NUMBERS, dtype="Int64"),
    "arrow": pd.Series([1, None, 2], dtype="int64[pyarrow]"),
    "objects": pd.Series([1, None, 2.0], dtype=object),
    "decimals": pd.Series([Decimal(1), None, Decimal("2.0")], dtype=object),
    "text": pd.Series(["1", None, "2.0"]),
    "categories": pd.Series([1, None, 2], dtype="category"),
    "durations": pd.to_timedelta(pd.Series(NUMBERS), unit="s"),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_numbers_are_read_however_they_are_stored(kind):
    read = to_numbers(pd.DataFrame({"a": COLUMNS[kind], "b": 0.5}))
    np.testing.assert_array_equal(read, [[1.0, 0.5], [np.nan, 0.5], [2.0, 0.5]])


@pytest.mark.parametrize(
    "values", [[True, False, None], ["True", "false", ""], pd.array([True, False, None], dtype="boolean")]
)
def test_truth_values_are_numbers(values):
    np.testing.assert_array_equal(to_numbers(pd.DataFrame({"a": values}))[:, 0], [1.0, 0.0, np.nan])


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, None, 2.5], True), ([True, None], True), ([None, None], True), (["1", "2"], False), ([1, "2"], False)],
)
def test_text_never_is_a_number_to_learn_from(values, expected):
    assert is_numeric(pd.Series(values, dtype=object)) is expected


def test_numbers_keep_the_layout_of_the_frame():
    wide = np.random.default_rng(0).normal(size=(5, 3))
    for values in (np.ascontiguousarray(wide), np.asfortranarray(wide)):
        frame = pd.DataFrame(values, columns=list("abc"))
        assert to_numbers(frame).flags.c_contiguous is np.asarray(frame).flags.c_contiguous


def test_text_that_is_no_number_is_named_with_its_column():
    with pytest.raises(DataError, match="column 'age' holds 'forty', which is not a number"):
        to_numbers(pd.DataFrame({"age": ["1", "forty"]}))


def test_dates_are_no_numbers():
    with pytest.raises(DataError, match="column 'age' holds dates; the model was trained with numbers"):
        to_numbers(pd.DataFrame({"age": pd.to_datetime(["2024-01-01"])}))


def test_whole_numbers_have_one_text():
    codes = [pd.Series([3, 4]), pd.Series([3.0, 4.0]), pd.Series(["3", "4"]), pd.Series(["3", "4"], dtype="category")]
    assert {tuple(to_texts(column)) for column in codes} == {("3", "4")}


def test_equal_texts_are_one_value():
    positions, texts = factorize_texts(pd.Series([3, "3", None, 3.5, "x"], dtype=object))
    assert texts == ["3", "3.5", "x"]
    assert positions.tolist() == [0, 0, -1, 1, 2]


def test_values_that_are_no_category_are_named():
    with pytest.raises(DataError, match="column 'tags' holds values of type list"):
        factorize_texts(pd.Series([["a"], ["b"]], name="tags"))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-01-31", "2024-02-01"], "%Y-%m-%d"),
        (["31/01/2024", "01/02/2024"], "%d/%m/%Y"),
        (["01/31/2024", "02/01/2024"], "%m/%d/%Y"),
        (["Jan 3, 2020", "Feb 14, 2021"], "%b %d, %Y"),
        (["2024-01-31T10:00:00Z", "2024-02-01T11:00:00Z"], "%Y-%m-%dT%H:%M:%S%z"),
        (["2024", "2025"], None),
        (["20240131", "20240201"], None),
        (["2024-01", "2024-02"], None),
        (["10:15", "11:30"], None),
        (["01/31/2024 01:15 PM", "02/01/2024 11:30 AM"], "%m/%d/%Y %I:%M %p"),
        (["31-Jan-24", "01-Feb-24"], "%d-%b-%y"),
        (["31.01.24", "01.02.24"], "%d.%m.%y"),
        (["1/31/24 13:05", "2/1/24 9:30"], "%m/%d/%y %H:%M"),
        (["10-12-11", "10-12-12"], None),
        (["1.2.3", "1.2.10"], None),
        (["A-1-2", "may", "10-1"], None),
        (["12", "7", "1.5"], None),
        ([], None),
    ],
)
def test_what_is_taken_for_a_date(texts, expected):
    assert find_format(texts, np.ones(len(texts), dtype=int)) == expected


@pytest.mark.parametrize(("slips", "is_date"), [(5, True), (6, False)])
def test_one_in_twenty_may_be_no_date(slips, is_date):
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    counts = np.asarray([*[3] * 25, *[4] * 5, slips])
    assert counts[:-1].sum() == 95
    assert (find_format([*days, "soon"], counts) is not None) is is_date


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_datetime(["2024-03-31", None])),
        pd.Series(pd.to_datetime(["2024-03-31", None])).dt.tz_localize("UTC"),
        pd.Series(["31/03/2024", "soon"]),
        pd.Series(["2024-03-31T00:00:00.000", None]),
        pd.Series(["2024-03-31 02:00:00+02:00", "?"]),
        pd.Series([datetime.date(2024, 3, 31), None]),
        pd.Series(["31/03/2024", None], dtype="category"),
    ],
)
def test_dates_are_read_however_they_are_written(column):
    read = read_dates(column, "%d/%m/%Y")
    assert read[0] == pd.Timestamp("2024-03-31")
    assert read.isna().tolist() == [False, True]


def test_years_alone_are_not_read_as_iso_dates():
    assert np.isnat(parse_dates(["2024", "20240131", ""], "")).all()


def test_numbers_are_no_dates_but_an_empty_chunk_is_fine():
    assert read_dates(pd.Series([np.nan, np.nan], name="day"), "").isna().all()
    with pytest.raises(DataError, match="column 'day' holds numbers; the model was trained with dates"):
        read_dates(pd.Series([1.0, np.nan], name="day"), "")


def test_a_table_is_columns_with_names():
    assert list(as_table(np.zeros((1, 2))).columns) == ["x0", "x1"]
    assert list(as_table(pd.DataFrame(np.zeros((1, 2)))).columns) == ["0", "1"]
    with pytest.raises(DataError, match="two dimensions"):
        as_table(np.zeros(3))
    with pytest.raises(DataError, match="column 'a' is more than once"):
        as_table(pd.DataFrame(np.zeros((1, 2)), columns=["a", "a"]))


def test_columns_are_picked_by_name():
    table = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    assert list(pick(table, ["c", "a"]).columns) == ["c", "a"]
    assert pick(table, ["a", "b", "c"]) is table
    with pytest.raises(DataError, match="columns 'd', 'e' are missing; the model was trained with them"):
        pick(table, ["a", "d", "e"])


@pytest.mark.parametrize(("rows", "kept"), [(10, 10), (11, 6), (99, 10)])
def test_a_sample_is_spread_evenly(rows, kept):
    sample = sample_evenly(pd.Series(range(rows)), 10)
    assert len(sample) == kept
    assert sample.index[0] == 0


@pytest.fixture
def counted(monkeypatch):
    """Long columns of two rows, and the columns that were factorised."""
    seen, factorize = [], table._factorize
    monkeypatch.setattr(table, "KEPT_ROWS", 2)
    monkeypatch.setattr(table, "_kept", {})
    monkeypatch.setattr(table, "_factorize", lambda column: [seen.append(column.name), factorize(column)][1])
    return seen


def test_the_levels_of_a_text_column_are_found_once_while_it_lives(counted):
    pytest.importorskip("pandas", minversion="3")  # before, texts are no arrays of pyarrow
    frame = pd.DataFrame({"a": ["x", None, "y", "x"], "b": [1, 2, 3, 3]})
    first = factorize_texts(frame["a"])
    others = frame.drop(columns="b").assign(c=1).reset_index(drop=True)
    again = factorize_texts(others["a"])
    assert counted == ["a"] and np.array_equal(first[0], again[0]) and first[1] == again[1] == ["x", "y"]
    assert table.count_distinct(others["a"]) == 2 and table.count_distinct(frame["b"]) == 3
    again[1].append("mine")
    assert factorize_texts(frame["a"])[1] == ["x", "y"]
    # a column that changes is another one
    frame.loc[0, "a"] = "z"
    assert factorize_texts(frame["a"])[1] == ["z", "y", "x"]
    del frame, others
    assert not table._kept


def test_of_many_long_columns_the_levels_of_the_last_are_kept(counted, monkeypatch):
    pytest.importorskip("pandas", minversion="3")
    monkeypatch.setattr(table, "KEPT_BYTES", 2 * (4 * 8 + table.TEXT_BYTES))
    frame = pd.DataFrame({name: [name] * 4 for name in "abc"})
    for name in ("a", "b", "c", "c", "b", "a"):
        factorize_texts(frame[name])
    assert counted == ["a", "b", "c", "a"] and len(table._kept) == 2
