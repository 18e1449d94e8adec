"""Numbers since 1970: when they are dates, how to say otherwise, and the same in later rows and in a service."""

import re

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.lifecycle.load import describe_content, to_table
from runtree.lifecycle.predict import ColumnContract, Predictor
from runtree.lifecycle.table_options import TableOptions, table_options
from runtree.serving.row_schema import DEFAULTS, RowError, make_schema
from runtree.tables.csv_files import Reading
from runtree.tables.dates import find_unix, parse_dates, says_time
from runtree.tables.declared import find_misfits, read_as

SECONDS = 1_704_067_200 + 86_400 * np.arange(40)
DAYS = pd.date_range("2024-01-01", periods=40)


def load(name="created_at", values=SECONDS, **options):
    frame = pd.DataFrame({"x": range(40), name: values, "y": ["a", "b"] * 20})
    return to_table(frame, TableOptions(target="y", **options), "t", seed=0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("created_at", SECONDS),
        ("eventTime", SECONDS * 1000),
        ("event.ts", pd.Series(SECONDS).where(np.arange(40) > 0)),
        ("epoch", [str(value) for value in SECONDS]),
    ],
)
def test_numbers_that_are_times_by_name_and_value_are_dates_and_told(name, values):
    table = load(name, values)
    read = pd.Series(table.features[name])
    assert read[1:].tolist() == DAYS[1:].tolist()
    [note] = table.notes
    says = r"(40|39) numbers are times in (milli)?seconds since 1970, and are read as dates \(\d+ is 2024-01-0[12] 00:00:00\)"
    assert re.search(says, note) and note.endswith(("=number", "number}'"))
    described = describe_content(table)["columns"][1]
    assert (described["type"], described["why"].partition(" are ")[2][:8]) == ("date", "times in")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amount", SECONDS),  # its name says nothing
        ("update_count", SECONDS),
        ("created_at", SECONDS - 1_704_067_200),  # days of 1970
        ("created_at", SECONDS + 0.5),
        ("created_at", np.where(np.arange(40) == 3, -1, SECONDS)),
        ("time", 20_240_101 + np.arange(40)),
        ("ts", 202_401_010_000 + np.arange(40)),
    ],
)
def test_other_numbers_stay_numbers(name, values):
    table = load(name, values)
    assert pd.api.types.is_numeric_dtype(table.features[name]) and table.notes == ()


@pytest.mark.parametrize("flat", [SECONDS, SECONDS.astype(str)], ids=["numbers", "texts"])
def test_the_user_says_otherwise(flat):
    assert pd.api.types.is_numeric_dtype(load(values=flat, types={"created_at": "number"}).features["created_at"])
    for kind, date_format in (("date", None), ("unix", None), ("date", "unix")):
        table = load("amount", flat, types={"amount": kind}, date_format=date_format)
        # kept as what later rows are read by
        assert (table.features["amount"].tolist(), table.types) == (DAYS.tolist(), {"amount": "unix"})
    # a date of birth: nothing but the user says that these are times
    old = load("born", [str(n) for n in -86_400 * np.arange(40)], types={"born": "date"}, date_format="unix")
    assert old.features["born"][39] == pd.Timestamp("1969-11-23")
    days = pd.Series(86_400 * np.arange(40))
    with pytest.raises(DataError, match=r"data.types.born: column 'born' holds '0' in row 1") as caught:
        load("born", days if flat.dtype.kind == "i" else days.astype(str), types={"born": "date"})
    assert "type: data.types.born=unix, else unix_ms" in str(caught.value)
    assert pd.api.types.is_numeric_dtype(load("amount", SECONDS, date_format="unix").features["amount"])
    with pytest.raises(ConfigError, match="no format of dates"):
        table_options({"target": "y", "date_format": "unixx"})


def test_a_time_column_of_numbers_holds_dates():
    table = load("order", SECONDS, time="order")
    assert table.times is not None and table.times.tolist() == DAYS.tolist() and table.types == {"order": "unix"}
    assert load("order", np.arange(40), time="order").types == {}


def test_later_rows_are_read_alike():
    for values in (SECONDS, SECONDS.astype(float), SECONDS.astype(str), DAYS.astype(str), DAYS):
        read, misfits = read_as(pd.Series(values, name="t"), "unix")
        assert (read.tolist(), misfits) == (DAYS.tolist(), None)
    mixed = pd.Series([1704067200, "2024-01-02T00:00:00", "soon", None], name="t", dtype=object)
    read, misfits = read_as(mixed, "unix")
    assert misfits.rows.tolist() == [False, False, True, False] and read[:2].tolist() == DAYS[:2].tolist()
    assert find_misfits(pd.Series([1.5, 1e18], name="t"), "date", "unix").rows.tolist() == [False, True]
    assert str(parse_dates(["1704067200.25"], "unix")[0]) == "2024-01-01T00:00:00.250000"


def test_a_service_takes_the_number_and_the_date():
    contract = ColumnContract("at", "datetime64[us]", "date", low="2024-01-01T00:00:00", high="2024-02-09T00:00:00")
    predictor = Predictor(None, {"at": contract}, (), Reading({"at": "unix_ms"}))
    schema = make_schema(predictor, {}, DEFAULTS)
    table = predictor.select_columns(pd.DataFrame({"at": [1704153600000]}))
    for value in (1704153600000, 1704153600000.0, "1704153600000", "2024-01-02T00:00:00"):
        checked = schema.check({"at": value})
        assert checked.warnings == ()
        assert predictor.select_columns(pd.DataFrame({"at": checked.values})).equals(table)
    assert "outside of the range of training" in schema.check({"at": 1_804_153_600_000}).warnings[0]
    with pytest.raises(RowError, match="a text is expected, not true"):
        schema.check({"at": True})
    assert schema.document()["properties"]["at"]["type"] == ["number", "string"]
    assert "milliseconds since 1970" in schema.document()["properties"]["at"]["description"]


def test_names_of_times():
    assert all(map(says_time, ["ts", "created_at", "updatedAt", "event_date", "START_TIME", "epoch", "a.timestamp"]))
    assert not any(map(says_time, ["at", "runtime", "update", "rate", "category", "flat", "tstat", "x"]))
    assert find_unix(pd.Series(DAYS)) == find_unix(pd.Series([None, None])) == find_unix(pd.Series(["a"])) == ""
