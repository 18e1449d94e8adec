"""The profile of a table has pandas' figures, and its page shows them as text, whatever they are."""

import json

import numpy as np
import pandas as pd
import pytest

from runtree.checks.notes import note_table
from runtree.checks.profile import profile_column, profile_table
from runtree.reports.profile import profile_page
from runtree.reports.render import render

DRAW = np.random.default_rng(0)
COLUMNS = {
    "normal": pd.Series(DRAW.normal(size=997)),
    "holes": pd.Series(np.where(DRAW.random(997) < 0.3, np.nan, DRAW.lognormal(size=997))),
    "counts": pd.Series(DRAW.poisson(3, 997)),
    "nullable": pd.Series(DRAW.integers(0, 9, 997)).astype("Int64").mask(DRAW.random(997) < 0.1),
    "one": pd.Series([4.0] * 5),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_figures_of_numbers_are_those_of_pandas(column):
    found = profile_column(column)
    assert found["kind"] == "number"
    assert (found["missing"], found["distinct"]) == (column.isna().sum(), column.nunique())
    assert found["mean"] == pytest.approx(column.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(column.std(), rel=1e-12)
    wanted = column.astype(float).quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist()
    assert list(found["quantiles"].values()) == pytest.approx(wanted, rel=1e-12)
    # every known value is in a bin
    assert sum(found["histogram"]["counts"]) == column.notna().sum()


def test_levels_and_dates_are_counted_as_pandas_counts_them():
    levels = pd.Series(["a", "b", "a", None, "c", "a", "b"])
    found = profile_column(levels)
    assert (found["missing"], found["distinct"]) == (1, 3)
    assert [(item["value"], item["rows"]) for item in found["top"]] == list(levels.value_counts().items())
    assert profile_column(pd.Series([True, False, True]))["top"][0] == {"value": "True", "rows": 2}
    days = pd.Series(pd.date_range("2024-01-01", periods=101))
    for column in (days, days.dt.strftime("%d/%m/%Y"), days.dt.tz_localize("UTC")):
        found = profile_column(column)
        assert (found["kind"], found["quantiles"]["median"]) == ("date", "2024-02-20")
    assert profile_column(pd.Series([np.nan] * 3))["distinct"] == 0
    assert profile_column(pd.Series([np.inf, 1.0]))["infinite"] == 1


def test_a_profile_says_what_tells_of_the_target_and_a_run_keeps_no_names(make_context, tables):
    frame = tables().assign(
        answer=lambda table: (table["y"] == "yes") * 1.0, who=[f"Ada <b>{row}" for row in range(200)]
    )
    context = make_context(frame)
    profile = profile_table(context.run.data)
    associations = {column["name"]: column["association"] for column in profile["columns"]}
    assert associations["answer"] == pytest.approx(1) and associations["d"] < 0.3 and associations["y"] is None
    page = render(profile_page(profile))
    assert "Profile of csv" in page and "&lt;b&gt;" in page and "<b>" not in page
    assert page.index("<strong>answer") < page.index("<strong>d</strong>")

    context.run.records = True
    note_table(context.run)
    kept = json.loads((context.run.folder / "profile.json").read_text())
    assert [column["name"] for column in kept["columns"]] == [column["name"] for column in profile["columns"]]
    assert "Ada" not in json.dumps(kept)
