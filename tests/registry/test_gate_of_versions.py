"""The gate of a protected alias: cases worked out by hand."""

import json
import math
from contextlib import suppress

import pandas as pd
import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import ConfigError, GateError
from runtree.records.model_versions import find_model
from runtree.registry.gate import parse_requirement
from runtree.registry.store import Registry


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry", QuietHooks(), "anna")


def promote(registry, record):
    """Register, approve and promote; return the result of the gate as the log has it."""
    version = registry.register("churn", record, {})
    registry.decide("churn", str(version.number), "approve", "checked")
    with suppress(GateError):
        registry.move_alias("churn", str(version.number), "champion")
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
