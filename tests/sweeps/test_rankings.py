"""Runs on several tables, or several splits, make a ranking each: in no file is one of them the best of all."""

import csv
import io

import pytest

from runtree.records.layout import SweepFolder
from runtree.reports.sweep.content import SweepContent
from runtree.sweeps.options import StopCriteria
from runtree.sweeps.results import Objectives, ParetoFront, is_comparable, leaderboard_csv, rankings
from runtree.sweeps.state import SweepState
from runtree.sweeps.stopping import StopMonitor, stop_record

OBJECTIVES = Objectives((("accuracy", "maximize"),))


def ended(run, value, data="d", split="s", repeat=0, trial=None, of=1, state="completed"):
    event = {"event": "ended", "run": run, "family": "", "trial": run if trial is None else trial, "repeat": repeat}
    event |= {"of": of, "values": {"data": data}, "memo": {}, "same": str(run), "at": 1.0, "state": state}
    return event | {"objectives": value and [value], "seconds": 1.0, "fingerprints": {"data": data, "split": split}}


TABLES = [ended(0, 0.9, "easy"), ended(1, 0.5, "hard"), ended(2, 0.8, "easy"), ended(3, 0.6, "hard")]
SPLITS = [ended(0, 0.9, split="a"), ended(1, 0.5, split="b"), ended(2, 0.8, split="a"), ended(3, 0.6, split="b")]


def state_of(events):
    return SweepState().apply_all(events)


def front_of(state):
    front = ParetoFront(OBJECTIVES)
    for trial in state.trials.values():
        front.add(state, trial)
    return [trial.runs for trial, _ in front.best]


@pytest.mark.parametrize("events", [TABLES, SPLITS])
def test_each_table_has_a_ranking_and_a_best_of_its_own(events):
    state = state_of(events)
    assert not is_comparable(state)
    assert [[trial.runs for trial, _ in group] for group in rankings(state, OBJECTIVES)] == [[[0], [2]], [[3], [1]]]
    assert front_of(state) == [[0], [3]]
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(state, OBJECTIVES))))
    places = [(row["ranking"], row["rank"], row["runs"]) for row in rows]
    assert places == [("1", "1", "0000"), ("1", "2", "0002"), ("2", "1", "0003"), ("2", "2", "0001")]


def test_runs_that_compare_have_one_ranking():
    repeats = [ended(0, 0.9, split="a", of=2), ended(1, 0.7, split="b", repeat=1, trial=0, of=2)]
    state = state_of([*repeats, ended(2, 0.7, split="a", trial=1), ended(3, None, state="failed", split="c", trial=2)])
    assert is_comparable(state)
    assert [[trial.runs for trial, _ in group] for group in rankings(state, OBJECTIVES)] == [[[0, 1], [2], [3]]]
    assert leaderboard_csv(state, OBJECTIVES).startswith("rank,runs,")


def test_a_sweep_without_a_ranking_stops_without_a_best():
    monitor = StopMonitor(StopCriteria(max_runs=1))
    monitor.started(0)
    monitor.ended(0, "completed", 0.9)
    assert stop_record(monitor, 0)["best"] == {"value": 0.9, "run": 0}
    record = stop_record(monitor, 0, ranked=False)
    assert record["best"] is None
    assert "best" not in record["explanation"]


def test_the_page_has_a_table_for_each_ranking(tmp_path):
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(state_of(TABLES), OBJECTIVES))))
    description = {"objectives": [["accuracy", "maximize"]]}
    content = SweepContent(SweepFolder(tmp_path), description, {}, {}, {}, rows, None, ())
    assert [[row["runs"] for row in group] for group in content.rankings] == [["0000", "0002"], ["0003", "0001"]]
    assert content.settings == ["data"]
