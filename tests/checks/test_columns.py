import numpy as np
import pytest

from runtree.checks.table import check_constant, check_missing


@pytest.fixture
def holed(tables):
    frame = tables()
    frame.loc[::20, "a"] = np.nan
    return frame


def test_holes_that_the_preprocessing_fills_pass(looked_at, holed):
    found = check_missing(looked_at(holed))
    assert (found.state, found.found) == ("passed", "10 missing values in the table, none left")


def test_holes_that_are_left_pass_only_where_the_algorithm_takes_them(looked_at, holed):
    found = check_missing(looked_at(holed, "preprocess=none"))
    assert found.state == "failed"
    assert "logistic takes none" in found.found
    assert found.advice == "type: preprocess=tabular"
    assert check_missing(looked_at(holed, "preprocess=none", "algorithm=hist_gradient_boosting")).state == "passed"


def test_a_column_of_one_value_is_warned_of(looked_at, tables):
    found = check_constant(looked_at(tables().assign(e=1.5)))
    assert (found.state, found.advice) == ("warned", "they tell nothing: data.drop=[e]")
    assert check_constant(looked_at(tables())).state == "passed"
