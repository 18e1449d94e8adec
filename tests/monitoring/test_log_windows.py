"""Windows of a log that grows, loses its oldest rows, or gets late ones: what was closed stays what it was."""

from datetime import UTC, datetime

import numpy as np
import pytest

from runtree.app.monitored_rows import INPUT, OF_LOG, name_log_columns
from runtree.app.monitored_window import budget_share
from runtree.monitoring.log_windows import cut_log, recorded_windows
from runtree.monitoring.options import WindowOptions

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BY_COUNT, BY_DAY = WindowOptions(rows=40), WindowOptions(every="day")
JOINED = WindowOptions(minimum=50)


def moments(count, start="2026-11-01", hours=1):
    """Return two rows for each of so many hours: those of one request have one time."""
    return np.repeat(np.datetime64(start, "us") + np.arange(count // 2) * np.timedelta64(hours, "h"), 2)


def records_of(windows, options):
    cut = {"rows": options.rows, "time": options.time, "every": options.every}
    return [
        {
            "window": vars(window) | {"rows": None},
            "model": {"run": "r"},
            "data": {"path": "p"},
            "options": {"window": cut},
        }
        for window in windows
    ]


def look(times, options, windows=(), traffic=None, now=NOW):
    records = records_of(windows, options)
    recorded = recorded_windows(records, "r", "p", options)
    return cut_log(times, times if traffic is None else traffic, options, recorded, [w.name for w in windows], now)


def spans(windows):
    return {window.name: (window.begin, len(window.rows)) for window in windows}


@pytest.mark.parametrize("options", [BY_COUNT, BY_DAY, JOINED], ids=["count", "day", "joined days"])
@pytest.mark.parametrize("seen", [20, 170, 173, 240, 300])
def test_a_log_that_has_grown_adds_windows_and_changes_the_last_one_alone(options, seen):
    times = moments(400)
    before, after = look(times[:seen], options), look(times, options)
    again = look(times, options, before)
    assert spans(again) == spans(after)
    assert sum(len(window.rows) for window in after) == 400 and len(after) > 4
    for old, new in zip(before[:-1], again, strict=False):
        assert (old.name, old.begin, old.end, old.closed) == (new.name, new.begin, new.end, True)
    assert again[len(before) - 1].name == before[-1].name


@pytest.mark.parametrize("options", [BY_COUNT, BY_DAY, JOINED], ids=["count", "day", "joined days"])
@pytest.mark.parametrize("dropped", [1, 44, 100, 395])
def test_windows_keep_their_names_where_the_oldest_rows_are_not_read_any_more(options, dropped):
    times = moments(400)
    before = look(times, options)
    again = look(times[dropped:], options, before)
    assert {window.name for window in again} <= {window.name for window in before}
    # one of which only a part is read begins later than its record says
    assert all(spans(before)[w.name] == (w.begin, len(w.rows)) for w in again[1:])
    more = look(moments(460)[dropped:], options, before)
    assert [w.name for w in more[: len(again)]] == [w.name for w in again]


@pytest.mark.parametrize("options", [BY_COUNT, JOINED], ids=["count", "joined days"])
def test_a_row_that_comes_late_changes_its_own_window_alone(options):
    times = moments(400)
    before = look(times, options)
    late = np.append(times, times[50] + np.timedelta64(1, "m"))
    again = look(late, options, before)
    assert spans(again).keys() == spans(before).keys()
    changed = [w.name for w in again if spans(before)[w.name] != (w.begin, len(w.rows))]
    assert len(changed) == 1 and sum(len(w.rows) for w in again) == 401


def test_a_window_is_closed_once_no_row_can_come():
    times = moments(100)  # 50 hours: two days, and two hours of a third
    assert [w.closed for w in look(times, BY_DAY, now=datetime(2026, 11, 3, 3, tzinfo=UTC))] == [True, True, False]
    assert [w.closed for w in look(times, BY_DAY)] == [True, True, True]
    # days with too few rows wait for the days after them, however late it is
    assert [(w.name, len(w.rows), w.closed) for w in look(times, JOINED)] == [
        ("2026-11-01", 96, True),
        ("2026-11-03", 4, False),
    ]
    assert [w.closed for w in look(times, BY_COUNT)] == [True, True, False]
    assert [w.closed for w in look(times[:80], BY_COUNT)] == [True, True]


def test_errors_before_between_and_after_the_answers_are_counted_and_a_day_of_errors_is_a_window():
    times = moments(40, "2026-11-02T10:00", hours=0)
    errors = np.array(["2026-11-02T01:00", "2026-11-02T23:00", "2026-11-04T05:00"], dtype="datetime64[us]")
    traffic = np.concatenate([times, errors])
    windows = look(times, BY_DAY, traffic=traffic)
    assert [(w.name, len(w.rows), len(w.traffic)) for w in windows] == [("2026-11-02", 40, 42), ("2026-11-04", 0, 1)]
    [whole] = look(times, WindowOptions(rows=1000), traffic=traffic)
    assert (len(whole.rows), sorted(whole.traffic.tolist())) == (40, list(range(43)))


def test_an_input_or_a_target_may_have_the_name_of_any_column_of_the_log():
    for taken in OF_LOG:
        for target, inputs in (("y", [taken]), (taken, ["age"])):
            names = name_log_columns(
                [*OF_LOG, "label", *(INPUT + name for name in inputs), "outputs.prediction"], target
            )
            assert len(set(names.values())) == len(names)
            assert names["label"] == target and names[taken] == f"log.{taken}"
            assert [names[INPUT + name] for name in inputs] == inputs
            assert {names[name] for name in OF_LOG if name != taken} == {*OF_LOG} - {taken}
    # what a model is given is an input, and no output of its own, whatever it is called
    assert name_log_columns(["inputs.outputs.x", "outputs.prediction"], "y")["inputs.outputs.x"] == "outputs.x"


def test_all_looks_at_a_window_that_grows_share_the_budget_of_one():
    looks = [budget_share(False, number) for number in range(1000)]
    assert sum(looks) < 0.5 and looks[0] == 0.25
    assert sum(looks) + budget_share(True, 1000) <= 1.0 and budget_share(True, 0) == 1.0
