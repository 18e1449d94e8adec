"""No figure that the rows do not determine is passed on: it is NaN, and there is a reason."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtree.contract.predictions import Predictions
from runtree.statistics.bootstrap import bootstrap, bootstrap_difference
from runtree.statistics.comparison import clip
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.paired_test import compare_predictions
from runtree.statistics.resampling import too_few_units

RESAMPLES = 50
METRICS = {task: [metric for metric in BUILTIN if task in metric.tasks] for task in ("classification", "regression")}


@st.composite
def degenerate(draw):
    """Return predictions of few rows, of rows of one class or one value, with NaN and infinity, right or constant."""
    rows, classes = draw(st.integers(1, 12)), draw(st.sampled_from([0, 2, 3]))
    dice = np.random.default_rng(draw(st.integers(0, 99)))
    true = dice.integers(0, draw(st.integers(1, 3)) if not classes else draw(st.integers(1, classes)), rows)
    broken = draw(st.sampled_from([None, math.nan, math.inf]))
    if not classes:
        said = draw(st.sampled_from([true * 1.0, np.zeros(rows), dice.normal(size=rows), np.full(rows, 1e200)])).copy()
        said[0] = said[0] if broken is None else broken
        return Predictions(true * 1.0, said, None, ())
    score = draw(st.sampled_from([np.eye(classes)[true], np.full((rows, classes), 1 / classes)])).copy()
    code = score.argmax(axis=1)
    score[0] = score[0] if broken is None else broken
    return Predictions(true, code, draw(st.sampled_from([score, None])), tuple("abc"[:classes]))


@settings(max_examples=150, deadline=None)
@example(Predictions(np.array([1.0, 2.0, 1.0, 2.0, 1.0]), np.full(5, 1e200), None, ()), None)
@given(degenerate(), st.sampled_from([None, 1, 2, 5]))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_figure_is_a_number_in_its_range_or_has_a_reason(answers, groups):
    task = "classification" if answers.classes else "regression"
    of = None if groups is None else np.arange(len(answers.y_true)) % groups
    found = bootstrap(answers, METRICS[task], RESAMPLES, 0.95, 0, of)
    for metric in METRICS[task]:
        value, limits = answers.values([metric]).get(metric.name, math.nan), found.get(metric.name)
        if not math.isfinite(value):
            assert answers.undefined_reason(metric)
        else:
            assert metric.bounds[0] - 1e-9 <= value <= metric.bounds[1] + 1e-9
        if limits is None:
            assert answers.score is None
        elif limits.known:
            assert not too_few_units(len(answers.y_true), of, 0.95) or metric.name == "accuracy"
            assert metric.bounds[0] - 1e-9 <= limits.low <= limits.high <= metric.bounds[1] + 1e-9
            # only what is the same on any rows is certain
            assert limits.low < limits.high or len(np.unique(answers.y_pred)) == 1
        else:
            assert limits.reason and math.isnan(limits.low) and math.isnan(limits.high)
            assert limits.to_dict()["reason"] == limits.reason


@settings(max_examples=100, deadline=None)
@given(degenerate(), st.sampled_from([0, RESAMPLES]))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_difference_without_a_value_is_told_with_its_reason(answers, resamples):
    task = "classification" if answers.classes else "regression"
    other = Predictions(answers.y_true, answers.y_true, None, answers.classes)
    for metric in METRICS[task]:
        found = compare_predictions(answers, other, metric, resamples, 0.95, 0)
        if not math.isfinite(answers.values([metric]).get(metric.name, math.nan)):
            assert math.isnan(found.value) and "is not defined" in found.note
        if math.isnan(found.p):
            assert math.isnan(found.low) and (found.note or not resamples)


def test_rows_of_one_group_have_no_interval_and_differ_from_nothing():
    true = np.arange(80) % 2
    said = np.where(np.arange(80) % 9 == 0, 1 - true, true)
    answers, other = (Predictions(true, own, None, ("a", "b")) for own in (said, np.roll(said, 1)))
    accuracy = METRICS["classification"][0]
    one = bootstrap(answers, [accuracy], 400, 0.95, 0, np.zeros(80))["accuracy"]
    assert (one.known, one.reason) == (False, "1 group is too few to resample")
    assert bootstrap_difference(answers, other, accuracy, 400, 0.95, 0, np.zeros(80)).note == one.reason
    assert bootstrap(answers, [accuracy], 400, 0.95, 0, np.arange(80) % 20)["accuracy"].known


@pytest.mark.parametrize(
    ("units", "level", "enough"), [(1, 0.5, False), (4, 0.95, False), (5, 0.95, True), (5, 0.99, False)]
)
def test_as_many_units_as_have_resamples_for_the_tails(units, level, enough):
    """C(2n - 1, n) different resamples: 35 of 4 units, 126 of 5; an interval at 95 % needs 40, at 99 % 200."""
    assert (not too_few_units(units, None, level)) == enough
    assert (not too_few_units(100, np.arange(100) % units, level)) == enough


def test_limits_are_cut_at_what_the_metric_can_be():
    assert clip(1.0257, (0.0, 1.0)) == 1.0
    assert clip(-3.0, (-math.inf, 1.0)) == -3.0
    assert math.isnan(clip(math.nan, (0.0, 1.0)))
