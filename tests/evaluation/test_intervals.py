"""How sure each metric of the test part is."""

import json

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.evaluation.evaluate import metric_intervals
from runtree.statistics.bootstrap import bootstrap


@pytest.fixture
def context(folder):
    return scored(folder, "algorithm=naive_bayes", table=people())


def test_each_test_metric_has_its_value_between_its_limits(context):
    found = metric_intervals(context)
    assert (found["level"], found["resamples"], found["drawn"]) == (0.95, 2000, "rows")
    assert set(found["test"]) == set(context.run.metrics["test"])
    for name, own in found["test"].items():
        assert own["value"] == pytest.approx(context.run.metrics["test"][name])
        assert own["low"] < own["value"] < own["high"]


def test_they_are_the_same_each_time(context):
    assert json.dumps(metric_intervals(context)) == json.dumps(metric_intervals(context))


def test_level_and_resamples_are_as_asked(folder):
    context = scored(folder, "algorithm=ridge", "data=diabetes", "evaluator.intervals={level: 0.5, resamples: 300}")
    wide = bootstrap(context.predictions["test"], context.metrics, 300, 0.5, context.run.seed)
    assert metric_intervals(context)["test"]["rmse"] == wide["rmse"].plain()


def test_none_where_none_are_asked_for(folder):
    assert (
        metric_intervals(scored(folder, "algorithm=ridge", "data=diabetes", "evaluator.intervals.resamples=0")) is None
    )


def test_groups_are_drawn_whole_where_the_table_is_split_by_them(folder):
    grouped = people().assign(who=np.arange(400) // 8)
    context = scored(folder, "algorithm=naive_bayes", "data.group=who", table=grouped)
    who = context.run.data.groups.iloc[context.rows["test"]].to_numpy()
    expected = bootstrap(context.predictions["test"], context.metrics, 2000, 0.95, context.run.seed, who)
    found = metric_intervals(context)
    assert found["drawn"] == "groups"
    assert found["test"] == {name: own.plain() for name, own in expected.items()}


def test_a_group_column_that_does_not_split_is_no_matter(folder):
    grouped = people().assign(who=np.arange(400) // 8)
    context = scored(folder, "algorithm=naive_bayes", "data.group=who", "data.split=random", table=grouped)
    assert metric_intervals(context)["drawn"] == "rows"
