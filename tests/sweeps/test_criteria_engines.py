"""Every criterion ends a sweep at exactly its run: with 1 and 4 slots, in processes and in this one, in any mode.

The objective is scripted: a grid of numbers, each with what it comes to. What the criterion ought to say is found from
the order in which the ledger tells of the ends (in the deterministic mode: of the numbers), by a rule written anew here.
"""

import sys
from pathlib import Path

import pytest
from harness import make

from runtree.contract.search import Choice, Dimension
from runtree.records.ledger import read_ledger
from runtree.tuners.grid import Grid
from runtree.workers.executor import Job
from runtree.workers.in_process import InProcessExecutor
from runtree.workers.process_executor import ProcessExecutor

HERE = str(Path(__file__).parent)
NO = "no"  # a run that fails
SCRIPTS = {
    "max_runs": ({"max_runs": 9}, [0.1] * 30),
    "target": ({"target": 0.8}, [0.1, 0.5, 0.3, 0.79, 0.2, 0.6, 0.8, 0.9] + [0.1] * 20),
    "patience": ({"patience": {"runs": 5}}, [0.1, 0.2, 0.3, 0.1, 0.3, 0.4] + [0.2, 0.4] * 15),
    "convergence": (
        {"convergence": {"window": 4, "min_runs": 8, "tolerance": 0.01}},
        [0.1, 0.5, 0.7, 0.8, 0.85] + [0.9] * 25,
    ),
    "failures": ({"failures": {"consecutive": 4}}, [0.1, NO, 0.2, NO, NO, 0.1, 0.3] + [NO] * 20),
    "rate": ({"failures": {"rate": 0.5, "min_runs": 6}}, [0.1, NO, 0.2, 0.3, 0.1, NO, 0.2] + [NO] * 20),
    "space_exhausted": ({}, [0.1, 0.3, 0.2, NO, 0.1, 0.2, 0.3]),
}


def holds(name: str, values: list[object], started: int, size: int) -> bool:
    """Tell whether a criterion holds once these have ended, in this order."""
    scores = [value for value in values if value != NO]
    failed = [value == NO for value in values]
    if name == "max_runs":
        return len(values) == 9
    if name == "target":
        return max(scores, default=0.0) >= 0.8
    if name == "patience":
        since = [max([0.0, *scores[:at]]) < score for at, score in enumerate(scores)]
        return len(scores) - 1 - max((at for at, better in enumerate(since) if better), default=0) >= 5
    if name == "convergence":  # what scatters promises more: here only a window of equal bests is quiet
        return len(scores) >= 8 and scores[-4:] == [0.9] * 4 and max(scores[:-4]) >= 0.9 * 0.99
    if name == "failures":
        return failed[-4:] == [True] * 4
    if name == "rate":
        return len(failed) >= 6 and sum(failed) / len(failed) >= 0.5
    return len(values) == size


def swept(folder, executor, name, deterministic):
    """Sweep over the script by a grid of its numbers."""
    stop, script = SCRIPTS[name]
    space = (Dimension("n", Choice(tuple(range(len(script))))),)
    options = {"deterministic": deterministic, "lag": 4 if deterministic else None, "stop": stop}
    driver = make(folder, executor, Grid, space, **options)
    driver.tasks.make_job = lambda entry, trial, front: Job(entry.number, (script[trial.values["n"]], entry.number))
    driver.run()
    return driver


@pytest.fixture(scope="module")
def engines():
    """Return executors by their names, begun once for all sweeps."""
    sys.path.insert(0, HERE)
    executors = {
        "processes": ProcessExecutor(4, "scripted_job:setup", None),
        "in_process": InProcessExecutor("scripted_job:setup", None),
    }
    yield executors
    for executor in executors.values():
        executor.close()
    sys.path.remove(HERE)


@pytest.mark.parametrize(
    ("engine", "deterministic"), [("in_process", False), ("processes", False), ("processes", True)]
)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_sweep_stops_at_exactly_the_right_run(tmp_path, engines, name, engine, deterministic):
    executor, script = engines[engine], SCRIPTS[name][1]
    driver = swept(tmp_path, executor, name, deterministic)
    events = [event for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] in ("asked", "ended")]
    ends = [event["run"] for event in events if event["event"] == "ended"]
    asked = [event["run"] for event in events if event["event"] == "asked"]
    told = sorted(ends) if deterministic else ends
    values = [script[number] for number in told]
    right = next(at for at in range(len(told)) if holds(name, values[: at + 1], len(asked), len(script)))

    verdict = driver.monitor.reason
    assert (verdict.criterion, verdict.run) == ("failures" if name == "rate" else name, told[right])
    assert asked == list(range(len(asked))) and sorted(ends) == asked
    if name in ("max_runs", "space_exhausted"):
        assert len(asked) == min(9, len(script))
    elif deterministic:  # four are on their way whenever one is told, whatever the slots
        assert len(asked) == told[right] + 4
    else:  # what was at work when the criterion held has ended, and nothing began after that
        last = next(at for at, event in enumerate(events) if event["event"] == "ended" and event["run"] == told[right])
        assert all(event["event"] == "ended" for event in events[last:])
        assert sorted(driver.monitor.running_at_stop) == sorted(ends[right + 1 :])
        assert len(asked) <= right + executor.slots


@pytest.mark.parametrize("engine", ["in_process", "processes"])
def test_time_that_is_over_starts_nothing_more_and_ends_what_it_can(tmp_path, engines, engine):
    stop = {"max_seconds": 0.6}
    driver = make(tmp_path, engines[engine], Grid, (Dimension("n", Choice(tuple(range(200)))),), stop=stop)
    driver.tasks.make_job = lambda entry, trial, front: Job(entry.number, (0.5, entry.number))
    driver.run()
    verdict = driver.monitor.reason
    assert (verdict.criterion, verdict.threshold) == ("max_seconds", 0.6)
    events = [event for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] in ("asked", "ended")]
    begun = [event["at"] for event in events if event["event"] == "asked"]
    assert 0 < len(begun) < 200 and max(begun) <= verdict.observed
    ends = {(entry.state, entry.result.reason) for entry in driver.state.runs.values()}
    # a run in this process cannot be ended
    assert ends <= {("completed", None), *([("stopped", "max_seconds")] if engine == "processes" else [])}


def test_the_runs_end_in_another_order_than_they_began(tmp_path, engines):
    """Otherwise nothing above has been put to the test."""
    swept(tmp_path, engines["processes"], "max_runs", False)
    ends = [event["run"] for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] == "ended"]
    assert ends != sorted(ends)
