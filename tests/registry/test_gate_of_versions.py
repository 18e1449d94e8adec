"""The gate of a protected alias: cases worked out by hand."""

import json
import math
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import ConfigError, GateError
from runtree.contract.predictions import Predictions
from runtree.records.model_versions import find_model
from runtree.registry.figures import GateRows, ScoredRows
from runtree.registry.gate import parse_requirement
from runtree.registry.store import Registry


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry", QuietHooks(), "anna")


def promote(registry, record, rows=None):
    """Register, approve and promote; return the result of the gate as the log has it."""
    version = registry.register("churn", record, {})
    registry.decide("churn", str(version.number), "approve", "checked")
    with suppress(GateError):
        registry.move_alias("churn", str(version.number), "champion", rows=rows)
    return [entry["gate"] for entry in find_model(registry.root, "churn").entries if entry["act"] == "gate"][-1]


def test_the_first_champion_has_nobody_to_beat(registry, tmp_path):
    assert promote(registry, write_run(tmp_path / "r1"))["explanation"] == "no condition is set"


def test_one_that_is_worse_beyond_chance_stays_out(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1", right=48))
    gate = promote(registry, write_run(tmp_path / "r2", right=24))
    assert not gate["passed"]
    assert gate["change"]["value"] == pytest.approx(-24 / 50)
    assert gate["change"]["high"] < 0
    assert find_model(registry.root, "churn").aliases == {"champion": 1}


def test_one_that_is_a_little_worse_by_chance_may_replace_it(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1", right=48))
    gate = promote(registry, write_run(tmp_path / "r2", right=47))
    assert gate["passed"]
    assert gate["change"]["rows"] == "the 50 test rows of both"


@pytest.mark.parametrize(
    ("right", "bound", "passed"),
    [
        (45, "change >= 0.1", True),
        (44, "change >= 0.1", False),
        (45, "change.relative >= 0.125", True),
        (44, "change.relative >= 0.125", False),
        (44, "test.accuracy >= 0.88", True),
        (44, "test.accuracy > 0.88", False),
        (44, "fit_seconds < 1", True),
        (44, "size_mb < 0.001", True),
        (44, "size_mb < 0.00001", False),
    ],
)
def test_a_bound_is_met_or_not_at_its_limit(registry, tmp_path, right, bound, passed):
    promote(registry, write_run(tmp_path / "r1", right=40))
    registry.set_policy("churn", {"require": [bound]})
    gate = promote(registry, write_run(tmp_path / "r2", right=right))
    assert gate["passed"] is passed
    assert gate["conditions"][0]["condition"] == bound


def test_a_gain_over_a_score_of_zero_is_relative_to_nothing(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1", right=0))
    registry.set_policy("churn", {"require": ["change.relative >= 0.5"]})
    gate = promote(registry, write_run(tmp_path / "r2", right=1))
    assert gate["passed"]
    assert math.isclose(gate["change"]["value"], 1 / 50)


@pytest.mark.parametrize(("bound", "passed"), [("change.relative >= 0.5", True), ("change.relative > 0.5", False)])
def test_a_gain_over_a_negative_score_is_a_share_of_its_size(registry, tmp_path, bound, passed):
    def write(name, errors):
        record = write_run(tmp_path / name, objective={"metric": "r2", "direction": "maximize"}, task="regression")
        table = {"row": range(4), "part": "test", "y_true": [0.0, 1.0, 0.0, 1.0], "y_pred": errors}
        pd.DataFrame(table).to_parquet(record.folder / "predictions.parquet")
        (record.folder / "data.json").write_text(json.dumps({"target": {"name": "y"}}))
        return record

    promote(registry, write("r1", [1.5, 0.5, 0.5, -0.5]))  # squared errors 5, of 1: r2 is -4
    registry.set_policy("churn", {"require": [bound]})
    gate = promote(registry, write("r2", [1.0, 0.0, 1.0, 1.0]))  # 3 of 1: r2 is -2
    assert gate["change"]["value"] == pytest.approx(2) and gate["change"]["relative"] == pytest.approx(0.5)
    assert gate["passed"] is passed


def test_a_metric_to_minimize_gains_when_it_falls(registry, tmp_path):
    facts = {"objective": {"metric": "accuracy", "direction": "minimize", "part": "validation"}}
    promote(registry, write_run(tmp_path / "r1", right=40, **facts))
    gate = promote(registry, write_run(tmp_path / "r2", right=30, **facts))
    assert gate["change"]["value"] == pytest.approx(0.2)
    assert gate["change"]["low"] <= gate["change"]["value"] <= gate["change"]["high"]


def test_a_figure_that_is_not_known_is_not_met_and_says_why(registry, tmp_path):
    registry.register("churn", write_run(tmp_path / "r0"), {})
    registry.set_policy("churn", {"require": ["fairness_gap < 0.1", "test.f1 > 0"]})
    gate = promote(registry, write_run(tmp_path / "r1"))
    assert "evaluator.fairness.columns" in gate["explanation"]
    assert "the run was not scored by it" in gate["explanation"]


def test_versions_that_were_scored_on_other_rows_are_not_compared(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1"))
    gate = promote(registry, write_run(tmp_path / "r2", fingerprints={"data": "d2", "split": "s1"}))
    assert not gate["passed"]
    assert "--data FILE" in gate["explanation"]


@pytest.mark.parametrize("text", ["test.f1", "f1 > 2", "change.lower > 0", "test.f1 > 0 and change > 0", "1 > 2"])
def test_what_is_no_bound_is_refused_when_the_policy_is_set(text):
    with pytest.raises(ConfigError, match=r"policy\.require"):
        parse_requirement(text)


def test_the_gap_between_groups_is_bounded_and_told_in_the_card(registry, tmp_path):
    record = write_run(tmp_path / "r1")
    gaps = [("accuracy", "difference", 0.2), ("selection_rate", "difference", 0.05), ("accuracy", "ratio", 0.7)]
    measured = [{"metric": metric, "kind": kind, "value": value} for metric, kind, value in gaps]
    evaluation = {"fairness": [{"column": "sex", "gaps": measured}, {"column": "age", "groups": []}]}
    (record.folder / "evaluation.json").write_text(json.dumps(evaluation))
    registry.register("churn", write_run(tmp_path / "r0"), {})
    registry.set_policy("churn", {"require": ["fairness_gap < 0.15"]})
    gate = promote(registry, record)
    assert gate["conditions"][0]["value"] == 0.2 and not gate["passed"]
    card = (registry.root / "churn/versions/2/card.md").read_text()
    assert "gaps between groups of sex: accuracy 0.2000, selection_rate 0.0500" in card


def test_rows_of_a_group_are_not_taken_for_independent_ones(registry, tmp_path):
    def write(name, right, groups):
        record = write_run(tmp_path / name, right=right)
        file = record.folder / "predictions.parquet"
        pd.read_parquet(file).assign(group=[row // (50 // groups) for row in range(50)]).to_parquet(file)
        return record

    promote(registry, write("r1", 40, 25))
    change = promote(registry, write("r2", 48, 25))["change"]
    assert "McNemar" not in change["method"] and change["value"] == pytest.approx(0.16)
    independent = promote(registry, write_run(tmp_path / "r3", right=40))["change"]
    assert "McNemar" in independent["method"]
    assert change["low"] < change["value"] < change["high"]


def scored(right, others, name="the old rows"):
    """Return what scores a version, and the one before it: so many of 50 rows right."""

    def predictions(count):
        y_true = np.array([0, 1] * 25)
        return Predictions(y_true, np.where(np.arange(50) < count, y_true, 1 - y_true), None, ("no", "yes"))

    def score(version, other):
        old = (other.number, predictions(others)) if other else (None, None)
        return ScoredRows(version.number, old[0], predictions(right), old[1], name)

    return score


def never(*_):
    raise AssertionError("these rows are not asked for")


def other_table(folder, number, **facts):
    return write_run(folder / f"r{number}", fingerprints={"data": f"d{number}", "split": f"s{number}"}, **facts)


def test_a_version_of_another_table_is_compared_on_the_rows_that_the_present_one_had_held_out(registry, tmp_path):
    def unnamed(*_):
        return None

    promote(registry, other_table(tmp_path, 1))
    gate = promote(registry, other_table(tmp_path, 2), GateRows(unnamed, scored(30, 45)))
    assert (gate["passed"], gate["change"]["rows"]) == (False, "the old rows")
    gate = promote(registry, other_table(tmp_path, 3), GateRows(unnamed, lambda *_: "it has changed"))
    assert "scored on other data; it has changed; name labelled rows: --data FILE" in gate["explanation"]
    assert promote(registry, other_table(tmp_path, 4), GateRows(unnamed, scored(44, 45)))["passed"]


@pytest.mark.parametrize(("old", "passed"), [((44, 45), True), ((30, 45), False)])
def test_not_worse_on_the_old_rows_may_be_asked_beside_a_gain_on_the_new_ones(registry, tmp_path, old, passed):
    promote(registry, other_table(tmp_path, 1))
    registry.set_policy("churn", {"require": ["change.low > 0", "held_out.high >= 0"]})
    gate = promote(registry, other_table(tmp_path, 2), GateRows(scored(48, 30, "the new rows"), scored(*old)))
    assert (gate["change"]["rows"], gate["held_out"]["rows"]) == ("the new rows", "the old rows")
    assert gate["change"]["low"] > 0 and gate["held_out"]["value"] == pytest.approx((old[0] - old[1]) / 50)
    assert gate["passed"] is passed


def test_of_one_table_the_held_out_rows_are_the_test_rows_of_both(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1", right=40))
    registry.set_policy("churn", {"require": ["held_out >= 0.1"]})
    gate = promote(registry, write_run(tmp_path / "r2", right=45), GateRows(lambda *_: None, never))
    assert gate["passed"] and gate["held_out"]["rows"] == "the 50 test rows of both"


def test_a_first_version_is_bounded_on_the_rows_that_were_named(registry, tmp_path):
    registry.register("churn", write_run(tmp_path / "r0"), {})
    registry.set_policy("churn", {"require": ["new.accuracy >= 0.8", "change > 0"]})
    rows = GateRows(scored(39, 0, "the new rows"), never)
    gate = promote(registry, write_run(tmp_path / "r1"), rows)
    assert gate["explanation"] == "new.accuracy is 0.78, required >= 0.8"
    assert gate["new"] == {"metric": "accuracy", "value": pytest.approx(0.78), "rows": "the new rows"}
    assert "--data FILE" in promote(registry, write_run(tmp_path / "r2"))["explanation"]
    assert promote(registry, write_run(tmp_path / "r3"), GateRows(scored(40, 0), never))["passed"]


def test_who_removes_the_alias_does_not_get_round_the_comparison(registry, tmp_path):
    promote(registry, write_run(tmp_path / "r1", right=48))
    registry.remove_alias("churn", "champion")
    gate = promote(registry, write_run(tmp_path / "r2", right=24))
    assert (gate["present"], gate["passed"]) == (1, False)
    registry.decide("churn", "1", "reject", "its target was wrong")  # there is nothing to be measured by
    gate = promote(registry, write_run(tmp_path / "r3", right=24))
    assert "present" not in gate and gate["passed"]
