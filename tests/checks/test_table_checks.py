import numpy as np
import pandas as pd
import pytest

from runtree.checks.rows import check_duplicates
from runtree.checks.table import (
    check_classes,
    check_constant,
    check_groups,
    check_identifiers,
    check_missing,
    check_time,
    is_identifier,
)
from runtree.lifecycle import split


@pytest.fixture
def incomplete(tables):
    frame = tables()
    frame.loc[::20, "a"] = np.nan
    return frame


def test_missing_values_that_preprocessing_fills_pass(make_context, incomplete):
    found = check_missing(make_context(incomplete))
    assert (found.state, found.message) == ("passed", "10 missing values in the table, none left")


def test_missing_values_that_are_left_pass_only_if_the_algorithm_accepts_them(make_context, incomplete):
    found = check_missing(make_context(incomplete, "preprocess=none"))
    assert found.state == "failed"
    assert "logistic does not accept them" in found.message
    assert found.advice == "type: preprocess=tabular"
    assert (
        check_missing(make_context(incomplete, "preprocess=none", "algorithm=hist_gradient_boosting")).state == "passed"
    )


def test_a_constant_column_is_a_warning(make_context, tables):
    found = check_constant(make_context(tables().assign(e=1.5)))
    assert (found.state, found.advice) == ("warned", "drop them: data.drop=[e]")
    assert check_constant(make_context(tables())).state == "passed"


def test_a_column_that_varies_late_is_not_constant(make_context, tables, monkeypatch):
    monkeypatch.setattr("runtree.checks.table.FIRST_ROWS", 5)
    table = tables()
    assert (
        check_constant(make_context(table.assign(e=[1.0] * (len(table) // 2) + [2.0] * (len(table) // 2)))).state
        == "passed"
    )


def test_identifiers_are_a_warning(make_context, tables):
    found = check_identifiers(
        make_context(tables().assign(**{"customer no": range(200), "code": [f"C{n}" for n in range(200)]}))
    )
    assert (found.state, found.advice) == ("warned", "if it is one, type: data.drop=['customer no',code]")
    assert check_identifiers(make_context(tables())).state == "passed"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(30), True),
        ([f"C{n}" for n in range(30)], True),
        ([*range(29), 0], False),
        (np.linspace(0, 1, 30), False),
        (pd.date_range("2020-01-01", periods=30), False),
        ([f"2020-01-{n + 1:02d}" for n in range(30)], False),
        ([f"a sentence of many words, number {n}" for n in range(30)], False),
    ],
)
def test_measurements_dates_and_sentences_are_not_identifiers(values, expected):
    assert is_identifier(pd.Series(values)) is expected


def test_every_class_in_every_split_passes(make_context):
    found = check_classes(make_context("iris"))
    assert (found.state, found.message) == (
        "passed",
        "all 3 in each split; the smallest: 'setosa' with 10 in validation",
    )
    assert check_classes(make_context("diabetes", "algorithm=ridge")).state == "skipped"


def test_a_split_without_a_class_fails(make_context, tables):
    frame = tables().assign(day=range(200))
    frame.loc[:5, "y"] = "rare"
    found = check_classes(make_context(frame, "data.time=day"))
    assert found.state == "failed"
    assert "the validation split has no row of class 'rare'" in found.message
    assert "data.validation_size" in found.advice
    assert check_classes(make_context(frame)).state == "warned"


def test_duplicates_across_splits_are_a_warning(make_context, tables):
    found = check_duplicates(make_context(pd.concat([tables(), tables()]), "data.duplicates=split"))
    assert found.state == "warned"
    assert "test rows" in found.message
    for frame in (tables(), pd.concat([tables(), tables()])):  # by default copies stay together
        assert check_duplicates(make_context(frame)).state == "passed"


def test_a_group_in_two_splits_fails(make_context, tables, monkeypatch):
    frame = tables().assign(site=[n % 20 for n in range(200)])
    assert check_groups(make_context(frame, "data.group=site")).message == "20 groups of 'site', each in one split"
    assert check_groups(make_context(frame, "data.group=site", "data.split=random")).state == "passed"
    # no kind of split divides a group: files that are splits may
    monkeypatch.setattr(split, "choose_strategy", lambda table, options: "random")
    found = check_groups(make_context(frame, "data.group=site"))
    assert (found.state, found.advice) == ("failed", "type: data.split=group")
    monkeypatch.undo()
    assert check_groups(make_context(frame)).state == "skipped"


def test_a_shuffled_time_fails(make_context, tables):
    frame = tables().assign(day=pd.date_range("2020-01-01", periods=200))
    assert check_time(make_context(frame, "data.time=day")).state == "passed"
    found = check_time(make_context(frame, "data.time=day", "data.split=stratified"))
    assert (found.state, found.advice) == ("failed", "type: data.split=time")
    assert check_time(make_context(frame)).state == "skipped"
