"""Runs that do not compare make a ranking each; runs of several seeds are one configuration with mean and deviation."""

import csv
import io
from dataclasses import replace

import pytest

from runtree.app.clean import find_best_runs
from runtree.contract.errors import ConfigError
from runtree.records.compare.comparability import find_mismatches
from runtree.records.compare.configurations import RankingMetric, RecordColumns
from runtree.records.layout import SweepFolder
from runtree.records.record import new_record, write_record
from runtree.reports.elements import Code
from runtree.reports.sweep.content import SweepContent
from runtree.reports.sweep.results import best
from runtree.sweeps.leaderboard import leaderboard_csv, rankings
from runtree.sweeps.options import StopCriteria
from runtree.sweeps.overrides import split_overrides
from runtree.sweeps.results import Objectives, ParetoFront
from runtree.sweeps.state import SweepState
from runtree.sweeps.stopping import StopMonitor, stop_record

OBJECTIVES = Objectives((("accuracy", "maximize"),))


def ended(run, value, data="d", split="s", repeat=0, trial=None, of=1, state="completed", **changes):
    event = {"event": "ended", "run": run, "family": "", "trial": run if trial is None else trial, "repeat": repeat}
    event |= {"of": of, "values": {"data": data}, "memo": {}, "same": str(run), "at": 1.0, "state": state}
    event |= {"objectives": value and [value], "seconds": 1.0, "fingerprints": {"data": data, "split": split}}
    return event | changes


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
    assert not OBJECTIVES.are_comparable(state)
    assert [[trial.runs for trial, _ in group] for group in rankings(state, OBJECTIVES)] == [[[0], [2]], [[3], [1]]]
    assert front_of(state) == [[0], [3]]
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(state, OBJECTIVES))))
    places = [(row["ranking"], row["rank"], row["runs"]) for row in rows]
    assert places == [("1", "1", "0000"), ("1", "2", "0002"), ("2", "1", "0003"), ("2", "2", "0001")]


def test_runs_that_compare_have_one_ranking():
    repeats = [ended(0, 0.9, split="a", of=2), ended(1, 0.7, split="b", repeat=1, trial=0, of=2)]
    state = state_of([*repeats, ended(2, 0.7, split="a", trial=1), ended(3, None, state="failed", split="c", trial=2)])
    assert OBJECTIVES.are_comparable(state)
    assert [[trial.runs for trial, _ in group] for group in rankings(state, OBJECTIVES)] == [[[0, 1], [2], [3]]]
    assert leaderboard_csv(state, OBJECTIVES).startswith("rank,runs,")


def test_a_sweep_without_a_ranking_stops_without_a_best():
    monitor = StopMonitor(StopCriteria(max_runs=1))
    monitor.started(0)
    monitor.ended(0, "completed", 0.9)
    assert stop_record(monitor)["best"] == {"value": 0.9, "run": 0}
    record = stop_record(monitor, ranked=False)
    assert record["best"] is None
    assert "best" not in record["explanation"]


def test_the_page_has_a_table_for_each_ranking(tmp_path):
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(state_of(TABLES), OBJECTIVES))))
    description = {"objectives": [["accuracy", "maximize"]]}
    content = SweepContent(SweepFolder(tmp_path), description, {}, {}, {}, rows, None, ())
    assert [[row["runs"] for row in group] for group in content.rankings] == [["0000", "0002"], ["0003", "0001"]]
    assert content.settings == ["data"]
    for number in (0, 3):
        folder = content.folder.run(number)
        folder.path.mkdir(parents=True)
        record = new_record(
            f"a-sweep/000{number}", "e", "completed", (f"algorithm.alpha={number}",), {}, "c", folder.path
        )
        write_record(folder, record)
    commands = [element.text for element in best(content, None) if isinstance(element, Code)]
    assert commands == ["runtree train algorithm.alpha=0", "runtree train algorithm.alpha=3"], "one for each ranking"


# what two runs differ in, as a sweep knows it (fingerprints, swept values), and whether they may be ranked together
DIFFERENCES = [
    ({"data": "another"}, {}, False),
    ({"scoring": "accuracy: kit 2.0"}, {}, False),
    ({"scoring": "f1: kit 2.0"}, {}, True),
    ({}, {"evaluator.folds": 3}, False),
    ({}, {"data.test_size": 0.3}, False),
    ({}, {"algorithm.alpha": 2}, True),
    ({}, {"evaluator.baselines": []}, True),
]


@pytest.mark.parametrize(("fingerprints", "values", "together"), DIFFERENCES)
def test_one_decision_for_all_that_rank(fingerprints, values, together, tmp_path):
    first, other = {"data": "d", "split": "s"}, {"data": "d", "split": "s", **fingerprints}
    defaults = {"evaluator.folds": 5, "data.test_size": 0.2, "algorithm.alpha": 1, "evaluator.baselines": ["dummy"]}
    events = [ended(0, 0.9, values={key: defaults[key] for key in values}, fingerprints=first)]
    events.append(ended(1, 0.8, values=values, fingerprints=other))
    assert OBJECTIVES.are_comparable(state_of(events)) == together
    objective = {"metric": "accuracy", "direction": "maximize", "part": "validation", "value": 0.5}
    records = [
        replace(
            new_record(name, "e", "completed", (), {**defaults, **own}, "c", tmp_path / name),
            fingerprints=known, objective=objective, metrics={"validation": {"accuracy": score}}, seconds=1.0,
        )
        for name, score, own, known in (("a", 0.9, {"seed": 0}, first), ("b", 0.8, {**values, "seed": 1}, other))
    ]  # fmt: skip
    columns, measure = RecordColumns(records), RankingMetric("validation", "accuracy", "maximize")
    assert (find_mismatches(columns, columns.rows(), measure, True) == []) == together
    assert find_best_runs(records) == {record.folder for record in records[: 1 if together else 2]}


def test_seeds_are_repeats_of_a_configuration():
    typed = ["seed=3,1,3", "algorithm.alpha=1,2", "data=iris"]
    overrides = split_overrides(typed, {}, ["data"], lambda group: ["iris"])
    assert (overrides.seeds, overrides.order, overrides.fixed) == ((3, 1), ("algorithm.alpha",), ("data=iris",))
    assert split_overrides(["seed=range(0,3)"], {}, [], list).seeds == (0, 1, 2)
    assert split_overrides(["seed=7"], {"seed": "1,2"}, [], list).seeds == (), "the command line wins"
    for text in ("interval(0,1)", "1,a", "1,true"):
        with pytest.raises(ConfigError, match="not a list of whole numbers"):
            split_overrides([f"seed={text}"], {}, [], list)


SEEDS = [
    ended(0, 0.9, split="a", of=2), ended(1, 0.7, split="b", repeat=1, trial=0, of=2),
    ended(2, 0.99, split="a", trial=1, of=2), ended(3, None, split="b", repeat=1, trial=1, of=2, state="failed"),
]  # fmt: skip


@pytest.mark.parametrize("events", [SEEDS, [*SEEDS[2:], *SEEDS[:2]]], ids=["first", "last"])
def test_the_mean_over_fewer_seeds_does_not_lead(events):
    state = state_of(events)
    assert front_of(state) == [[0, 1]], "the other was measured with one seed alone"
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(state, OBJECTIVES))))
    assert [row["runs"] for row in rows] == ["0000 0001", "0002 0003"]
    assert [row["validation.accuracy.sd"][:6] for row in rows] == ["0.1414", ""]
    assert front_of(state_of(SEEDS[2:])) == [[2, 3]], "but is the best as long as there is no other"


def test_a_best_with_several_seeds_is_told_with_its_spread():
    monitor = StopMonitor(StopCriteria(max_runs=1))
    monitor.started(0)
    monitor.ended(0, "completed", 0.8)
    record = stop_record(monitor, {"value": 0.8, "run": 0, "sd": 0.1, "runs": [0, 1]})
    assert record["explanation"].endswith(", best 0.8 \u00b1 0.1 at run 0, the mean of 2 runs")
