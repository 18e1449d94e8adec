"""The loop: what is begun, told, tried again, reused and stopped, with whoever ends first."""

import random
from functools import partial

import optuna
import pytest
from harness import LINE, Scripted, history, make, outcome
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.search import Choice, Dimension, Interval
from runtree.records.ledger import read_ledger
from runtree.sweeps.leaderboard import rank_trials
from runtree.sweeps.proposer import Study, choose_study
from runtree.sweeps.search_space import SearchSpace
from runtree.tuners.grid import Grid
from runtree.tuners.optuna_tuner import OptunaTuner
from runtree.workers.executor import JobDied

randomly = partial(OptunaTuner, partial(optuna.samplers.RandomSampler))
tpe = partial(OptunaTuner, partial(optuna.samplers.TPESampler, multivariate=True, n_startup_trials=5))
GRID = (Dimension("a", Choice((1, 2, 3))), Dimension("b", Interval(0, 3, integer=True)))
ORDERS = {
    "first": min,
    "last": max,
    "any": lambda running: random.Random(len(running) * 7 + running[0]).choice(running),
}


def square(number, values):
    return -((values["x"] - 0.3) ** 2)


def climbing(number, values):
    """The best comes at run 7; after that nothing improves."""
    return float(min(number, 7))


def swept(folder, objective=square, tuner=randomly, slots=1, order="first", space=LINE, **more):
    driver = make(folder, Scripted(objective, slots, ORDERS[order]), tuner, space, **more)
    driver.run()
    return driver


def test_what_is_done_after_the_search_is_no_part_of_its_time(tmp_path, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr("runtree.sweeps.loop.time.monotonic", lambda: float(next(clock)))
    driver = swept(tmp_path, stop={"max_runs": 3})
    worked = driver.seconds
    driver.append({"event": "kept", "run": 0, "metrics": {}})  # the best is scored and saved
    assert driver.seconds == worked
    assert make(tmp_path, Scripted(square), randomly, stop={"max_runs": 9}).seconds < worked + 5


def test_a_configuration_of_which_a_repeat_is_missing_is_not_the_best(tmp_path):
    driver = swept(tmp_path, lambda number, values: float(number), stop={"max_runs": 3}, repeats=2)
    assert [trial.runs for trial, _ in rank_trials(driver.state, driver.objectives)] == [[0, 1], [2]]
    assert [trial.runs for trial, _ in driver.front.best] == [[0, 1]]
    again = make(tmp_path, Scripted(climbing), randomly, stop={"max_runs": 3}, repeats=2)
    assert [trial.runs for trial, _ in again.front.best] == [[0, 1]]
    again = make(tmp_path, Scripted(lambda number, values: -9.0), randomly, stop={"max_runs": 4}, repeats=2)
    again.run()
    assert [(trial.runs, score) for trial, score in again.front.best] == [([0, 1], (0.5,))]  # (2 - 9) / 2 is worse


def test_where_the_first_objective_ties_the_second_ranks(tmp_path):
    both = (("score", "maximize"), ("cost", "minimize"))
    driver = swept(tmp_path, lambda number, values: (0.9, 9.0 - number), stop={"max_runs": 3}, objectives=both)
    assert [trial.runs for trial, _ in rank_trials(driver.state, driver.objectives)] == [[2], [1], [0]]


# With one slot there is a single order; each other number of slots meets an order that differs from it
@pytest.mark.parametrize(("slots", "order"), [(1, "first"), (2, "last"), (4, "last"), (4, "any")])
class TestEveryCriterion:
    def test_max_runs_starts_exactly_so_many(self, tmp_path, slots, order):
        driver = swept(tmp_path, slots=slots, order=order, stop={"max_runs": 17})
        assert sorted(driver.state.runs) == list(range(17))
        assert len(driver.executor.begun) == 17
        assert driver.executor.most == slots
        assert driver.monitor.reason.criterion == "max_runs"

    def test_patience_counts_runs_that_are_no_better_in_the_order_of_their_ends(self, tmp_path, slots, order):
        driver = swept(tmp_path, climbing, slots=slots, order=order, stop={"patience": {"runs": 5}, "max_runs": 90})
        ends = [event["run"] for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] == "ended"]
        best, idle, stopped = -1.0, 0, None
        for number in ends:
            idle, best = (0, min(number, 7)) if min(number, 7) > best else (idle + 1, best)
            if idle == 5:
                stopped = number
                break
        verdict = driver.monitor.reason
        assert (verdict.criterion, verdict.run) == ("patience", stopped)
        assert len(ends) - 1 - ends.index(stopped) == len(driver.monitor.running_at_stop) == slots - 1

    def test_a_target_is_the_end(self, tmp_path, slots, order):
        driver = swept(tmp_path, climbing, slots=slots, order=order, stop={"target": 4.0, "max_runs": 90})
        ends = [event["run"] for event in read_ledger(tmp_path / "ledger.jsonl") if event["event"] == "ended"]
        first = next(number for number in ends if number >= 4)
        assert (driver.monitor.reason.criterion, driver.monitor.reason.run) == ("target", first)

    def test_a_grid_ends_when_nothing_is_left(self, tmp_path, slots, order):
        driver = swept(tmp_path, lambda number, values: values["b"], Grid, slots, order, GRID)
        assert [values for _, values, _ in history(driver)] == [{"a": a, "b": b} for a in (1, 2, 3) for b in range(4)]
        assert driver.monitor.reason.criterion == "space_exhausted"

    def test_failures_in_a_row_are_the_end(self, tmp_path, slots, order):
        stop = {"failures": {"consecutive": 3}, "max_runs": 90}
        driver = swept(
            tmp_path, lambda number, values: error() if number > 4 else 1.0, slots=slots, order=order, stop=stop
        )
        assert driver.monitor.reason.criterion == "failures"
        assert len(driver.state.runs) <= 8 + slots

    def test_random_proposes_the_same_whoever_ends_first(self, tmp_path, slots, order):
        (tmp_path / "one").mkdir()
        alone = swept(tmp_path / "one", stop={"max_runs": 12})
        assert history(swept(tmp_path, slots=slots, order=order, stop={"max_runs": 12})) == history(alone)


def interrupting(told, times, number, values):
    if number == 3:
        told[0].signals = times
    return 1.0


def error():
    return outcome(float("nan"), state="failed", reason="error", error={"type": "ValueError", "message": "no"})


@given(
    dimensions=st.lists(st.integers(1, 12), min_size=2, max_size=8),
    max_runs=st.none() | st.integers(1, 120),
    seed=st.integers(0, 9),
)
def test_each_algorithm_has_the_start_and_the_share_that_the_manual_promises(dimensions, max_runs, seed):
    chance, count = random.Random(seed), len(dimensions)
    lines = [tuple(Dimension(f"x{n}", Interval(0.0, 1.0)) for n in range(size)) for size in dimensions]
    studies = [Study(SearchSpace(str(place), {}, line), None) for place, line in enumerate(lines)]
    promised = [max(5, size + 1) for size in dimensions]
    if max_runs is not None:
        promised = [min(first, max(1, max_runs // (2 * count))) for first in promised]
    for total in range(1, (max_runs or 150) + 1):
        study = choose_study(studies, max_runs)
        study.next_number += 1
        study.values.append(chance.random() + (study is studies[0]))  # the first is much better than the others
        trials = [other.next_number for other in studies]
        if total <= sum(promised):  # nobody gets more than its start before all have theirs
            assert all(got <= first for got, first in zip(trials, promised, strict=True))
        share = min(0.1, 0.5 / count)
        assert total < sum(promised) or min(trials) >= int(share * (total - count))


class TestDeterministic:
    @pytest.mark.parametrize("slots", [1, 2, 4])
    def test_a_fixed_lag_gives_the_same_sweep_with_any_slots_and_any_order(self, tmp_path, slots):
        found = []
        for order in ORDERS:
            folder = tmp_path / f"{slots}{order}"
            folder.mkdir()
            driver = swept(
                folder, tuner=tpe, slots=slots, order=order, deterministic=True, lag=4, stop={"max_runs": 25}
            )
            found.append(history(driver))
        (tmp_path / "one").mkdir()
        alone = swept(tmp_path / "one", tuner=tpe, slots=1, deterministic=True, lag=4, stop={"max_runs": 25})
        assert all(one == history(alone) for one in found)

    def test_so_many_runs_start_whoever_ends_first(self, tmp_path):
        counts = set()
        for order in ORDERS:
            (tmp_path / order).mkdir()
            driver = swept(
                tmp_path / order,
                climbing,
                slots=4,
                order=order,
                deterministic=True,
                stop={"patience": {"runs": 5}, "max_runs": 90},
            )
            counts.add(len(driver.state.runs))
        assert len(counts) == 1

    @pytest.mark.parametrize("cut", [3, 11, 20])
    def test_going_on_gives_what_would_have_come(self, tmp_path, cut):
        """A sweep that was cut off anywhere goes on as if nothing had happened."""
        (tmp_path / "whole").mkdir()
        (tmp_path / "cut").mkdir()
        asked = {"tuner": tpe, "slots": 2, "deterministic": True, "stop": {"max_runs": 25}}
        whole = swept(tmp_path / "whole", order="any", **asked)
        swept(tmp_path / "cut", order="any", **asked)
        lines = (tmp_path / "cut" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "cut" / "ledger.jsonl").write_bytes(b"".join(lines[: 2 * cut]))
        again = swept(tmp_path / "cut", order="last", **asked)
        assert history(again) == history(whole)


class TestGoingOn:
    @pytest.mark.parametrize("slots", [1, 3])
    def test_a_sweep_cut_off_at_every_line_ends_with_the_same_runs(self, tmp_path, slots):
        whole = swept(tmp_path, slots=slots, order="any", stop={"max_runs": 8})
        lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        for cut in range(1, len(lines)):
            folder = tmp_path / str(cut)
            folder.mkdir()
            (folder / "ledger.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:-9])  # and a torn line
            again = swept(folder, slots=slots, order="last", stop={"max_runs": 8})
            assert history(again) == history(whole)
            assert [entry.state for entry in again.state.runs.values()] == ["completed"] * 8
            known = {
                event["run"] for event in map(dict, read_ledger(folder / "ledger.jsonl")) if event["event"] == "ended"
            }
            assert known == set(range(8))
            assert again.monitor.counters.best == whole.monitor.counters.best

    def test_patience_goes_on_counting(self, tmp_path):
        asked = {"stop": {"patience": {"runs": 5}, "max_runs": 90}}
        whole = swept(tmp_path, climbing, **asked)
        lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "ledger.jsonl").write_bytes(b"".join(lines[:-4]))
        again = swept(tmp_path / "b", climbing, **asked)
        assert again.monitor.reason.run == whole.monitor.reason.run == 12

    def test_what_has_ended_is_not_begun_again(self, tmp_path):
        swept(tmp_path, stop={"max_runs": 6})
        again = swept(tmp_path, stop={"max_runs": 10})
        assert again.executor.begun == [6, 7, 8, 9]


class TestDeath:
    def test_a_run_whose_process_died_is_tried_again(self, tmp_path):
        left = {3: 2}

        def dying(number, values):
            if left.get(number):
                left[number] -= 1
                return JobDied(number, "crashed", -9, 0.1, 0)
            return square(number, values)

        driver = swept(tmp_path, dying, slots=2, retries=2, stop={"max_runs": 6})
        assert driver.executor.begun.count(3) == 3
        assert [entry.state for entry in driver.state.runs.values()] == ["completed"] * 6
        assert driver.state.runs[3].attempts == 3

    def test_one_that_dies_too_often_has_failed(self, tmp_path):
        driver = swept(
            tmp_path,
            lambda n, v: JobDied(n, "crashed", -11, 0.1, 0) if n == 1 else 1.0,
            retries=2,
            stop={"max_runs": 3},
        )
        entry = driver.state.runs[1]
        assert (entry.state, entry.attempts) == ("failed", 3)
        assert "SIGSEGV" in entry.result.error["message"]

    @pytest.mark.parametrize(
        ("cause", "state", "reason"), [("max_seconds", "stopped", "max_seconds"), ("memory", "failed", "error")]
    )
    def test_a_limit_is_final(self, tmp_path, cause, state, reason):
        driver = swept(
            tmp_path, lambda n, v: JobDied(n, cause, -9, 9.0, 2**30) if n == 1 else 1.0, stop={"max_runs": 3}
        )
        entry = driver.state.runs[1]
        assert (entry.state, entry.result.reason, entry.attempts) == (state, reason, 1)

    def test_what_the_machine_failed_is_tried_again_and_what_the_algorithm_failed_is_not(self, tmp_path):
        seen = []

        def failing(number, values):
            seen.append(number)
            kind = "ConnectionError" if number == 0 else "ValueError"
            return (
                outcome(1.0, state="failed", error={"type": kind, "message": "x"})
                if seen.count(number) == 1 and number < 2
                else 1.0
            )

        driver = swept(tmp_path, failing, stop={"max_runs": 3})
        assert [entry.state for entry in driver.state.runs.values()] == ["completed", "failed", "completed"]

    def test_a_full_disk_ends_the_sweep_and_loses_no_run(self, tmp_path):
        full = outcome(1.0, state="failed", error={"type": "OSError", "message": "[Errno 28] No space left on device"})
        driver = swept(tmp_path, lambda n, v: full if n == 2 else 1.0, stop={"max_runs": 5})
        assert driver.stop_cause == "disk"
        again = swept(tmp_path, lambda n, v: 1.0, stop={"max_runs": 5})
        assert [entry.state for entry in again.state.runs.values()] == ["completed"] * 5

    def test_one_failure_may_be_the_end(self, tmp_path):
        driver = swept(tmp_path, lambda n, v: error() if n == 2 else 1.0, on_failure="stop", stop={"max_runs": 9})
        assert len(driver.state.runs) == 3 and driver.stop_cause == "failure"


class TestStopping:
    def test_what_runs_may_be_ended_when_it_is_enough(self, tmp_path):
        stop = {"target": 3.0, "max_runs": 50, "running": "terminate"}
        driver = swept(tmp_path, climbing, slots=3, order="first", stop=stop)
        states = [entry.state for entry in driver.state.runs.values()]
        assert states.count("stopped") == 2 and driver.monitor.reason.run == 3

    def test_asked_once_what_runs_may_finish_and_asked_twice_it_is_ended(self, tmp_path):
        for times, expected in ((1, 6), (2, 4)):
            folder = tmp_path / str(times)
            folder.mkdir()

            told = []
            driver = make(folder, Scripted(partial(interrupting, told, times), 3), randomly, stop={"max_runs": 50})
            told.append(driver)
            driver.run()
            assert len(driver.state.ended) == expected
            assert driver.stop_cause == "interrupt"
            again = swept(folder, lambda n, v: 1.0, stop={"max_runs": 9})
            assert [entry.state for entry in again.state.runs.values()] == ["completed"] * 9


class TestRepeats:
    def test_the_tuner_is_told_the_mean_and_a_configuration_counts_once(self, tmp_path):
        def noisy(number, values):
            return float(number % 3)

        driver = swept(tmp_path, noisy, repeats=3, slots=2, stop={"max_runs": 9, "patience": {"runs": 50}})
        told = [driver.objectives.observation(driver.state, trial).objectives for trial in driver.state.trials.values()]
        assert told == [(1.0,)] * 3
        assert driver.monitor.counters.not_improving == 2
        assert [entry.repeat for entry in driver.state.runs.values()] == [0, 1, 2] * 3

    def test_runs_that_fail_leave_the_mean_of_the_others(self, tmp_path):
        driver = swept(tmp_path, lambda n, v: error() if n == 1 else float(n), repeats=3, stop={"max_runs": 3})
        [trial] = driver.state.trials.values()
        assert driver.objectives.observation(driver.state, trial).objectives == (1.0,)


class TestReuse:
    SPACE = (Dimension("x", Choice((1, 2, 3))),)

    @pytest.mark.parametrize("slots", [1, 2])
    def test_a_configuration_is_paid_for_once(self, tmp_path, slots):
        driver = swept(tmp_path, lambda n, v: float(v["x"]), tpe, slots, "any", self.SPACE, stop={"max_runs": 50})
        assert sorted(values["x"] for _, values, _ in history(driver)) == [1, 2, 3]
        assert driver.monitor.reason.criterion == "space_exhausted"
        assert driver.monitor.counters.counts["reused"] >= 19
        known = [trial for trial in driver.state.trials.values() if trial.same_as is not None]
        assert all(
            driver.objectives.observation(driver.state, trial).objectives == (float(trial.values["x"]),)
            for trial in known
        )

    def test_one_that_failed_is_tried_again_when_proposed_again(self, tmp_path):
        seen = []

        def first_fails(number, values):
            seen.append(values["x"])
            return error() if seen.count(values["x"]) == 1 and values["x"] == 2 else 1.0

        driver = swept(tmp_path, first_fails, tpe, 1, "first", self.SPACE, stop={"max_runs": 50})
        assert seen.count(2) >= 2 and driver.state.runs


class TestSeveralAlgorithms:
    FAMILIES = [
        SearchSpace(name, {"algorithm": name}, (Dimension("x", Interval(0.0, 1.0)),))
        for name in ("good", "fair", "poor")
    ]

    def objective(self, driver_of):
        def value(number, values):
            driver = driver_of[0]
            family = driver.state.runs[number].trial[0]
            return {"good": 2.0, "fair": 1.0, "poor": 0.0}[family] + values["x"] / 10

        return value

    def test_each_gets_its_share_first_and_the_promising_one_most_of_the_rest(self, tmp_path):
        driver_of = []
        driver = make(
            tmp_path, Scripted(self.objective(driver_of), 2), randomly, families=self.FAMILIES, stop={"max_runs": 60}
        )
        driver_of.append(driver)
        driver.run()
        order = [driver.state.runs[n].trial[0] for n in range(60)]
        assert {name: order[:15].count(name) for name in ("good", "fair", "poor")} == {"good": 5, "fair": 5, "poor": 5}
        assert order.count("good") > 30
        assert min(order.count("fair"), order.count("poor")) >= 5

    def test_shares_are_kept(self, tmp_path):
        driver_of = []
        driver = make(
            tmp_path,
            Scripted(self.objective(driver_of)),
            randomly,
            families=self.FAMILIES,
            stop={"max_runs": 40},
            shares={"good": 1, "fair": 1, "poor": 2},
        )
        driver_of.append(driver)
        driver.run()
        order = [driver.state.runs[n].trial[0] for n in range(40)]
        assert (order.count("good"), order.count("fair"), order.count("poor")) == (10, 10, 20)


class TestPruning:
    def test_a_run_that_falls_behind_is_given_up(self, tmp_path):
        pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)

        def learning(number, values):
            level = 1.0 if number < 5 else 0.1
            return [level * step for step in (1, 2, 3)] + [outcome(level * 3)]

        driver = swept(tmp_path, learning, partial(randomly, pruner), stop={"max_runs": 10})
        states = [entry.state for entry in driver.state.runs.values()]
        assert states == ["completed"] * 5 + ["pruned"] * 5
        assert [len(entry.reports) for entry in driver.state.runs.values()] == [3] * 5 + [1] * 5
        assert driver.executor.pruned == [5, 6, 7, 8, 9]


class TestBounds:
    def test_what_breaks_a_bound_cannot_be_the_best(self, tmp_path):
        driver = swept(tmp_path, lambda n, v: float(n), constraints=["score <= 5"], stop={"max_runs": 9})
        [(_, score)] = driver.front.best
        assert score == (5.0,) and driver.monitor.counters.best == 5.0

    def test_of_several_objectives_those_that_nothing_beats_are_the_best(self, tmp_path):
        points = [(1.0, 5.0), (2.0, 4.0), (1.5, 6.0), (0.5, 5.5), (2.0, 4.0)]
        driver = swept(
            tmp_path,
            lambda n, v: outcome(points[n]),
            objectives=(("score", "maximize"), ("cost", "minimize")),
            stop={"max_runs": 5},
        )
        assert sorted(driver.front.scores) == [(2.0, 4.0)]
        assert driver.monitor.reason.criterion == "max_runs"


class TestDamage:
    @pytest.mark.parametrize("deterministic", [False, True])
    def test_a_run_of_which_the_ledger_tells_nothing_any_more_is_done_again(self, tmp_path, deterministic):
        asked = {"slots": 2, "stop": {"max_runs": 8}, "deterministic": deterministic}
        whole = swept(tmp_path, **asked)
        file = tmp_path / "ledger.jsonl"
        lines = [line for line in file.read_bytes().splitlines(keepends=True) if b'"run":3,' not in line]
        file.write_bytes(b"".join(lines))
        again = swept(tmp_path, **asked)
        assert again.executor.begun == [3]
        assert [entry.state for _, entry in sorted(again.state.runs.items())] == ["completed"] * 8
        assert [row for row in history(again) if row[0] != 3] == [row for row in history(whole) if row[0] != 3]


def test_a_terminal_that_was_closed_ends_no_sweep(tmp_path):
    class Gone:
        def ended(self, driver, entry):
            raise OSError(5, "Input/output error")

        def tick(self, driver):
            raise BrokenPipeError

    driver = make(tmp_path, Scripted(square, 2), randomly, stop={"max_runs": 6})
    driver.observer = Gone()
    driver.run()
    assert [entry.state for _, entry in sorted(driver.state.runs.items())] == ["completed"] * 6


def test_a_tuner_that_finds_nothing_new_is_told_apart_from_a_space_that_is_exhausted(tmp_path):
    class Stubborn(Grid):
        def begin(self, space, directions, seed):
            super().begin(space[:1], directions, seed)  # it never looks at the second dimension

        def ask(self, number):
            found = super().ask(number % 3)
            return type(found)(number, {**found.values, "b": 0})

    driver = swept(tmp_path, lambda number, values: 1.0, Stubborn, space=GRID)
    assert "search space exhausted: 3 of 12 configurations tried" in driver.monitor.reason.explanation
    (tmp_path / "all").mkdir()
    whole = swept(tmp_path / "all", lambda number, values: 1.0, Grid, space=GRID)
    assert whole.monitor.reason.explanation.endswith(": search space exhausted")
