"""How a model serves groups of rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.contract.errors import ConfigError, MissingError
from runtree.contract.predictions import Predictions
from runtree.evaluation.fairness import gap_interval, measure_fairness, resample_groups
from runtree.statistics.metrics import BUILTIN

CATALOGUE = {metric.name: metric for metric in BUILTIN}


@pytest.fixture
def frame():
    return pytest.importorskip("fairlearn.metrics", reason="fairness needs the extra fairness").MetricFrame


def of(found, metric, kind="difference"):
    return next(gap for gap in found["gaps"] if (gap["metric"], gap["kind"]) == (metric, kind))


def test_figures_equal_fairlearns(frame, folder):
    import fairlearn.metrics as fm

    context = scored(folder, "algorithm=logistic", "evaluator.fairness.columns=[sex]", table=people(900))
    [found] = measure_fairness(context)
    test = context.run.predictions.query("part == 'test'")
    sex = people(900)["sex"].iloc[test["row"]].to_numpy()
    names = ("selection_rate", "true_positive_rate", "false_positive_rate")
    functions = {name: getattr(fm, name) for name in names}
    expected = frame(
        metrics=functions, y_true=test["y_true"] == "yes", y_pred=test["y_pred"] == "yes", sensitive_features=sex
    )
    assert found["column"] == "sex"
    for group in found["groups"]:
        assert group["rows"] == (sex == group["group"]).sum()
        for name in names:
            assert group[name] == pytest.approx(expected.by_group.loc[group["group"], name])
    for name in names:
        assert of(found, name)["value"] == pytest.approx(expected.difference()[name])
        assert of(found, name, "ratio")["value"] == pytest.approx(expected.ratio()[name])
        gap = of(found, name)
        assert gap["low"] <= gap["value"] <= gap["high"]
    assert found["passed"] is None
    json.dumps(found)


def test_a_regression_is_compared_by_its_error(frame, folder):
    context = scored(folder, "data=diabetes", "algorithm=ridge", "evaluator.fairness.columns=[sex]")
    [found] = measure_fairness(context)
    test = context.run.predictions.query("part == 'test'")
    sex = context.run.data.features["sex"].iloc[test["row"]].to_numpy()
    own = (test["y_true"] - test["y_pred"]).abs().groupby(sex).mean()
    assert sorted(group["mae"] for group in found["groups"]) == pytest.approx(sorted(own))
    assert of(found, "mae")["value"] == pytest.approx(own.max() - own.min())


def test_any_metric_of_the_task_may_be_named(frame, folder):
    more = ["evaluator.fairness.columns=[sex,town]", "evaluator.fairness.metrics=[roc_auc,f1]"]
    found = measure_fairness(scored(folder, "algorithm=logistic", *more, table=people(900)))
    assert [one["column"] for one in found] == ["sex", "town"]
    assert {gap["metric"] for gap in found[0]["gaps"]} == {"roc_auc", "f1"}
    assert 0.5 < found[0]["groups"][0]["roc_auc"] <= 1


def test_a_column_that_is_not_learnt_from_may_be_asked_for(frame, folder):
    more = ["data.drop=[sex]", "evaluator.fairness.columns=[sex]"]
    context = scored(folder, "algorithm=logistic", *more, table=people())
    assert "sex" not in context.run.data.features
    assert [group["group"] for group in measure_fairness(context)[0]["groups"]] == ["f", "m"]


def test_small_groups_are_marked_and_take_no_part_in_gaps(frame, folder):
    table = people().assign(kind=["rare" if row % 40 == 0 else "often" if row % 2 else "seldom" for row in range(400)])
    more = ["evaluator.fairness.columns=[kind]", "evaluator.fairness.max_gap=1"]
    [found] = measure_fairness(scored(folder, "algorithm=logistic", *more, table=table))
    assert {group["group"]: group["small"] for group in found["groups"]} == {
        "often": False,
        "rare": True,
        "seldom": False,
    }
    assert all("rare" not in (gap["least"], gap["most"]) for gap in found["gaps"])


@pytest.mark.parametrize(("allowed", "passed"), [(0.0, False), (1.0, True)])
def test_a_gap_may_be_no_wider_than_allowed(frame, folder, allowed, passed):
    more = ["evaluator.fairness.columns=[sex]", f"evaluator.fairness.max_gap={allowed}"]
    [found] = measure_fairness(scored(folder, "algorithm=logistic", *more, table=people()))
    assert found["passed"] is passed
    assert ("allowed 0" in found["explanation"]) is not passed


def test_where_no_two_groups_can_be_compared_the_gate_is_shut(frame, folder):
    more = ["evaluator.fairness.columns=[same]", "evaluator.fairness.max_gap=0.5"]
    [found] = measure_fairness(scored(folder, "algorithm=logistic", *more, table=people().assign(same="x")))
    assert (found["passed"], found["gaps"]) == (False, [])


@pytest.mark.slow
def test_limits_of_a_gap_hold_the_true_one():
    """Two groups with true rates 0.3 and 0.6: the limits hold 0.3 about 19 times out of 20."""
    dice, held, rounds = np.random.default_rng(0), 0, 400
    rows = {"a": np.arange(150), "b": np.arange(150, 300)}
    for seed in range(rounds):
        predicted = (dice.random(300) < np.repeat([0.3, 0.6], 150)).astype(int)
        answers = Predictions(np.zeros(300, dtype=int), predicted, None, ("no", "yes"))
        drawn = resample_groups(answers, rows, "selection_rate", CATALOGUE, 500, seed)
        low, high = gap_interval(drawn, "difference", 0.95)
        held += low <= 0.3 <= high
    assert 0.92 <= held / rounds <= 0.975


def test_rates_on_resamples_are_spread_as_the_binomial(frame):
    answers = Predictions(np.repeat([1, 0], 200), np.tile([1, 0, 0, 0], 100), None, ("no", "yes"))
    drawn = resample_groups(answers, {"all": np.arange(400)}, "true_positive_rate", CATALOGUE, 20_000, 0)[0]
    assert drawn.mean() == pytest.approx(0.25, abs=0.002)
    assert drawn.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 200), rel=0.05)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("columns=[sx]", "did you mean: sex"),
        ("columns=[y]", "its classes are not groups"),
        ("metrics=[selection_rat]", "did you mean: selection_rate"),
        ("metrics=rmse", "unknown classification metric at evaluator.fairness.metrics"),
        ("max_gap=-0.1", "must not be negative"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_the_fit(frame, folder, asked, says):
    typed = ["evaluator.fairness.columns=[sex]", f"evaluator.fairness.{asked}"]
    with pytest.raises(ConfigError, match=r"evaluator\.fairness") as caught:
        scored(folder, "algorithm=dummy", *typed, table=people())
    assert says in str(caught.value)


def test_without_fairlearn_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setattr("runtree.evaluation.fairness.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"runtree\[fairness\]"):
        scored(folder, "algorithm=dummy", "evaluator.fairness.columns=[sex]", table=people())


def test_none_is_asked_for(folder):
    context = scored(folder, "algorithm=dummy", table=people())
    assert measure_fairness(context) is None
    assert measure_fairness(replace(context)) is None
