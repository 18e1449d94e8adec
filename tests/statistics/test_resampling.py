"""Each quick path equals the metric's own function on rows repeated as often as they were drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract.predictions import Predictions
from runtree.contract.types import Metric
from runtree.statistics.bootstrap import bca_correction
from runtree.statistics.fast_metrics import builtin_name, make_scorer
from runtree.statistics.metrics import BUILTIN
from runtree.statistics.resampling import leave_out, replicate

CLASSES = [metric for metric in BUILTIN if "classification" in metric.tasks]
NUMBERS = [metric for metric in BUILTIN if "regression" in metric.tasks]


def on_draws(models, metric, *more):
    """Return a metric's values on resamples."""
    return replicate(models, [metric], *more)[metric.name].drawn


def repeated(answers, counts):
    """Return answers with each row as often as it was drawn."""
    rows = np.repeat(np.arange(len(counts)), counts)
    score = None if answers.score is None else answers.score[rows]
    return Predictions(answers.y_true[rows], answers.y_pred[rows], score, answers.classes)


def classified(seed, rows, classes, ties):
    """Return answers of a middling classifier; with ties its chances are coarse."""
    dice = np.random.default_rng(seed)
    score = dice.dirichlet(np.ones(classes), rows)
    if ties:
        score = np.round(score * 4) + 0.5
        score /= score.sum(1, keepdims=True)
    return Predictions(dice.integers(0, classes, rows), score.argmax(1), score, tuple("abcdefg"[:classes]))


def measured(seed, rows, ties):
    """Return answers of a regression; with ties true values and errors are coarse."""
    dice = np.random.default_rng(seed)
    true = dice.normal(100, 3, rows)
    found = true + dice.normal(0, 1, rows)
    return Predictions(*(np.round(true), np.round(found)) if ties else (true, found), None, ())


@st.composite
def drawn(draw, rows):
    """Return how often each row is drawn: all once, or any counts of at least two rows in all."""
    if draw(st.booleans()):
        return np.ones(rows, dtype=np.int64)
    counts = np.array(draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), dtype=np.int64)
    counts[draw(st.integers(0, rows - 1))] += 2
    return counts


@pytest.mark.parametrize("metric", CLASSES, ids=lambda metric: metric.name)
@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 999), rows=st.integers(3, 12), classes=st.integers(2, 4), ties=st.booleans())
def test_metrics_of_classes_equal_their_own_function(metric, data, seed, rows, classes, ties):
    answers = classified(seed, rows, classes, ties)
    counts = data.draw(drawn(rows))
    assert builtin_name(metric)
    wanted = repeated(answers, counts).values([metric])[metric.name]
    assert make_scorer(answers, metric)(counts[None, :])[0] == pytest.approx(wanted, nan_ok=True, abs=1e-12)


@pytest.mark.parametrize("metric", NUMBERS, ids=lambda metric: metric.name)
@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 999), rows=st.integers(2, 12), ties=st.booleans())
def test_metrics_of_numbers_equal_their_own_function(metric, data, seed, rows, ties):
    answers = measured(seed, rows, ties)
    counts = data.draw(drawn(rows))
    assert builtin_name(metric)
    rows_drawn = repeated(answers, counts)
    wanted = rows_drawn.values([metric])[metric.name]
    if metric.name == "r2" and np.ptp(rows_drawn.y_true) == 0:  # scikit-learn divides by the rounding of the mean
        wanted = float(np.array_equal(rows_drawn.y_true, rows_drawn.y_pred))
    assert make_scorer(answers, metric)(counts[None, :])[0] == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", [metric for metric in CLASSES if metric.needs == "prediction"], ids=lambda m: m.name)
def test_to_draw_matrices_is_to_draw_rows(metric):
    """Distributions agree: mean and spread within three standard errors of each other."""
    answers = classified(3, 80, 3, False)
    matrices = on_draws([answers], metric, 4000, 0)[0]
    rows = on_draws([answers], metric, 4000, 0, np.arange(80))[0]
    error = np.hypot(matrices.std(), rows.std()) / np.sqrt(4000)
    assert abs(matrices.mean() - rows.mean()) < 3 * error
    assert matrices.std() == pytest.approx(rows.std(), rel=0.06)


def test_two_models_are_asked_about_the_same_draws():
    one = classified(0, 60, 3, False)
    for metric in CLASSES:
        drawn = on_draws([one, one], metric, 50, 1)
        assert np.array_equal(drawn[0], drawn[1])


def test_a_metric_does_not_depend_on_which_others_are_asked_for_nor_on_the_day():
    answers, metric = classified(0, 50, 2, False), CLASSES[5]
    assert np.array_equal(on_draws([answers], metric, 500, 7), on_draws([answers], metric, 500, 7))
    assert not np.array_equal(on_draws([answers], metric, 500, 7), on_draws([answers], metric, 500, 8))


def test_fewer_resamples_are_the_first_of_more():
    answers, metric = classified(0, 50, 2, False), CLASSES[6]
    assert np.array_equal(on_draws([answers], metric, 100, 7)[0], on_draws([answers], metric, 500, 7)[0, :100])


def test_a_plugins_metric_of_a_builtin_name_is_computed_by_its_own_function():
    mine = Metric("accuracy", lambda y_true, y_pred, labels: 42.0, "maximize")
    assert (on_draws([classified(0, 20, 2, False)], mine, 30, 0) == 42).all()


def test_a_plugins_metric_equals_the_builtin_of_the_same_formula():
    answers, builtin = measured(0, 40, False), NUMBERS[0]
    mine = Metric("mine", lambda y_true, y_pred: float(np.abs(y_true - y_pred).mean()), "minimize")
    assert on_draws([answers], mine, 50, 3) == pytest.approx(on_draws([answers], builtin, 50, 3))


def test_work_is_bounded(monkeypatch):
    monkeypatch.setattr("runtree.statistics.resampling.MAX_ROWS_CALLED", 25_000)
    answers = measured(0, 100, False)
    mine = Metric("mine", lambda y_true, y_pred: float(len(y_true)), "minimize")
    assert on_draws([answers], mine, 10_000, 0).shape == (1, 250)
    assert on_draws([answers], NUMBERS[0], 1000, 0).shape == (1, 1000)


def test_groups_are_drawn_whole():
    groups = np.repeat(["a", "b", "c"], [1, 5, 10])
    right = np.where(groups == "b", 0, 1)
    answers = Predictions(np.ones(16, dtype=int), right, None, ("no", "yes"))
    found = set(on_draws([answers], CLASSES[0], 400, 0, groups)[0].round(6))
    sizes = {(a, b, 3 - a - b) for a in range(4) for b in range(4 - a)}
    assert found == {round((a + 10 * c) / (a + 5 * b + 10 * c), 6) for a, b, c in sizes}


def test_a_metric_that_refuses_a_resample_is_not_defined_on_it():
    def mine(y_true, y_pred):
        if y_true.max() < 9:
            raise ValueError("the last row is needed")
        return 1.0

    answers = Predictions(np.arange(10.0), np.arange(10.0), None, ())
    found = on_draws([answers], Metric("mine", mine, "maximize"), 300, 0)[0]
    assert 0.2 < np.isnan(found).mean() < 0.5


def test_what_is_drawn_for_one_metric_is_drawn_for_all():
    answers = classified(0, 50, 2, False)
    together = replicate([answers], CLASSES, 200, 7)
    for metric in CLASSES:
        assert np.array_equal(together[metric.name].drawn, on_draws([answers], metric, 200, 7))


def test_each_row_is_left_out_once():
    assert (np.concatenate(list(leave_out(5, 0))) == 1 - np.eye(5)).all()
    groups = np.array(["a", "b", "a"])
    assert np.concatenate(list(leave_out(3, 0, groups))).tolist() == [[0, 1, 0], [1, 0, 1]]


def test_many_rows_are_left_out_in_parts():
    parts = np.concatenate(list(leave_out(1010, 0)))
    assert parts.shape == (200, 1010)
    assert ((parts == 0).sum(0) == 1).all()
    assert set((parts == 0).sum(1)) == {5, 6}


def test_of_very_many_rows_none_is_left_out(monkeypatch):
    monkeypatch.setattr("runtree.statistics.resampling.MAX_JACKKNIFE_ROWS", 50)
    mine = Metric("mine", lambda y_true, y_pred: 1.0, "minimize")
    numbers = replicate([measured(0, 60, False)], [*NUMBERS, mine], 5, 0)
    classes = replicate([classified(0, 60, 3, True)], CLASSES, 5, 0, np.arange(60))
    for own in (*numbers.values(), *classes.values()):
        assert own.left_out.shape == (1, 0)
        assert bca_correction(0.5, np.arange(3.0), own.left_out[0], own.sizes).acceleration == 0
