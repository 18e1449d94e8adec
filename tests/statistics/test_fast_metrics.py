"""Metrics without scikit-learn's checks equal scikit-learn's to the last digit, whatever the answers are."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.contract.predictions import NEARLY_ZERO
from runtree.statistics import metrics


@st.composite
def answers(draw, classes):
    """Draw true classes, predicted ones and chances, coarse enough for ties, of which some are 0 and 1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, grain = draw(st.integers(2, 400)), draw(st.sampled_from([1, 2, 7, 1000, 0]))
    true = rng.integers(0, classes, rows)
    raw = rng.random((rows, classes)) + draw(st.sampled_from([0.0, 1.0])) * (np.arange(classes) == true[:, None])
    raw = np.round(raw * grain) / grain if grain else raw
    sums = raw.sum(axis=1, keepdims=True)
    chances = np.divide(raw, sums, out=np.full(raw.shape, 1 / classes), where=sums > 0)
    if classes == 2:
        chances[:, 0] = 1 - chances[:, 1]
    return true, rng.integers(0, classes, rows), chances


CELLS = {
    "precision": lambda y, p, more: sk.precision_score(y, p, zero_division=0.0, **more),
    "recall": lambda y, p, more: sk.recall_score(y, p, zero_division=0.0, **more),
    "f1": lambda y, p, more: sk.f1_score(y, p, zero_division=0.0, **more),
}


def same(one, other):
    return one == other or (np.isnan(one) and np.isnan(other))


@settings(max_examples=150, deadline=None)
@given(answers(2))
def test_two_classes(found):
    y, p, chances = found
    score, labels = chances[:, 1], range(2)
    for name, expected in CELLS.items():
        assert getattr(metrics, name)(y, p, labels) == expected(y, p, {"average": "binary"}), name
    if len({*y, *p}) > 1:  # else scikit-learn warns
        assert metrics.mcc(y, p, labels) == sk.matthews_corrcoef(y, p)
    assert metrics.log_loss(y, score, labels) == sk.log_loss(y, score, labels=[0, 1])
    assert metrics.brier(y, score, labels) == sk.brier_score_loss(y, score, labels=[0, 1])
    both = len(set(y)) == 2
    assert same(metrics.roc_auc(y, score, labels), sk.roc_auc_score(y, score) if both else np.nan)
    assert same(metrics.pr_auc(y, score, labels), sk.average_precision_score(y, score) if both else np.nan)


@settings(max_examples=100, deadline=None)
@given(answers(4))
def test_more_classes(found):
    y, p, chances = found
    labels = range(4)
    for name, expected in CELLS.items():
        assert getattr(metrics, name)(y, p, labels) == expected(y, p, {"average": "macro", "labels": [0, 1, 2, 3]})
    if len({*y, *p}) > 1:
        assert metrics.mcc(y, p, labels) == sk.matthews_corrcoef(y, p)
    assert metrics.log_loss(y, chances, labels) == sk.log_loss(y, chances, labels=[0, 1, 2, 3])
    assert metrics.brier(y, chances, labels) == sk.brier_score_loss(y, chances, labels=[0, 1, 2, 3])
    if len(set(y)) == 4:
        assert metrics.roc_auc(y, chances, labels) == sk.roc_auc_score(y, chances, multi_class="ovr")
        assert metrics.pr_auc(y, chances, labels) == sk.average_precision_score(y, chances)
    else:
        assert np.isnan(metrics.roc_auc(y, chances, labels)) and np.isnan(metrics.pr_auc(y, chances, labels))


def test_one_class_true_and_predicted_has_no_correlation():
    assert metrics.mcc(np.zeros(5, dtype=int), np.zeros(5, dtype=int), range(2)) == 0.0


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_what_is_no_chance_is_refused_in_scikit_learns_words(name):
    y = np.array([0, 1, 1])
    with pytest.raises(ValueError, match="greater than 1"):
        getattr(metrics, name)(y, np.array([0.5, 1.5, 0.2]), range(2))
    with pytest.raises(ValueError, match="sum"):
        metrics.roc_auc(np.array([0, 1, 2]), np.full((3, 3), 0.5), range(3))


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "log_loss", "brier"])
def test_scores_that_are_no_numbers_are_left_to_scikit_learn(name):
    with pytest.raises(ValueError, match="NaN"):
        getattr(metrics, name)(np.array([0, 1, 1]), np.array([0.5, np.nan, 0.2]), range(2))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3000), st.sampled_from([0.0, 1e-8, 1.0, 1e12]), st.booleans())
def test_numbers(seed, rows, far, alike):
    rng = np.random.default_rng(seed)
    true = far + rng.normal(size=rows) * (0 if alike else 1)
    predicted = true if seed % 5 == 0 else true + rng.normal(size=rows)
    for name, metric in {metric.function.__name__: metric for metric in metrics.BUILTIN}.items():
        if metric.tasks == ("regression",):
            # a percentage of nothing has no value here, and one of 1e15 there
            nothing = name.endswith("percentage_error") and (abs(true) <= NEARLY_ZERO * abs(true).max()).any()
            expected = np.nan if nothing else getattr(sk, name)(true, predicted)
            assert np.array_equal(metric.function(true, predicted), expected, equal_nan=True), name


def test_numbers_that_are_none_are_left_to_scikit_learn():
    for metric in metrics.BUILTIN:
        if metric.tasks == ("regression",):
            with pytest.raises(ValueError, match="NaN"):
                metric.function(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
