import math
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from runtree.records.reproducibility import compare_predictions


@pytest.fixture
def compare(tmp_path):
    """Return a function that writes two tables of predictions and compares them."""

    def compare(one: dict, other: dict):
        records = []
        for name, columns in (("one", one), ("other", other)):
            folder = tmp_path / name
            folder.mkdir()
            pd.DataFrame({"row": [0, 1, 2], "part": ["test"] * 3} | columns).to_parquet(folder / "predictions.parquet")
            records.append(SimpleNamespace(id=name, folder=Path(folder)))
        return compare_predictions(*records)

    return compare


def test_holes_and_labels_are_equal_to_themselves(compare):
    table = {"y_pred": ["a", None, "b"], "p_a": [0.5, float("nan"), 0.25]}
    found = compare(table, table)
    assert (found.equal, found.compared, found.largest) == (True, 3, None)


def test_a_row_is_counted_once(compare):
    one = {"y_pred": ["a", "a", "b"], "p_a": [0.5, 0.1, 0.2], "p_b": [0.5, 0.9, 0.8]}
    other = {"y_pred": ["a", "b", "b"], "p_a": [0.5, 0.1, 0.2], "p_b": [0.5, 0.7, 0.8]}
    found = compare(one, other)
    assert (found.equal, found.differing) == (False, 1)
    assert found.largest == ("p_b", pytest.approx(0.2))


def test_the_smallest_step_of_a_number_is_a_difference(compare):
    step = math.nextafter(0.1, 1)
    assert compare({"y_pred": [0.1, 0.2, 0.3]}, {"y_pred": [step, 0.2, 0.3]}).differing == 1


def test_categories_that_differ_are_labels_like_others(compare):
    one = {"y_pred": pd.Categorical(["a", "b", "a"])}
    other = {"y_pred": pd.Categorical(["a", "c", "a"])}
    assert compare(one, other).differing == 1


def test_other_rows_or_columns_are_no_agreement(compare):
    found = compare({"row": [0, 1, 2], "y_pred": [1, 2, 3]}, {"row": [0, 1, 3], "y_pred": [1, 2, 3]})
    assert (found.equal, found.note) == (False, "they are of other rows or classes")
