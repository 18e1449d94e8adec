"""What the runs of a sweep say about the search, from sweeps whose truth is known."""

import json
import random

import pytest

from runtree.config.space.domains import parse_domain
from runtree.contract.search import Choice, Dimension, Interval
from runtree.records.layout import SweepFolder
from runtree.sweeps.advice import advise
from runtree.sweeps.advice.search import (
    FinishedSweep,
    best_at_edge,
    budget_too_large,
    budget_too_small,
    last_improvement,
    many_failures,
    position,
    ties,
    widened,
)
from runtree.sweeps.advice.winner import Rechecked, compare_with_folds, compare_with_test, optimism
from runtree.sweeps.results import Objectives
from runtree.sweeps.state import SweepState

C = Dimension("algorithm.C", Interval(0.01, 100.0, scale="log"))


def sweep(
    tmp_path, runs, *, metric="f1", direction="maximize", space=(C,), criterion="max_runs", threshold=None, startup=0
):
    """Return the facts of a sweep whose runs are (values, objective or an error)."""
    book = SweepState()
    for number, (values, value) in enumerate(runs):
        failed = isinstance(value, str)
        book.apply({
            "event": "ended", "run": number, "family": "a", "trial": number, "repeat": 0, "of": 1, "values": values,
            "same": str(number), "state": "failed" if failed else "completed",
            "objectives": None if failed else [value], "error": {"message": value} if failed else None,
        })  # fmt: skip
    stop = {"criterion": criterion, "threshold": threshold}
    folder = SweepFolder(tmp_path / "20260101-000000-sweep")
    return FinishedSweep(book, Objectives(((metric, direction),)), {"a": space}, stop, folder, startup)


def rising(count):
    """Return runs whose best lies at the high end: the more, the better."""
    drawn = random.Random(0)
    places = [10 ** drawn.uniform(-2, 2) for _ in range(count)]
    return [({"algorithm.C": place}, place) for place in (*places, 99.9, 98.0, 97.0)]


def test_the_best_at_the_end_of_a_range_is_told_with_a_wider_one(tmp_path):
    [found] = best_at_edge(sweep(tmp_path, rising(30)))
    assert "99.9, at the high end" in found.says
    assert "algorithm.C=tag(log, interval(0.01, 10000.0))" in found.advice
    text = found.advice.split("algorithm.C=")[1].split("'")[0]
    assert parse_domain("algorithm.C", text)[0] == Interval(0.01, 10000.0, scale="log")


def test_with_the_other_direction_it_is_the_other_end(tmp_path):
    runs = [
        *rising(30),
        ({"algorithm.C": 0.0101}, 0.0101),
        ({"algorithm.C": 0.011}, 0.011),
        ({"algorithm.C": 0.012}, 0.012),
    ]
    [found] = best_at_edge(sweep(tmp_path, runs, metric="rmse", direction="minimize"))
    assert found.values["end"] == "low"


def test_a_best_amid_the_range_is_no_edge(tmp_path):
    runs = [({"algorithm.C": 10 ** (place / 10)}, -abs(place)) for place in range(-19, 20)]
    assert list(best_at_edge(sweep(tmp_path, runs))) == []


def test_one_lucky_run_at_the_edge_is_no_edge(tmp_path):
    runs = [({"algorithm.C": 10 ** (place / 20)}, -abs(place)) for place in range(-39, 40)]
    assert list(best_at_edge(sweep(tmp_path, [*runs, ({"algorithm.C": 100.0}, 1.0)]))) == []


def test_few_runs_tell_nothing(tmp_path):
    assert list(best_at_edge(sweep(tmp_path, rising(30)[-5:]))) == []


@pytest.mark.parametrize(
    ("domain", "value"), [(Interval(0.1, 1.0), 1.0), (Interval(0.0, 5.0), 0.0), (Interval(1, 9, True), 1)]
)
def test_beyond_a_natural_end_there_is_nothing(tmp_path, domain, value):
    runs = [({"x": value}, 1.0)] * 5 + [({"x": domain.low * 0.4 + domain.high * 0.6}, 0.0)] * 20
    assert list(best_at_edge(sweep(tmp_path, runs, space=(Dimension("x", domain),)))) == []


def test_choices_have_no_end(tmp_path):
    runs = [({"x": value}, float(value)) for value in range(5)] * 4
    assert list(best_at_edge(sweep(tmp_path, runs, space=(Dimension("x", Choice((0, 1, 2, 3, 4))),)))) == []


@pytest.mark.parametrize(
    ("domain", "end", "expected"),
    [
        (Interval(1e-4, 1.0, scale="log"), "low", Interval(1e-6, 1.0, scale="log")),
        (Interval(2, 12, True), "high", Interval(2, 17, True)),
        (Interval(2, 12, True), "low", Interval(1, 12, True)),
        (Interval(0.5, 0.99, scale="reverse_log"), "high", Interval(0.5, 1 - 0.0014, scale="reverse_log")),
        (Interval(0.0, 1.0, step=0.25), "high", Interval(0.0, 1.5, step=0.25)),
        (Interval(-1.0, 1.0), "low", Interval(-2.0, 1.0)),
        (Interval(1.0, 11.0), "low", Interval(0.5, 11.0)),
    ],
)
def test_a_range_goes_on_on_its_own_scale(domain, end, expected):
    assert widened(domain, end) == expected


def test_a_position_is_on_the_ranges_own_scale():
    assert position(Interval(0.01, 100.0, scale="log"), 1.0) == pytest.approx(0.5)
    assert position(Interval(0.0, 0.99, scale="reverse_log"), 0.9) == pytest.approx(0.5)
    assert position(Interval(10, 20, True), 15) == 0.5


def values(*found):
    return [({"algorithm.C": 1.0}, value) for value in found]


def test_a_budget_that_ended_while_the_best_rose(tmp_path):
    facts = sweep(tmp_path, values(*[0.5] * 18, 0.7, 0.6))
    assert last_improvement(facts) == (19, 0.5)
    [found] = budget_too_small(facts)
    assert found.level == "warning"
    assert "run 19 of 20 improved the best from 0.5 to 0.7" in found.says
    assert "runtree resume 20260101-000000-sweep tuner.stop.max_runs=40 --outputs " in found.advice


def test_patience_has_seen_to_it(tmp_path):
    assert list(budget_too_small(sweep(tmp_path, values(*[0.5] * 18, 0.7, 0.6), criterion="patience"))) == []


def test_seconds_are_doubled_where_seconds_ended_it(tmp_path):
    [found] = budget_too_small(sweep(tmp_path, values(*[0.5] * 19, 0.7), criterion="max_seconds", threshold=30))
    assert "tuner.stop.max_seconds=60 --outputs " in found.advice


def test_a_tuner_that_never_came_to_learn(tmp_path):
    [found] = budget_too_small(sweep(tmp_path, values(*[0.5] * 10), startup=10))
    assert "drawn at random" in found.says


def test_a_budget_of_which_most_came_to_nothing(tmp_path):
    [found] = budget_too_large(sweep(tmp_path, values(0.1, 0.9, *[0.5] * 58)))
    assert "run 2 of 60" in found.says
    assert list(budget_too_large(sweep(tmp_path, values(*[0.5] * 58, 0.9)))) == []


def test_runs_that_fail_are_told_with_the_commonest_reason(tmp_path):
    [found] = many_failures(sweep(tmp_path, [*values(*[0.5] * 6), *values("no memory", "no memory", "else")]))
    assert "3 of 9 runs failed, 2 of them with: no memory" in found.says
    assert list(many_failures(sweep(tmp_path, [*values(*[0.5] * 20), *values("no memory")]))) == []


def test_ties_are_told(tmp_path):
    [found] = ties(sweep(tmp_path, values(*[0.9] * 3, *[0.5] * 9)))
    assert found.values == {"tied": 3, "value": 0.9}
    assert list(ties(sweep(tmp_path, values(0.91, *[0.9] * 9, 0.5)))) == []


def kept(tmp_path, validation, test, low, high):
    facts = sweep(tmp_path, values(validation, 0.1))
    facts.state.apply({"event": "kept", "run": 0, "metrics": {"test": {"f1": test}}})
    run = facts.folder.run(0)
    run.path.mkdir(parents=True)
    run.evaluation.write_text(json.dumps({"intervals": {"test": {"f1": {"value": test, "low": low, "high": high}}}}))
    return facts


def test_a_winner_whose_promise_the_test_part_does_not_bear_out(tmp_path):
    facts = kept(tmp_path, 0.95, 0.8, 0.72, 0.88)
    found = optimism(facts, [])
    assert (found["validation"], found["test"], found["low"], found["high"]) == (0.95, 0.8, 0.72, 0.88)
    [told] = compare_with_test(facts, found)
    assert "validation f1 0.95, test 0.8 [0.72, 0.88]" in told.says


def test_a_winner_within_the_interval_is_believed(tmp_path):
    facts = kept(tmp_path, 0.85, 0.8, 0.72, 0.88)
    assert list(compare_with_test(facts, optimism(facts, []))) == []


def test_folds_bear_a_winner_out_or_not(tmp_path):
    facts = sweep(tmp_path, values(0.9, 0.89))
    good, other = Rechecked(0, 0.9, 0.895, 0.02, 5), Rechecked(1, 0.89, 0.89, 0.02, 5)
    [found] = compare_with_folds(facts, optimism(facts, [good, other]))
    assert found.level == "good"
    [found] = compare_with_folds(facts, optimism(facts, [Rechecked(0, 0.9, 0.8, 0.02, 5), other]))
    assert found.level == "warning"
    assert "rerun 20260101-000000-sweep/0001" in found.advice
    [found] = compare_with_folds(facts, optimism(facts, [Rechecked(0, 0.9, 0.8, 0.02, 5)]))
    assert (found.level, round(found.values["loss"], 9)) == ("note", 0.1)


def test_the_weightiest_comes_first(tmp_path):
    found = advise(sweep(tmp_path, [*rising(30), *values(*["no memory"] * 10)]))["findings"]
    assert [one["level"] for one in found] == sorted(
        (one["level"] for one in found), key=["warning", "note", "good"].index
    )
    assert {one["name"] for one in found} >= {"search edge", "failures"}
