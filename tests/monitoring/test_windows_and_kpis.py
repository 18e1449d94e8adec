"""Windows by time and by count, and figures over rows: what SQLite says is what pandas says."""

import numpy as np
import pandas as pd
import pytest

from runtree.contract.errors import ConfigError, DataError
from runtree.monitoring.options import WindowOptions, read_options
from runtree.monitoring.windows import check_kpis, cut_windows, measure_kpis, parse_kpis


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"value": rng.normal(5, 2, 300).round(3), "city": rng.choice(["a", "b", "c"], 300)})
    rows["y_true"] = rng.choice(["yes", "no"], 300)
    rows["y_pred"], rows["on"] = rng.choice(["yes", "no"], 300), pd.date_range("2026-01-01", periods=300, freq="7h")
    rows.loc[::7, "value"] = np.nan
    return rows


def test_figures_over_rows_are_those_of_pandas(frame):
    texts = {
        "per_row": 'sum(value[y_pred == "yes"]) / count()',
        "share": "count(y_pred == yes and value > 5) / count()",
        "known": "count(value)",
        "spread": "max(value) - min(value)",
        "squares": "mean(value * value)",
        "none": "sum(value[city == 'nowhere'])",
        "undefined": "mean(value[city == 'nowhere'])",
        "late": "count(on >= '2026-03-01')",
        "right": "count(y_pred == y_true) / count()",
    }
    found = measure_kpis(parse_kpis(texts, list(frame.columns)), frame, ["city"])
    yes = frame["y_pred"] == "yes"
    assert found["per_row"]["value"] == pytest.approx(frame["value"][yes].sum() / 300)
    assert found["share"]["value"] == pytest.approx((yes & (frame["value"] > 5)).mean())
    assert found["known"]["value"] == frame["value"].notna().sum()
    assert found["spread"]["value"] == pytest.approx(np.ptp(frame["value"].dropna()))
    assert found["squares"]["value"] == pytest.approx((frame["value"] ** 2).mean())
    assert (found["none"]["value"], found["undefined"]["value"]) == (0.0, None)
    assert found["right"]["value"] == pytest.approx((frame["y_pred"] == frame["y_true"]).mean())
    assert found["late"]["value"] == (frame["on"] >= "2026-03-01").sum()
    by_city = frame[yes].groupby("city")["value"].sum() / frame.groupby("city").size()
    assert found["per_row"]["segments"]["city"] == pytest.approx(by_city.to_dict())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(city)", "column 'city' holds text, and sum needs numbers"),
        ("count() + mean(value[on > '2026'] * on)", "column 'on' holds dates, and mean needs numbers"),
        ("max(value[y_pred == yess])", "y_pred is never 'yess'"),
        ("count(y_true in [yes, noo])", "y_true is never 'noo'"),
        ("count(y_pred == 1)", "possible: 'no', 'yes'"),
    ],
)
def test_a_figure_that_would_be_0_whatever_the_rows_hold_is_refused(text, said, frame):
    fine = {"k": "sum(value[y_pred in [yes] and city == nowhere]) / count(y_true != null)"}
    check_kpis(parse_kpis(fine, list(frame.columns)), frame, ("no", "yes"))
    kpis = parse_kpis({"k": text}, list(frame.columns))
    with pytest.raises(ConfigError, match=r"^monitor\.kpis\.k: ") as fault:
        check_kpis(kpis, frame, ("no", "yes"))
    assert said in str(fault.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(vlue)", "unknown column 'vlue'"),
        ("value", "value has a value in each row: write sum"),
        ("1 + 2", "needs one of sum, mean"),
        ("sum(sum(value))", "an aggregate holds no other"),
        ("median(value)", "there is no function 'median'"),
        ("sum()", "sum takes one value"),
        ("sum(value) > 3", "a condition is not a value"),
        ("sum(value", "never closed"),
    ],
)
def test_a_mistake_in_a_figure_is_told_with_its_place(text, said, frame):
    with pytest.raises(ConfigError, match=r"^monitor\.kpis\.k: ") as fault:
        parse_kpis({"k": text}, list(frame.columns))
    assert said in str(fault.value) and "position" in str(fault.value)


def test_windows_by_time_hold_the_rows_of_their_period_in_order(frame):
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    windows = cut_windows(shuffled, WindowOptions(time="on", every="month"), None, "x")
    assert [window.name for window in windows] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert sum(len(window.rows) for window in windows) == 300
    for window, month in zip(windows, (1, 2, 3), strict=True):
        times = shuffled["on"].iloc[window.rows]
        assert (times.dt.month == month).all() and times.is_monotonic_increasing
        assert (window.begin, window.end) == (times.iloc[0].isoformat(), times.iloc[-1].isoformat())
    assert [w.name for w in cut_windows(frame, WindowOptions(every="hour"), "on", "x")][1] == "2026-01-01T07"


def test_windows_by_count_and_a_whole_file(frame):
    windows = cut_windows(frame, WindowOptions(rows=120), None, "new-1")
    assert [(window.name, len(window.rows)) for window in windows] == [
        ("new-1-0001", 120),
        ("new-1-0002", 120),
        ("new-1-0003", 60),
    ]
    assert [window.name for window in cut_windows(frame, WindowOptions(), "absent", "new-1")] == ["new-1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (WindowOptions(every="day"), "monitor.window.every needs a time column"),
        (WindowOptions(time="om", every="day"), "column at monitor.window.time: 'om'"),
        (WindowOptions(time="value", every="day"), "monitor.window.time"),
    ],
)
def test_a_window_without_times_is_refused(options, said, frame):
    with pytest.raises((ConfigError, DataError), match=said):
        cut_windows(frame, options, None, "x")


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"windw": {}}, "monitor.windw"),
        ({"window": {"rows": 5}}, "monitor.window.rows: 5 rows are too few"),
        ({"window": {"rows": 50, "every": "day"}}, "by rows or by time"),
        ({"window": {"every": "mnth"}}, "did you mean: month"),
        ({"columns": "age"}, "type: all, or a list"),
        ({"detectors": "ks"}, "type: auto, none, or a list"),
        ({"quality": "label"}, "did you mean: labels"),
        ({"budget": 1.5}, "between 0 and 1"),
        ({"require": ["kpi.x > 3"]}, "unknown name 'kpi.x'"),
        ({"require": ["drift.shre > 3"]}, "did you mean: drift.share"),
        ({"kpis": {"a b": "count()"}}, "'a b' is not a name"),
        ({"kpis": {"a": 3}}, "monitor.kpis.a: 3 is not of the type str"),
        ({"thresholds": {"ks": "high"}}, "monitor.thresholds.ks: 'high' is not of the type"),
        ({"thresholds": {"ks": None}}, "write a number, such as monitor.thresholds.ks=0.5"),
        ({"thresholds": {"ks": -1}}, "monitor.thresholds.ks: must be a number from 0 on, got -1"),
        ({"alerting": {"webhook": "https://x"}}, "monitor.alerting.webhook: 'https://x' is not of the type dict"),
    ],
)
def test_a_wrong_key_of_the_group_is_refused(node, said):
    with pytest.raises(ConfigError) as fault:
        read_options(node)
    assert said in str(fault.value)
