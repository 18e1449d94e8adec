"""Intervals beside the metrics, after a run and on its page."""

import json

import pytest

from runtree.cli.evaluation_summary import DASH, format_interval, with_intervals
from runtree.testing.fixtures import UNEXAMINED


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.93611, 0.98222, "0.936 to 0.982"),
        (0.99912, 0.99963, "0.99912 to 0.99963"),
        (48.123, 58.9, "48.1 to 58.9"),
        (50.31, 55.48, "50.3 to 55.5"),
        (-0.1234, 0.2, "-0.12 to 0.20"),
        (1.5e6, 2e6, "1.5e+06 to 2e+06"),
        (0.5, 0.5, "0.5000 to 0.5000"),
    ],
)
def test_limits_are_told_to_two_digits_of_half_their_width(low, high, text):
    assert format_interval({"low": low, "high": high}) == text.replace(" to ", DASH)


def test_unknown_limits_are_none():
    assert format_interval({"low": None, "high": None}) is None
    assert format_interval({}) is None


def test_the_column_stands_after_that_of_the_test_part():
    found = {"intervals": {"level": 0.9, "test": {"f1": {"value": 0.9, "low": 0.85, "high": 0.93}}}}
    headings, rows = with_intervals(["metric", "test", ""], [["f1", 0.9, "x"], ["mcc", 0.8, ""]], found)
    assert headings == ["metric", "test", "test 90 % CI", ""]
    assert rows == [["f1", 0.9, f"0.850{DASH}0.930", "x"], ["mcc", 0.8, None, ""]]


@pytest.mark.parametrize("found", [{}, {"intervals": {"level": 0.9, "test": {"f1": {"low": None, "high": None}}}}])
def test_there_is_no_column_where_there_are_no_intervals(found):
    assert with_intervals(["metric", "test"], [["f1", 0.9]], found) == (["metric", "test"], [["f1", 0.9]])


def test_train_and_show_print_them_and_evaluation_json_keeps_them(runtree, folder):
    said = runtree("train", "algorithm=naive_bayes", "data=breast_cancer", *UNEXAMINED)
    assert said.code == 0
    file = next(folder.glob("outputs/*/*/evaluation.json"))
    known = json.loads(file.read_text())["intervals"]["test"]["f1"]
    page = runtree("show", "latest").out
    for text in (said.out, page):
        assert "test 95 %" in text
        assert format_interval(known) in text


def test_without_resamples_there_are_none(runtree, folder):
    said = runtree("train", "algorithm=naive_bayes", "evaluator.intervals.resamples=0", *UNEXAMINED)
    assert said.code == 0
    assert "95 %" not in said.out
    assert "intervals" not in json.loads(next(folder.glob("outputs/*/*/evaluation.json")).read_text())
