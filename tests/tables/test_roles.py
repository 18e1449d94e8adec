"""Columns with a role: times sort as time does however they are written, and what has no role's value is refused."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import DataError
from runtree.evaluators.splitting import Splitting
from runtree.lifecycle.load import to_table
from runtree.lifecycle.split import split
from runtree.lifecycle.table_options import TableOptions
from runtree.tables.roles import read_groups, read_target, read_times

DAYS = pd.date_range("2023-10-05", periods=200, freq="D")


def spelled(date_format):
    return pd.Series(DAYS.strftime(date_format), name="t")


SPELLINGS = {
    "day first": spelled("%d/%m/%Y"),
    "month first": spelled("%m/%d/%Y"),
    "no leading zeros": pd.Series([f"{day.month}/{day.day}/{day.year}" for day in DAYS], name="t"),
    "points": spelled("%d.%m.%Y"),
    "two digits of the year": spelled("%d.%m.%y"),
    "names of months": spelled("%b %d %Y"),
    "names last": spelled("%d-%b-%Y"),
    "ISO": spelled("%Y-%m-%d"),
    "afternoon": spelled("%m/%d/%Y 11:00 PM"),
    "dates": pd.Series(DAYS, name="t"),
    "dates in a time zone": pd.Series(DAYS.tz_localize("Asia/Tokyo"), name="t"),
    "Python's dates": pd.Series([day.date() for day in DAYS], name="t", dtype=object),
    "periods": pd.Series(DAYS.to_period("D"), name="t"),
    "categories": spelled("%d/%m/%Y").astype("category"),
    "numbers": pd.Series(range(200), name="t"),
    "numbers as text": pd.Series(range(200), name="t").astype(str),
    "fractions as text": (pd.Series(range(200), name="t") / 4).astype(str),
    "digits": spelled("%Y%m%d"),
    "nanoseconds as text": pd.Series(1_700_000_000_000_000_000 + np.arange(200), name="t").astype(str),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_times_sort_as_time_does_however_they_are_written(spelling):
    column = SPELLINGS[spelling]
    order = np.random.default_rng(0).permutation(len(column))
    read, _ = read_times(column.iloc[order])
    assert order[read.argsort(kind="stable").to_numpy()].tolist() == list(range(len(column)))
    assert read.nunique() == len(column)


def test_months_without_a_day_are_times():
    months = pd.Series(["Jan-2024", "Feb-2023", "Dec-2023"], name="t")
    assert read_times(months)[0].argsort().tolist() == [1, 2, 0]


def test_categories_that_are_no_times_have_the_order_that_they_declare():
    quarters = pd.Categorical(["late", "early", "middle"], ["early", "middle", "late"], ordered=True)
    assert read_times(pd.Series(quarters, name="t"))[0].argsort().tolist() == [1, 2, 0]
    with pytest.raises(DataError, match="text that is no time"):
        read_times(pd.Series(pd.Categorical(["late", "early"]), name="t"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["2024-01-01", None, None], ["data.time: column 't' is missing in 2 of 3 rows"]),
        ([1.0, np.inf], ["data.time: column 't' holds infinity in 1 of 2 rows"]),
        (["01/02/2024", "05/01/2024"], ["'01/02/2024' may be", "data.types.t=%d/%m/%Y", "data.types.t=%m/%d/%Y"]),
        (["13/02/2024", "05/01/2024", "soon"], ["no time in 1 of 3 rows: 'soon'", "%d/%m/%Y"]),
        (["Q1", "Q2"], ["text that is no time: 'Q1', 'Q2'", "data.types.t=%d/%m/%Y"]),
        ([datetime.time(10), datetime.time(11)], ["text that is no time: '10:00:00'"]),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_type(values, says):
    with pytest.raises(DataError) as caught:
        read_times(pd.Series(values, name="t"))
    assert [words for words in says if words not in str(caught.value)] == [], str(caught.value)


def test_day_and_month_do_not_matter_if_the_order_is_the_same():
    first_days = pd.Series([f"01/{month:02d}/2024" for month in range(1, 13)], name="t")
    assert read_times(first_days)[0].is_monotonic_increasing


def test_groups_have_one_text_form_and_no_holes():
    assert read_groups(pd.Series([3, "3", 3.0], dtype=object)).tolist() == ["3"] * 3
    with pytest.raises(DataError, match=r"data\.group: column 'g' is missing in 1 of 2 rows"):
        read_groups(pd.Series([1.0, np.nan], name="g"))


@pytest.mark.parametrize("unused", [["a", "b", "never"], [0, 1, 9]])
def test_a_category_that_no_row_has_is_no_class(unused):
    column = pd.Series(pd.Categorical(unused[:2] * 3, unused))
    assert sorted(read_target(column).unique().tolist()) == unused[:2]
    frame = pd.DataFrame({"a": range(6), "y": column})
    table = to_table(frame, TableOptions(target="y"), "t", seed=0)
    assert table.classes == tuple(unused[:2])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_target_is_refused(value):
    with pytest.raises(DataError, match=r"data\.target: column 'y' holds infinity in 1 of 3 rows"):
        read_target(pd.Series([1.0, value, 2.0], name="y"))


# --- No time is on two sides of a border.

TIED = st.lists(st.integers(0, 12), min_size=30, max_size=80)


def split_in_time(times, holds_out=True):
    frame = pd.DataFrame({"a": range(len(times)), "t": times, "y": [0.5 * n for n in range(len(times))]})
    options = TableOptions(target="y", time="t")
    table = to_table(frame, options, "t", seed=0)
    return table, split(table, options, 0, holds_out)


@given(TIED)
def test_each_split_is_later_than_all_that_is_learnt_from(times):
    if len(set(times)) < 3:
        return
    table, parts = split_in_time(times)
    rows = [parts.train, parts.validation, parts.test]
    assert sorted(np.concatenate(rows)) == list(range(len(times)))
    read = [table.times.iloc[part] for part in rows]
    assert read[0].max() < read[1].min()
    assert read[1].max() < read[2].min()


@given(TIED, st.integers(0, 3))
def test_each_fold_is_later_than_its_training_rows(times, gap):
    class Run:
        pass

    run = Run()
    run.data, _ = split_in_time([*times, 13, 14], holds_out=False) if len(set(times)) > 1 else (None, None)
    if run.data is None:
        return
    run.seed, run.metadata = 0, {"split": "time"}
    try:
        folds = list(Splitting("time", 3, gap=gap).parts(run, np.arange(len(times) + 2)))
    except DataError as error:
        assert "rows of one time are not divided" in str(error)
        return
    assert len(folds) == 3
    for fold in folds:
        assert run.data.times.iloc[fold.train].max() < run.data.times.iloc[fold.held_out].min()
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert len(set(held_out)) == len(held_out)


def test_a_split_of_another_size_is_told_and_an_impossible_one_refused():
    _, parts = split_in_time([1] * 20 + [2] * 20 + [3] * 20)
    assert [len(rows) for rows in (parts.train, parts.validation, parts.test)] == [20, 20, 20]
    assert parts.notes[1] == "rows of one 't' stay in one split: test has 20 rows, not 12"
    assert split_in_time(list(range(60)))[1].notes == ()
    with pytest.raises(DataError, match="column 't' has 2 different times, too few for the splits"):
        split_in_time([1] * 20 + [2] * 20)
