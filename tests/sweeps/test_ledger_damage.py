"""A line of the ledger that a disk has damaged costs its own run and no other, whatever the line told."""

import itertools
import logging
import random
from functools import partial

import optuna
import pytest
from harness import Scripted, history, make, outcome

from runtree.contract.search import Choice, Dimension
from runtree.records.ledger import read_ledger
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.workers.executor import JobDied

tpe = partial(OptunaTuner, partial(optuna.samplers.TPESampler, multivariate=True, n_startup_trials=4))
SPACE = (Dimension("x", Choice(tuple(range(8)))),)
RUNS = 8
KINDS = {"alone": {}, "repeats": {"repeats": 2}}


class Dying:
    """Runs 2 and 5 die at their first attempt."""

    def __init__(self):
        self.left = {2, 5}

    def __call__(self, number, values):
        if number in self.left:
            self.left.remove(number)
            return JobDied(number, "crashed", -9, 0.1, 0)
        return float(values["x"])


def sweep(folder, objective, **kind):
    folder.mkdir(exist_ok=True)
    first = random.Random(len(list(folder.iterdir()))).choice
    driver = make(folder, Scripted(objective, 2, first), tpe, SPACE, retries=2, stop={"max_runs": RUNS}, **kind)
    driver.run()
    return driver


@pytest.fixture(params=KINDS)
def told(request, tmp_path, caplog):
    """Return what to call a sweep with, its values by run, and the lines of its ledger."""
    caplog.set_level(logging.ERROR)
    driver = sweep(tmp_path / "whole", Dying(), **KINDS[request.param])
    driver.append({"event": "kept", "run": 3, "metrics": {}, "seconds": 1.0})
    kinds = {event["event"] for event in read_ledger(tmp_path / "whole" / "ledger.jsonl")}
    assert kinds >= {"opened", "asked", "ended", "died", "kept", "reused"}
    lines = (tmp_path / "whole" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    return KINDS[request.param], {row[0]: row for row in history(driver)}, lines


def gone_on_without(folder, told, lost):
    """Go on with a ledger of which some lines are damaged; return the driver and the runs of which nothing was left."""
    kind, _, lines = told
    folder.mkdir()
    left = [bytes([*line[:20], line[20] ^ 1, *line[21:]]) if at in lost else line for at, line in enumerate(lines)]
    (folder / "ledger.jsonl").write_bytes(b"".join(left))
    there = {event.get("run") for event in read_ledger(folder / "ledger.jsonl") if event["event"] in ("asked", "ended")}
    return sweep(folder, lambda number, values: float(values["x"]), **kind), set(range(RUNS)) - there


def assert_whole(driver, told, gone):
    kind, before, _ = told
    assert {number: entry.state for number, entry in driver.state.runs.items()} == dict.fromkeys(
        range(RUNS), "completed"
    )
    for trial in driver.state.trials.values():
        repeats = sorted(entry.repeat for entry in driver.state.runs_of(trial))
        assert repeats == list(range(kind.get("repeats", 1))), trial
    kept = {row[0]: row for row in history(driver) if row[0] not in gone}
    assert kept == {number: before[number] for number in kept}
    counters = driver.monitor.counters.counts
    assert (counters["started"], counters["completed"]) == (RUNS, RUNS)


def test_any_one_line_may_be_lost(tmp_path, told):
    for at in range(len(told[2])):
        driver, gone = gone_on_without(tmp_path / str(at), told, {at})
        assert len(gone) <= 1
        assert_whole(driver, told, gone)


def test_any_two_lines_may_be_lost(tmp_path, told):
    pairs = list(itertools.combinations(range(len(told[2])), 2))
    for at, pair in enumerate(random.Random(0).sample(pairs, 60)):
        driver, gone = gone_on_without(tmp_path / str(at), told, set(pair))
        assert len(gone) <= 2
        assert_whole(driver, told, gone)


def test_patience_counts_a_configuration_once_after_its_runs_were_told_again(tmp_path):
    asked = {"repeats": 2, "stop": {"patience": {"runs": 4}, "max_runs": 60}}
    objective = lambda number, values: outcome(float(min(number // 2, 5)))  # noqa: E731  trial 5 is the best, then nothing
    lines = None
    for cut in (None, 9, 29, 33, 36):
        folder = tmp_path / str(cut)
        folder.mkdir()
        if lines:
            (folder / "ledger.jsonl").write_bytes(b"".join(lines[:cut]))
        driver = make(folder, Scripted(objective), partial(OptunaTuner, optuna.samplers.RandomSampler), **asked)
        driver.run()
        lines = lines or (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        verdict = driver.monitor.reason
        assert (verdict.criterion, verdict.run, len(driver.state.runs)) == ("patience", 19, 20)


def test_a_configuration_whose_last_run_failed_counts_with_what_the_others_came_to(tmp_path):
    def every_second_fails(number, values):
        return outcome(0.0, state="failed", reason="error", error={"type": "X", "message": ""}) if number % 2 else 1.0

    random_tuner = partial(OptunaTuner, optuna.samplers.RandomSampler)
    stop = {"patience": {"runs": 3}, "max_runs": 60}
    driver = make(tmp_path, Scripted(every_second_fails), random_tuner, repeats=2, stop=stop)
    driver.run()
    assert (driver.monitor.reason.criterion, driver.monitor.reason.run) == ("patience", 7)


def test_who_takes_over_a_result_takes_the_mean_of_all_repeats(tmp_path):
    driver = sweep(tmp_path / "s", lambda number, values: float(values["x"]) + number % 2, repeats=2)
    takers = [trial for trial in driver.state.trials.values() if trial.same_as is not None]
    assert takers
    for trial in takers:
        assert driver.objectives.observation(driver.state, trial).objectives == (trial.values["x"] + 0.5,)
