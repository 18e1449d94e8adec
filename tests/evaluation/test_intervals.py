"""Bootstrap intervals of the test metrics."""

import json

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.evaluation.evaluate import metric_intervals
from runtree.statistics.bootstrap import bootstrap


@pytest.fixture
def context(folder):
    return scored(folder, "algorithm=naive_bayes", table=people())


def test_each_test_metric_lies_within_its_interval(context):
    found = metric_intervals(context)
    assert (found["level"], found["resamples"], found["drawn"]) == (0.95, 2000, "rows")
    assert set(found["test"]) == set(context.run.metrics["test"])
    for name, own in found["test"].items():
        assert own["value"] == pytest.approx(context.run.metrics["test"][name])
        assert own["low"] < own["value"] < own["high"]


def test_intervals_are_deterministic(context):
    assert json.dumps(metric_intervals(context)) == json.dumps(metric_intervals(context))


def test_level_and_resamples_are_options(folder):
    context = scored(folder, "algorithm=ridge", "data=diabetes", "evaluator.intervals={level: 0.5, resamples: 300}")
    wide = bootstrap(context.predictions["test"], context.metrics, 300, 0.5, context.run.seed)
    assert metric_intervals(context)["test"]["rmse"] == wide["rmse"].to_dict()


def test_0_resamples_skip_intervals(folder):
    assert (
        metric_intervals(scored(folder, "algorithm=ridge", "data=diabetes", "evaluator.intervals.resamples=0")) is None
    )


def test_groups_are_resampled_if_the_table_is_split_by_groups(folder):
    grouped = people().assign(who=np.arange(400) // 8)
    context = scored(folder, "algorithm=naive_bayes", "data.group=who", table=grouped)
    who = context.run.data.groups.iloc[context.rows["test"]].to_numpy()
    expected = bootstrap(context.predictions["test"], context.metrics, 2000, 0.95, context.run.seed, who)
    found = metric_intervals(context)
    assert found["drawn"] == "groups"
    assert found["test"] == {name: own.to_dict() for name, own in expected.items()}
