"""By how much one set of answers is better than another."""

from dataclasses import replace

import numpy as np
import pytest
from scored_runs import people, scored

from runtree.lifecycle.examination.gain import gain, said, tied
from runtree.statistics.bootstrap import bootstrap_difference


@pytest.fixture
def grouped(folder):
    return scored(folder, "algorithm=naive_bayes", "data.group=who", table=people().assign(who=np.arange(400) // 8))


def test_rows_of_a_group_are_drawn_together(grouped):
    own, run = grouped.answers["test"], grouped.run
    other = replace(own, y_pred=np.roll(own.y_pred, 1))
    groups = run.data.groups.iloc[grouped.rows["test"]].to_numpy()
    expected = bootstrap_difference(own, other, grouped.metric, 2000, 0.95, run.seed, groups)
    found = gain(grouped, other)
    assert (found["value"], found["low"], found["high"]) == (expected.value, expected.low, expected.high)
    assert len(set(groups)) < len(groups)


def test_the_gain_over_itself_is_none(grouped):
    found = gain(grouped, grouped.answers["test"])
    assert (found["value"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)
    assert tied(found)
    assert said(found) == "+0 [0, 0]"


def test_a_gain_in_a_loss_is_a_fall(folder):
    subject = scored(folder, "algorithm=ridge", "data=diabetes")
    own = subject.answers["test"]
    worse = replace(own, y_pred=own.y_pred + 100)
    found = gain(subject, worse)
    assert 0 < found["low"] <= found["value"] <= found["high"]
    assert gain(replace(subject, direction="maximize"), worse)["value"] == -found["value"]
