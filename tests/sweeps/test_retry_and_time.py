"""Runs that are tried again by request, and the time of a sweep, which is held."""

from functools import partial

import optuna
import pytest
from harness import Scripted, history, make, outcome

from runtree.contract.errors import RequestError
from runtree.records.ledger import read_ledger
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.workers.executor import JobDied, JobReturned

randomly = partial(OptunaTuner, partial(optuna.samplers.RandomSampler))
tpe = partial(OptunaTuner, partial(optuna.samplers.TPESampler, multivariate=True, n_startup_trials=3))
FAILED = outcome(0.0, state="failed", reason="error", error={"type": "ValueError", "message": "no"})


def broken(number, values):
    return FAILED if number in (1, 4) else float(number)


def mended(number, values):
    return float(number)


def swept(folder, objective, slots=1, first=min, tuner=randomly, **more):
    driver = make(folder, Scripted(objective, slots, first), tuner, **more)
    driver.run()
    return driver


def states(driver):
    return {number: run.state for number, run in sorted(driver.state.runs.items())}


class TestRetry:
    @pytest.mark.parametrize("asked", [{}, {"deterministic": True, "lag": 2}, {"repeats": 2}])
    @pytest.mark.parametrize("slots", [1, 3])
    def test_what_failed_is_run_again_in_its_place_and_nothing_else_is(self, tmp_path, slots, asked):
        asked = {"stop": {"max_runs": 6}, "slots": slots, **asked}
        assert list(states(swept(tmp_path, broken, **asked)).values()).count("failed") == 2
        before = (tmp_path / "ledger.jsonl").read_bytes()
        again = swept(tmp_path, mended, retry=["failed"], **asked)
        assert again.executor.begun == [1, 4]
        assert states(again) == dict.fromkeys(range(6), "completed")
        assert [again.state.runs[number].attempts for number in range(6)] == [1, 2, 1, 1, 2, 1]
        assert (tmp_path / "ledger.jsonl").read_bytes().startswith(before)
        assert again.monitor.counters.counts["started"] == 6
        assert again.monitor.counters.best == again.front.best[0][1][0]
        # and once more: nothing has failed
        assert swept(tmp_path, mended, retry=["failed"], **asked).executor.begun == []

    @pytest.mark.parametrize("tuner", [randomly, tpe])
    @pytest.mark.parametrize("deterministic", [False, True])
    def test_cut_off_anywhere_it_ends_with_the_same_runs(self, tmp_path, deterministic, tuner):
        asked = {"stop": {"max_runs": 6}, "deterministic": deterministic, "tuner": tuner}
        swept(tmp_path, broken, **asked)
        known = len((tmp_path / "ledger.jsonl").read_bytes().splitlines())
        whole = swept(tmp_path, mended, retry=["failed"], **asked)
        lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        for cut in range(known + 1, len(lines)):
            folder = tmp_path / str(cut)
            folder.mkdir()
            (folder / "ledger.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:-9])  # and a torn line
            # the command was given, and is given again
            again = swept(folder, mended, retry=["failed"], **asked)
            assert history(again) == history(whole)
            assert states(again) == states(whole)
            assert again.monitor.counters.counts == whole.monitor.counters.counts

    def test_a_damaged_line_of_the_request_loses_no_result(self, tmp_path):
        swept(tmp_path, broken, stop={"max_runs": 6})
        swept(tmp_path, mended, retry=["failed"], stop={"max_runs": 6})
        file = tmp_path / "ledger.jsonl"
        kept = [line for line in file.read_bytes().splitlines(keepends=True) if b'"retried"' not in line]
        file.write_bytes(b"".join(kept))
        again = swept(tmp_path, mended, stop={"max_runs": 6})
        assert (states(again), again.executor.begun) == (dict.fromkeys(range(6), "completed"), [])

    @pytest.mark.parametrize(
        "stop", [{"failures": {"consecutive": 1}}, {"failures": {"rate": 0.5, "min_runs": 2}}], ids=["row", "rate"]
    )
    def test_a_sweep_that_failures_ended_goes_on_to_its_total(self, tmp_path, stop):
        stop = {"max_runs": 6, **stop}
        assert swept(tmp_path, lambda n, v: FAILED, stop=stop).monitor.reason.criterion == "failures"
        again = swept(tmp_path, mended, retry=["failed"], stop=stop)
        assert states(again) == dict.fromkeys(range(6), "completed")
        assert again.monitor.reason.criterion == "max_runs"

    @pytest.mark.parametrize("running", ["auto", "finish", "terminate"])
    def test_what_is_run_again_by_request_is_not_ended_by_the_reason_of_before(self, tmp_path, running):
        stop = {"max_runs": 50, "target": 5.0, "running": running}
        swept(tmp_path, broken, stop=stop)
        again = swept(tmp_path, mended, retry=["failed"], stop=stop)
        assert states(again) == dict.fromkeys(range(6), "completed")

    def test_retries_of_the_machine_are_counted_from_the_request(self, tmp_path):
        dying = partial(lambda n, v: JobDied(n, "crashed", -9, 0.1, 0) if n == 1 else 1.0)
        first = swept(tmp_path, dying, retries=2, stop={"max_runs": 3})
        assert (first.executor.begun.count(1), first.state.runs[1].attempts) == (3, 3)
        again = swept(tmp_path, dying, retry=["failed"], retries=2, stop={"max_runs": 3})
        assert (again.executor.begun, again.state.runs[1].attempts) == ([1, 1, 1], 6)

    def test_without_time_nothing_is_run_again_and_nothing_is_written(self, tmp_path):
        driver = swept(tmp_path, broken, stop={"max_runs": 6})
        driver.append({"event": "kept", "run": 0})  # the time of the sweep is that of its last event
        before = (tmp_path / "ledger.jsonl").read_bytes()
        with pytest.raises(RequestError, match=r"tuner\.stop\.max_seconds: the 1e-09 s of this sweep are over") as told:
            make(tmp_path, Scripted(mended), randomly, retry=["failed"], stop={"max_seconds": 1e-9})
        assert "tuner.stop.max_seconds=2e-09" in str(told.value)
        assert (tmp_path / "ledger.jsonl").read_bytes() == before


class Slow(Scripted):
    """Jobs that end after `waits(number)` unless they are terminated; each wait takes a second of a clock."""

    def __init__(self, waits, clock, slots=2):
        super().__init__(mended, slots)
        self.waits, self.clock, self.left = waits, clock, {}

    def submit(self, job):
        super().submit(job)
        self.left[job.id] = self.waits(job.id)

    def wait(self, timeout=None):
        self.clock[0] += 1.0
        for number in sorted(self.jobs):
            self.left[number] -= 1
            if self.left[number] <= 0 or number in self.terminated:
                del self.jobs[number]
                if number in self.terminated:
                    return [JobDied(number, "terminated", -15, 0.5, 0)]
                return [JobReturned(number, outcome(float(number)))]
        return []


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("runtree.sweeps.loop.time.monotonic", lambda: now[0])
    return now


class TestTime:
    STOPPED = ("stopped", "max_seconds", None)

    def ends(self, driver):
        return [(run.state, run.result.reason, run.result.error) for _, run in sorted(driver.state.runs.items())]

    def test_what_would_take_longer_is_ended_and_no_failure(self, tmp_path, clock):
        driver = make(tmp_path, Slow(lambda number: 100, clock), randomly, stop={"max_seconds": 10})
        driver.run()
        assert driver.seconds <= 10 + 3  # the two ends are seen in two waits
        assert self.ends(driver) == [self.STOPPED] * 2
        assert driver.monitor.reason.criterion == "max_seconds"
        assert not any(run.needs_attention for run in driver.state.runs.values())

    def test_who_asks_to_finish_waits(self, tmp_path, clock):
        stop = {"max_seconds": 10, "running": "finish"}
        driver = make(tmp_path, Slow(lambda number: 15, clock), randomly, stop=stop)
        driver.run()
        assert driver.seconds >= 15
        assert [run.state for run in driver.state.runs.values()] == ["completed"] * 2

    def test_time_is_held_although_another_criterion_came_first(self, tmp_path, clock):
        jobs = Slow(lambda number: 2 if number == 0 else 100, clock, slots=3)
        driver = make(tmp_path, jobs, randomly, stop={"max_seconds": 10, "target": 0.0})
        driver.run()
        assert driver.monitor.reason.criterion == "target"
        assert self.ends(driver) == [("completed", None, None), self.STOPPED, self.STOPPED]
        assert driver.seconds <= 10 + 4

    def test_a_run_that_waits_for_a_retry_does_not_begin_and_is_not_left_waiting(self, tmp_path, clock):
        class Dying(Slow):
            def wait(self, timeout=None):
                self.clock[0] += 4.0
                number = min(self.jobs)
                del self.jobs[number]
                return [JobDied(number, "crashed", -9, 4.0, 0)]

        stop = {"max_seconds": 10, "max_runs": 1}
        driver = make(tmp_path, Dying(lambda number: 1, clock, slots=1), randomly, retries=9, stop=stop)
        driver.run()
        assert (driver.executor.begun, self.ends(driver)) == ([0, 0, 0], [self.STOPPED])
        assert list(driver.state.waiting()) == []
        ends = [event for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] == "ended"]
        assert [(event["state"], event["reason"]) for event in ends] == [("stopped", "max_seconds")]

    def test_with_more_time_they_are_run_again_by_request_only(self, tmp_path, clock):
        first = make(tmp_path, Slow(lambda number: 100, clock), randomly, stop={"max_seconds": 10, "max_runs": 2})
        first.run()
        for retry, begun in (((), []), (("stopped",), [0, 1])):
            stop = {"max_seconds": 90, "max_runs": 2}
            again = make(tmp_path, Slow(lambda number: 3, clock), randomly, retry=retry, stop=stop)
            again.run()
            assert again.executor.begun == begun
        assert [run.state for run in again.state.runs.values()] == ["completed"] * 2
