import json
import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError
from runtree.sweeps.options import Convergence, Failures, StopCriteria, SweepPatience, read_stop_rules
from runtree.sweeps.stopping import StopMonitor, expected_improvement, observed_and_expected_gain, stop_record

NAN = math.nan


def told(rules, values, direction="maximize"):
    """Return progress that was told runs one after the other; a text is a state without a value."""
    progress = StopMonitor(read_stop_rules(rules), direction)
    for number, value in enumerate(values):
        progress.started(number)
        progress.ended(number, *((value,) if isinstance(value, str) else ("completed", value)))
        if progress.reason:
            break
    return progress


def mirrored(values):
    return [value if isinstance(value, str) else -value for value in values]


# --- the rules -------------------------------------------------------------------------------------------------------


def test_nothing_given_is_no_rule():
    assert read_stop_rules({}) == read_stop_rules(None) == StopCriteria()
    assert read_stop_rules({"patience": None}) == StopCriteria()


def test_all_rules_are_read():
    node = {
        "max_runs": 50,
        "max_seconds": 3600,
        "target": 0.97,
        "patience": {"runs": 10, "min_delta": 0.1, "relative": 0.01, "warmup": 3},
        "convergence": {"window": 12, "tolerance": 0.02, "min_runs": 30},
        "failures": {"consecutive": 3, "rate": 0.5, "min_runs": 6},
        "running": "terminate",
    }
    assert read_stop_rules(node) == StopCriteria(
        50, 3600, 0.97, SweepPatience(10, 0.1, 0.01, 3), Convergence(12, 0.02, 30), Failures(3, 0.5, 6), "terminate"
    )


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"max_run": 5}, "tuner.stop: 'max_run'\n  did you mean: max_runs"),
        ({"patience": {"run": 5}}, "tuner.stop.patience: 'run'\n  did you mean: runs"),
        ({"max_runs": 0}, "tuner.stop.max_runs: 0 is not a whole number from 1 or null"),
        ({"max_runs": 5.0}, "tuner.stop.max_runs: 5.0 is not a whole number"),
        ({"max_runs": True}, "tuner.stop.max_runs: True is not"),
        ({"max_runs": "5"}, "tuner.stop.max_runs: '5' is not"),
        ({"max_seconds": 0}, "tuner.stop.max_seconds: 0 is not a number above 0"),
        ({"max_seconds": math.inf}, "tuner.stop.max_seconds: inf is not"),
        ({"target": NAN}, "tuner.stop.target: nan is not a number"),
        ({"patience": 10}, "tuner.stop.patience: 10 is not a mapping\n  for example: tuner.stop.patience.runs=10"),
        ({"patience": {"min_delta": -1}}, "tuner.stop.patience.min_delta: -1 is not a number from 0"),
        ({"patience": {"min_delta": None}}, "tuner.stop.patience.min_delta: None is not"),
        ({"patience": {"warmup": -1}}, "tuner.stop.patience.warmup: -1 is not a whole number from 0"),
        ({"convergence": {"window": 1}}, "tuner.stop.convergence.window: 1 is not a whole number from 2"),
        ({"convergence": {"tolerance": 0}}, "tuner.stop.convergence.tolerance: 0 is not a number above 0"),
        ({"failures": {"rate": 1.5}}, "tuner.stop.failures.rate: 1.5 is not a number above 0 up to 1 or null"),
        ({"running": "kill"}, "tuner.stop.running: 'kill' is not possible\n  possible: auto, finish, terminate"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_path(node, told):
    with pytest.raises(ConfigError) as caught:
        read_stop_rules(node)
    assert told in str(caught.value)


def test_a_sweep_needs_an_end():
    assert read_stop_rules({"max_runs": 5}).is_bounded(None)
    assert read_stop_rules({"max_seconds": 5}).is_bounded(None)
    assert StopCriteria().is_bounded(12)
    StopCriteria().check(12, ["maximize"])
    assert read_stop_rules({"patience": {"runs": 10}}).is_bounded(None)
    hopeful = read_stop_rules({"target": 1, "convergence": {"window": 5}, "failures": {"rate": 0.5}})
    assert not hopeful.is_bounded(None)
    with pytest.raises(ConfigError, match=r"^tuner\.stop: .*never end") as caught:
        hopeful.check(None, ["maximize"])
    assert "tuner.stop.max_runs=50" in str(caught.value)


@pytest.mark.parametrize("nothing", ["failed", "stopped"])
def test_runs_that_come_to_nothing_end_a_sweep_that_only_patience_ends(nothing):
    values = [0.5, 0.6, nothing, 0.7, *[nothing] * 19, 0.8, *[nothing] * 30]
    for runs, most in ((5, 20), (25, 25)):
        verdict = told({"patience": {"runs": runs}}, values).reason
        assert (verdict.criterion, verdict.observed, verdict.threshold, verdict.run) == (
            "patience",
            most,
            most,
            23 + most,
        )
        assert verdict.explanation.endswith(f": {most} runs in a row without a value (patience.runs={runs})")
    for bound in ({"max_runs": 90}, {"max_seconds": 90}):
        assert told({"patience": {"runs": 5}, **bound}, values).reason is None
    assert told({"patience": {"runs": 5}}, ["interrupted"] * 40).reason is None


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ({"patience": {"runs": 10}}, "tuner.stop.patience.runs"),
        ({"target": 0.0}, "tuner.stop.target"),
        ({"convergence": {"window": 5}}, "tuner.stop.convergence.window"),
    ],
)
def test_what_needs_one_objective_is_refused_for_several(node, path):
    read_stop_rules(node).check(9, ["maximize"])
    with pytest.raises(ConfigError, match=f"^{path} needs a single objective, and there are 2"):
        read_stop_rules(node).check(9, ["maximize", "minimize"])


# --- the criteria ----------------------------------------------------------------------------------------------------

PATIENCE = [
    # the rule, the values, the run after which it ends (None: it goes on)
    ({"runs": 2}, [0.5, 0.4, 0.5], 2),  # as good is not better
    ({"runs": 2}, [0.5, 0.4, 0.6, 0.5, 0.6], 4),
    ({"runs": 3}, [0.5, 0.4, 0.4], None),
    ({"runs": 1}, [0.5, 0.6, 0.7, 0.7], 3),
    ({"runs": 2, "min_delta": 0.1}, [0.5, 0.55, 0.625, 0.7, 0.72], 4),  # 0.625 improves; then 0.725 is needed
    ({"runs": 2, "min_delta": 0.1}, [0.5, 0.59, 0.6, 0.7], 2),  # exactly min_delta is no improvement
    ({"runs": 3, "min_delta": 0.1}, [0.5, 0.55, 0.59, 0.61, 0.62], None),  # small steps add up: 0.61 > 0.5 + 0.1
    ({"runs": 2, "relative": 0.1}, [10.0, 10.9, 11.5, 12.0, 12.6], 4),  # 11.5 > 11; then 12.65 is needed
    ({"runs": 2, "relative": 0.1}, [-10.0, -9.5, -8.9, -8.5, -8.1], 4),  # -8.9 > -9; then -8.01 is needed
    ({"runs": 2, "min_delta": 2.0, "relative": 0.1}, [10.0, 11.5, 12.5, 14.0, 14.5], 4),  # the larger: 2
    ({"runs": 2, "relative": 0.1}, [0.0, 1e-9, 1e-9, 1e-9], 3),  # of a best of 0 any improvement counts
    ({"runs": 2, "warmup": 3}, [0.5, 0.4, 0.3, 0.2, 0.1], 4),  # the first three do not count
    ({"runs": 2, "warmup": 3}, [0.5, 0.4, 0.6, 0.5, 0.5], 4),  # but may improve
    ({"runs": 2, "warmup": 1}, [0.5, 0.4, 0.4], 2),
    ({"runs": 2}, [0.5, "pruned", "pruned"], 2),
    ({"runs": 2}, [0.5, "failed", "interrupted", "stopped", "failed", 0.4, 0.4], 6),
    ({"runs": 2}, [NAN, math.inf, 0.1], 1),  # no value is no improvement
    ({"runs": 2}, [NAN, 0.1, math.inf, 0.1], 3),  # the first value improves, and infinity is none
]


@pytest.mark.parametrize(("rule", "values", "run"), PATIENCE)
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_patience(rule, values, run, direction):
    values = values if direction == "maximize" else mirrored(values)
    verdict = told({"patience": rule}, values, direction).reason
    assert (verdict and verdict.run) == run
    if verdict:
        assert (verdict.criterion, verdict.observed, verdict.threshold) == ("patience", rule["runs"], rule["runs"])


def test_a_pruned_run_never_improves():
    progress = StopMonitor(read_stop_rules({"patience": {"runs": 2}}))
    for number, (state, value) in enumerate([("completed", 0.5), ("pruned", 0.9), ("pruned", 0.9)]):
        progress.ended(number, state, value)
    assert progress.reason.run == 2
    assert progress.counters.best == 0.5


def test_the_best_that_is_shown_is_the_best_of_all():
    progress = told({"patience": {"runs": 3, "min_delta": 0.1}}, [0.5, 0.55, 0.52, 0.54])
    assert stop_record(progress)["explanation"] == (
        "stopped after run 3: no improvement in 3 runs (patience.runs=3), best 0.55 at run 1"
    )


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_target(direction):
    sign = 1 if direction == "maximize" else -1
    progress = told({"target": sign * 0.9}, [sign * 0.5, sign * 0.89, "pruned", sign * 0.9, sign * 1.0], direction)
    verdict = progress.reason
    assert (verdict.criterion, verdict.run) == ("target", 3)
    assert (verdict.observed, verdict.threshold) == (sign * 0.9, sign * 0.9)


def test_no_value_reaches_a_target():
    assert told({"target": 0.9}, [NAN, math.inf, "failed", 0.8]).reason is None


def test_max_runs_starts_exactly_so_many_and_ends_when_they_have_ended():
    progress = StopMonitor(read_stop_rules({"max_runs": 3, "running": "terminate"}))
    for number in range(3):
        assert progress.may_start()
        progress.started(number)
    assert not progress.may_start()
    progress.ended(2, "completed", 0.1)
    progress.ended(0, "failed")
    assert progress.reason is None  # nothing for `terminate` to end: run 1 was asked for
    progress.ended(1, "completed", 0.2)
    verdict = progress.reason
    assert (verdict.criterion, verdict.observed, verdict.threshold, verdict.run) == ("max_runs", 3, 3, 1)
    assert progress.running_at_stop == ()


def test_a_run_that_is_tried_again_counts_once():
    progress = StopMonitor(read_stop_rules({"max_runs": 2}))
    progress.started(0)
    progress.ended(0, "interrupted")
    progress.started(0)
    progress.started(0)
    assert progress.counters.counts == {
        "started": 1, "completed": 0, "pruned": 0, "failed": 0, "interrupted": 0, "stopped": 0, "reused": 0,
    }  # fmt: skip
    assert progress.may_start()
    progress.ended(0, "completed", 0.5)
    assert progress.counters.counts["completed"] == 1


def test_what_cannot_happen_to_a_run_is_a_fault():
    progress = told({}, [0.5])
    with pytest.raises(ValueError, match="ended already"):
        progress.ended(0, "failed")
    with pytest.raises(ValueError, match="cannot be started again"):
        progress.started(0)
    with pytest.raises(ValueError, match="unknown state 'done'"):
        progress.ended(1, "done")


def test_max_seconds_counts_the_life_of_the_sweep():
    progress = StopMonitor(read_stop_rules({"max_seconds": 10}))
    progress.clock(4.0)
    progress.started(0)
    progress.started(1)
    progress.ended(0, "completed", 0.5, 3.0)
    progress.clock(9.99)
    assert progress.may_start()
    progress.clock(10.5)
    verdict = progress.reason
    assert (verdict.criterion, verdict.observed, verdict.threshold, verdict.run) == ("max_seconds", 10.5, 10, 0)
    assert not progress.may_start()
    assert progress.running_at_stop == (1,)


def test_time_that_is_over_before_a_run_ended():
    progress = StopMonitor(read_stop_rules({"max_seconds": 10}))
    progress.clock(11)
    assert progress.reason.run is None
    assert progress.reason.explanation == "stopped before a run ended: 11 s are over (max_seconds=10)"


FAILURES = [
    ({"consecutive": 2}, ["failed", 0.5, "failed", "failed"], 3, 2),
    ({"consecutive": 2}, ["failed", "pruned", "failed", 0.1, "failed"], None, None),
    ({"consecutive": 2}, ["failed", "interrupted", "stopped", "failed"], 3, 2),  # those say nothing about it
    ({"rate": 0.5, "min_runs": 5}, ["failed", "failed", "failed", 0.5, 0.5], 4, 0.6),
    ({"rate": 0.5, "min_runs": 4}, ["failed", 0.5, 0.5, 0.5, "failed", "failed"], 5, 0.5),
    ({"rate": 0.5, "min_runs": 3}, ["failed", "stopped", "interrupted", 0.5, 0.5], None, None),
    ({"rate": 1.0, "min_runs": 2}, ["failed", "failed"], 1, 1.0),
]


@pytest.mark.parametrize(("rule", "values", "run", "observed"), FAILURES)
def test_failures(rule, values, run, observed):
    verdict = told({"failures": rule}, values).reason
    assert (verdict and (verdict.criterion, verdict.run, verdict.observed)) == (run and ("failures", run, observed))


def test_a_space_that_is_used_up():
    progress = told({}, [0.5, 0.6])
    progress.started(2)
    progress.reused()
    progress.exhausted(4)
    assert progress.reason is None
    assert not progress.may_start()
    progress.ended(2, "completed", 0.4)
    verdict = progress.reason
    assert (verdict.criterion, verdict.observed, verdict.threshold, verdict.run) == ("space_exhausted", 4, 4, 2)


def test_the_first_of_several_criteria_is_named():
    everything = {"max_runs": 2, "target": 0.4, "patience": {"runs": 1}}
    assert told(everything, [0.5, 0.4]).reason.criterion == "target"
    assert told({**everything, "target": 0.9}, [0.5, 0.4]).reason.criterion == "patience"


# --- convergence -----------------------------------------------------------------------------------------------------


def test_expected_improvement_is_the_mean_of_what_is_gained():
    normal = statistics.NormalDist(0.2, 0.5)
    width = 1e-3
    points = [-4 + width * step for step in range(8000)]
    summed = sum(max(0, x - 0.6) * normal.pdf(x) * width for x in points)
    assert expected_improvement(0.2, 0.5, 0.6) == pytest.approx(summed, rel=1e-4)
    assert expected_improvement(0.0, 1.0, 0.0) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert expected_improvement(0.2, 0.0, 0.6) == 0
    assert expected_improvement(0.6, 0.0, 0.2) == pytest.approx(0.4)
    assert expected_improvement(0.0, 1.0, 30.0) >= 0  # no rounding below nothing


def test_gains_by_hand():
    # before the window 1.0; best 2.0; window 2.0, 1.0, 0.0: mean 1, deviation 1, z = -1
    gained, promised = observed_and_expected_gain([1.0, 2.0, 1.0, 0.0], 3)
    assert gained == pytest.approx(0.5)
    assert promised == pytest.approx(3 * (0.24197072 - 0.15865525) / 2, rel=1e-6)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_convergence_waits_for_its_window_and_for_its_runs(direction):
    def run(rule):
        values = [0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
        verdict = told({"convergence": rule}, values if direction == "maximize" else mirrored(values), direction).reason
        return verdict and verdict.run

    # the window must be gained nothing in: 0.9 at run 1 lies before it from run 4 on
    assert run({"window": 3, "min_runs": 1}) == 4
    assert run({"window": 3, "min_runs": 7}) == 6
    assert run({"window": 3, "min_runs": 9}) is None
    assert run({"window": 7, "min_runs": 1}) is None  # 0.8 to 0.9 is 11 %
    assert run({"window": 7, "min_runs": 1, "tolerance": 0.5}) == 7


def test_runs_that_scatter_around_the_best_promise_more():
    # window 0.7 0.9 0.5 0.9: nothing gained, but mean 0.75, deviation 0.191: four more promise 0.1 and not 0.01
    values = [0.9, 0.7, 0.9, 0.5, 0.9]
    assert told({"convergence": {"window": 4, "min_runs": 1}}, values).reason is None
    verdict = told({"convergence": {"window": 4, "min_runs": 1, "tolerance": 0.2}}, values).reason
    assert (verdict.run, verdict.threshold) == (4, 0.2)
    assert verdict.observed == pytest.approx(observed_and_expected_gain(values, 4)[1])


def test_convergence_looks_at_values_alone():
    values = [0.9, "failed", 0.9, "pruned", 0.9, NAN, 0.9]
    assert told({"convergence": {"window": 3, "min_runs": 1}}, values).reason.run == 6


def test_convergence_at_a_best_of_zero():
    assert told({"convergence": {"window": 2, "min_runs": 1}}, [0.0, 0.0, 0.0]).reason.run == 2
    assert told({"convergence": {"window": 2, "min_runs": 1}}, [-1.0, -0.1, 0.0]).reason is None


# --- several slots, repeats, resume ----------------------------------------------------------------------------------


def test_results_count_in_the_order_in_which_they_are_told_and_the_best_at_the_end_is_named():
    progress = StopMonitor(read_stop_rules({"patience": {"runs": 2}, "running": "finish"}))
    for number in range(4):
        progress.started(number)
    progress.ended(2, "completed", 0.5)
    progress.ended(0, "completed", 0.4)
    assert progress.may_start()
    progress.ended(3, "completed", 0.3)
    assert progress.reason.run == 3
    assert progress.running_at_stop == (1,)
    assert not progress.may_start()
    progress.ended(1, "completed", 0.9)  # it was let finish, and is the best
    assert progress.counters.best == 0.9
    assert progress.counters.not_improving == 0
    assert stop_record(progress)["explanation"].endswith("(patience.runs=2), best 0.9 at run 1")
    assert stop_record(progress)["best"] == {"value": 0.9, "run": 1}


def test_several_runs_of_one_configuration_count_once():
    progress = StopMonitor(read_stop_rules({"patience": {"runs": 2}, "target": 0.9}))
    for number in range(9):
        last = number % 3 == 2
        progress.ended(number, "completed", 0.5 if last else 0.95, counts=last)
    assert progress.reason.criterion == "patience"
    assert progress.reason.run == 8
    assert progress.counters.counts["completed"] == 9
    assert progress.counters.best == 0.5


def test_stop_json():
    progress = told({"max_runs": 9, "patience": {"runs": 2}}, [0.5, "failed", "pruned"])
    progress.started(3)
    progress.started(4)
    progress.reused()
    progress.clock(12.5)
    progress.ended(4, "completed", 0.25, 2.0)
    progress.ended(3, "stopped", None, 1.0)
    assert json.loads(json.dumps(stop_record(progress), allow_nan=False)) == {
        "criterion": "patience",
        "observed": 2,
        "threshold": 2,
        "run": 4,
        "explanation": "stopped after run 4: no improvement in 2 runs (patience.runs=2), best 0.5 at run 0",
        "running_then": [3],
        "counters": {
            "started": 5, "completed": 2, "pruned": 1, "failed": 1, "interrupted": 0, "stopped": 1, "reused": 1,
        },
        "not_improving": 2,
        "best": {"value": 0.5, "run": 0},
        "seconds": 12.5,
        "run_seconds": 3.0,
    }  # fmt: skip


def test_stop_json_without_a_verdict():
    record = stop_record(StopMonitor(StopCriteria()))
    assert record["criterion"] is None
    assert record["best"] is None


states = st.sampled_from(["completed", "completed", "completed", "pruned", "failed", "interrupted", "stopped"])
results = st.none() | st.floats(width=16) | st.sampled_from([0.0, 0.5, 0.9, 1.0])
rules = st.builds(
    StopCriteria,
    max_runs=st.none() | st.integers(1, 12),
    max_seconds=st.none() | st.integers(1, 60),
    target=st.none() | st.just(0.9),
    patience=st.builds(
        SweepPatience, st.none() | st.integers(1, 4), st.sampled_from([0.0, 0.1]), warmup=st.integers(0, 3)
    ),
    convergence=st.builds(Convergence, st.none() | st.integers(2, 4), min_runs=st.integers(1, 6)),
    failures=st.builds(Failures, st.none() | st.integers(1, 3), st.none() | st.just(0.5)),
)
steps = st.lists(st.tuples(st.booleans(), st.integers(0, 3), states, results), max_size=40)


def calls(rules, steps):
    """Return what a loop of four slots would tell, as (method, arguments) pairs, and the progress after each."""
    progress, running, number = StopMonitor(rules), [], 0
    for seconds, (start, which, state, value) in enumerate(steps):
        if start and len(running) < 4 and progress.may_start():
            call = ("started", number)
            running.append(number)
            number += 1
        elif running:
            call = ("ended", running.pop(which % len(running)), state, value, 1.0)
        else:
            call = ("clock", float(seconds))
        getattr(progress, call[0])(*call[1:])
        yield call, progress


@given(rules, steps)
def test_never_more_runs_start_than_may_and_a_verdict_stays(rules, steps):
    seen = None
    for call, progress in calls(rules, steps):
        assert rules.max_runs is None or progress.counters.counts["started"] <= rules.max_runs
        assert seen is None or call[0] != "started"
        assert seen is None or progress.reason is seen
        seen = progress.reason
        assert seen is None or not progress.may_start()


@given(rules, steps)
def test_told_the_same_again_it_is_where_it_was(rules, steps):
    again = StopMonitor(rules)
    for call, progress in calls(rules, steps):
        getattr(again, call[0])(*call[1:])
        assert stop_record(again) == stop_record(progress)
        assert again.may_start() == progress.may_start()


@given(steps)
def test_every_run_is_in_exactly_one_state(steps):
    for _, progress in calls(StopCriteria(), steps):
        counters = progress.counters.counts
        ended = sum(counters[state] for state in ("completed", "pruned", "failed", "interrupted", "stopped"))
        assert counters["started"] == ended + len(progress.counters.running)


@given(rules, st.lists(results, max_size=30))
def test_maximize_and_minimize_mirror_each_other(rules, values):
    rules = replace(rules, target=None)
    up, down = StopMonitor(rules, "maximize"), StopMonitor(rules, "minimize")
    for number, value in enumerate(values):
        up.ended(number, "completed", value)
        down.ended(number, "completed", None if value is None else -value)
        first, second = up.reason, down.reason
        assert (first and (first.criterion, first.run)) == (second and (second.criterion, second.run))
        assert up.counters.not_improving == down.counters.not_improving
