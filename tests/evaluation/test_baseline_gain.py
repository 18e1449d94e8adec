"""The gain of one set of predictions over another."""

from dataclasses import replace

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.evaluation.baseline_gain import compare_on_test, format_gain, is_tie
from runtree.statistics.bootstrap import bootstrap_difference


@pytest.fixture
def grouped(folder):
    return scored(folder, "algorithm=naive_bayes", "data.group=who", table=people().assign(who=np.arange(400) // 8))


def test_groups_are_resampled_as_a_whole(grouped):
    own, run = grouped.predictions["test"], grouped.run
    other = replace(own, y_pred=np.roll(own.y_pred, 1))
    groups = run.data.groups.iloc[grouped.rows["test"]].to_numpy()
    expected = bootstrap_difference(own, other, grouped.metric, 2000, 0.95, run.seed, groups)
    found = compare_on_test(grouped, other)
    assert (found["value"], found["low"], found["high"]) == (expected.value, expected.low, expected.high)
    assert len(set(groups)) < len(groups)


def test_the_gain_over_itself_is_0(grouped):
    found = compare_on_test(grouped, grouped.predictions["test"])
    assert (found["value"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)
    assert is_tie(found)
    assert format_gain(found) == "+0 [0, 0]"


def test_the_gain_in_a_loss_is_positive_if_it_falls(folder):
    context = scored(folder, "algorithm=ridge", "data=diabetes")
    own = context.predictions["test"]
    worse = replace(own, y_pred=own.y_pred + 100)
    found = compare_on_test(context, worse)
    assert 0 < found["low"] <= found["value"] <= found["high"]
    assert compare_on_test(replace(context, direction="maximize"), worse)["value"] == -found["value"]
