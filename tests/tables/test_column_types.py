"""What a column is taken for."""

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import DataError
from runtree.tables.column_types import SAMPLE_ROWS, infer_column_type

RNG = np.random.default_rng(0)
CODES = [f"code-{number % 40}" for number in range(200)]
SENTENCES = [f"the quick fox number {number} jumps" for number in range(200)]
DAYS = pd.date_range("2024-01-01", periods=200)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=200), "number"),
        (RNG.integers(0, 3, 200), "number"),
        (RNG.random(200) < 0.5, "number"),
        (pd.array([1, None] * 100, dtype="Int64"), "number"),
        (pd.array([True, None] * 100, dtype="boolean"), "number"),
        (pd.Series([1, None, 2.5, True] * 50, dtype=object), "few"),
        (pd.Series([1, None, 2.5, 7] * 50, dtype=object), "number"),
        (DAYS, "date"),
        (DAYS.tz_localize("Europe/Paris"), "date"),
        (DAYS.strftime("%d.%m.%Y"), "date"),
        (pd.Series(DAYS.date), "date"),
        (["2021", "2022", "2023", "2024"] * 50, "few"),
        (["red", None, "blue", "green"] * 50, "few"),
        (pd.Series([1, 2, 3, 4] * 50, dtype="category"), "few"),
        (pd.Series([1, "a", None, 2.5] * 50, dtype=object), "few"),
        (["red", None] * 100, "few"),
        (CODES, "many"),
        (pd.Series(CODES, dtype="category"), "many"),
        (["Ada Lovelace", *[f"Name {number}" for number in range(99)]] * 6, "many"),
        (["Ada Lovelace", *[f"Name {number}" for number in range(99)]] * 2, "text"),
        (SENTENCES, "text"),
        ([f"a label of four words {number}" for number in range(12)] * 30, "many"),
        (["three words here", "and three there"] * 100, "few"),
        (["- - -", *[f"- - {number}" for number in range(99)]] * 2, "many"),
        ([f"id{number}" for number in range(200)], "dropped"),
        ([None] * 200, "dropped"),
        ([np.nan] * 200, "dropped"),
        (pd.Series([None] * 200, dtype="datetime64[ns]"), "dropped"),
        ([7] * 200, "dropped"),
        (["x"] * 200, "dropped"),
        (pd.Series([DAYS[0]] * 200), "dropped"),
        ([7.0, None] * 100, "number"),
    ],
)
def test_kind(values, kind):
    assert infer_column_type(pd.Series(values, name="a"), max_levels=10).kind == kind


def test_max_levels_parts_few_from_many():
    column = pd.Series(["a", "b", "c"] * 5)
    assert [infer_column_type(column, limit).kind for limit in (2, 3)] == ["many", "few"]


def test_the_reason_and_the_format_are_told():
    assert infer_column_type(pd.Series([None, None], dtype=object), 10).detail == "entirely missing"
    assert infer_column_type(pd.Series([1, 1]), 10).detail == "constant"
    assert infer_column_type(pd.Series(["01/02/2024", "14/02/2024"]), 10).detail == "%d/%m/%Y"
    assert "identifier" in infer_column_type(pd.Series([f"i{number}" for number in range(30)]), 10).detail


def test_levels_beyond_the_sample_count():
    column = pd.Series(["a"] * (2 * SAMPLE_ROWS))
    column.iloc[1::2] = [f"level {number % 12}" for number in range(SAMPLE_ROWS)]  # every other row is in the sample
    assert infer_column_type(column, 10).kind == "many"
    assert infer_column_type(column.where(column == "a", "b"), 10).kind == "few"


@pytest.mark.parametrize(
    ("values", "asked", "kind"),
    [
        ([3, 17, 3, 5] * 50, "category", "few"),
        ([3, 17, 3, 5] * 50, "target", "many"),
        (SENTENCES, "one_hot", "few"),
        (["a", "b"] * 100, "text", "text"),
        ([1.5, 2.5] * 100, "drop", "dropped"),
        ([1.5, 2.5] * 100, "number", "number"),
        (["2024-01-01", "2024-01-15"] * 100, "date", "date"),
    ],
)
def test_a_column_becomes_what_is_asked(values, asked, kind):
    assert infer_column_type(pd.Series(values, name="a"), max_levels=10, asked=asked).kind == kind


@pytest.mark.parametrize("asked", ["number", "date"])
def test_what_cannot_be_read_so_is_refused(asked):
    with pytest.raises(DataError, match=rf"preprocess\.columns\.a: it holds text, which is not read as {asked}"):
        infer_column_type(pd.Series(["x", "y"], name="a"), max_levels=10, asked=asked)
