"""Tests of two classifiers on the same rows."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from runtree.contract.predictions import Predictions
from runtree.statistics.classifier_tests import covariance_of_areas, delong, mcnemar
from runtree.statistics.proportions import clopper_pearson, tango


def pair(both, won, lost, neither):
    """Return two models that are right on so many rows together, alone, and not at all."""
    first = np.repeat([1, 1, 0, 0], [both, won, lost, neither])
    second = np.repeat([1, 0, 1, 0], [both, won, lost, neither])
    true = np.ones(len(first), dtype=int)
    return tuple(Predictions(true, own, None, ("no", "yes")) for own in (first, second))


def scored(seed, rows=80, coarse=False):
    """Return two models of two classes with chances that go together."""
    dice = np.random.default_rng(seed)
    true = dice.integers(0, 2, rows)
    shared = dice.normal(size=rows)
    found = []
    for skill in (1.2, 0.7):
        chance = scipy.special.expit(skill * true + shared + dice.normal(size=rows) - 0.5)
        chance = np.round(chance, 1) if coarse else chance
        found.append(Predictions(true, (chance > 0.5).astype(int), np.column_stack([1 - chance, chance]), ("a", "b")))
    return found


def test_mcnemar_of_few_rows_is_the_binomial_test():
    found = mcnemar(*pair(50, 9, 2, 20), 0.95)
    assert found.p == pytest.approx(scipy.stats.binomtest(2, 11).pvalue)
    assert found.value == pytest.approx(7 / 81)
    assert found.method == "McNemar (exact)"


def test_mcnemar_of_many_rows_is_the_mid_p_test():
    found = mcnemar(*pair(100, 40, 22, 30), 0.95)
    assert found.p == pytest.approx(scipy.stats.binomtest(22, 62).pvalue - scipy.stats.binom.pmf(22, 62, 0.5))
    assert found.method == "McNemar (mid-p)"


def test_mcnemar_where_both_are_right_on_the_same_rows():
    found = mcnemar(*pair(30, 0, 0, 5), 0.95)
    assert (found.value, found.p) == (0, 1)
    assert found.low < 0 < found.high
    assert found.note


def test_the_same_rows_are_asked_for():
    one, _ = pair(5, 2, 1, 0)
    with pytest.raises(ValueError, match="same rows"):
        mcnemar(one, pair(5, 3, 1, 0)[1], 0.95)
    numbers = Predictions(np.zeros(3), np.zeros(3), None, ())
    with pytest.raises(ValueError, match="classifiers"):
        mcnemar(numbers, numbers, 0.95)


def likeliest(won, lost, rows, delta):
    """Return the score of Tango's test with the likelihood maximised by search, not by the closed form."""

    def loss(share):  # of rows lost
        chances = share + delta, share, 1 - 2 * share - delta
        return -sum(n * math.log(max(p, 1e-300)) for n, p in zip((won, lost, rows - won - lost), chances, strict=True))

    least, most = max(0.0, -delta), (1 - delta) / 2
    share = scipy.optimize.minimize_scalar(loss, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
    return (won - lost - rows * delta) / math.sqrt(rows * (2 * share + delta * (1 - delta)))


@pytest.mark.parametrize(("won", "lost", "rows"), [(9, 2, 81), (2, 9, 81), (40, 22, 192), (5, 5, 30), (1, 8, 20)])
def test_tango_leaves_out_what_the_score_test_rejects(won, lost, rows):
    low, high = tango(won, lost, rows, 0.95)
    assert likeliest(won, lost, rows, low) == pytest.approx(1.959964, abs=1e-3)
    assert likeliest(won, lost, rows, high) == pytest.approx(-1.959964, abs=1e-3)


@settings(max_examples=80)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))
def test_tango_is_symmetric_within_bounds_and_agrees_with_mcnemars_chi_square(won, lost, rest):
    low, high = tango(won, lost, won + lost + rest, 0.95)
    assert -1 <= low < (won - lost) / (won + lost + rest) < high <= 1
    assert tango(lost, won, won + lost + rest, 0.95) == pytest.approx((-high, -low), abs=1e-9)
    if won + lost and abs(abs(won - lost) / math.sqrt(won + lost) - 1.959964) > 1e-6:
        assert (low > 0 or high < 0) == (abs(won - lost) / math.sqrt(won + lost) > 1.959964)


def test_tango_at_the_ends():
    assert tango(5, 0, 5, 0.95)[1] == 1
    assert tango(0, 5, 5, 0.95)[0] == -1


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (7, 10)])
def test_clopper_pearson_is_scipys(hits, rows):
    theirs = scipy.stats.binomtest(hits, rows).proportion_ci(0.95, "exact")
    assert clopper_pearson(hits, rows, 0.95) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("coarse", [False, True])
def test_delong_equals_the_definition_by_pairs(coarse):
    one, other = scored(1, coarse=coarse)
    found, positive = delong(one, other, 0.95), one.y_true == 1
    wins = []
    for model in (one, other):
        above, below = model.score[positive, 1], model.score[~positive, 1]
        wins.append((above[:, None] > below) + 0.5 * (above[:, None] == below))
    difference = wins[0] - wins[1]
    variance = difference.mean(1).var(ddof=1) / positive.sum() + difference.mean(0).var(ddof=1) / (~positive).sum()
    assert found.value == pytest.approx(difference.mean())
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(abs(difference.mean()) / math.sqrt(variance)))
    assert found.high - found.low == pytest.approx(2 * 1.959964 * math.sqrt(variance), rel=1e-6)


def test_areas_are_scikit_learns():
    one, other = scored(2, coarse=True)
    areas, covariance = covariance_of_areas(np.stack([one.score[:, 1], other.score[:, 1]]), one.y_true == 1)
    assert areas == pytest.approx([roc_auc_score(one.y_true, model.score[:, 1]) for model in (one, other)])
    assert covariance.shape == (2, 2)


def test_delong_of_a_model_and_itself():
    one, _ = scored(0)
    assert (delong(one, one, 0.95).value, delong(one, one, 0.95).p) == (0, 1)


def test_delong_where_nothing_varies():
    true = np.array([0, 0, 1, 1])
    perfect, reversed_ = (
        Predictions(true, true, np.column_stack([1 - chance, chance]), ("a", "b"))
        for chance in (np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.8, 0.9, 0.1, 0.2]))
    )
    found = delong(perfect, reversed_, 0.95)
    assert found.value == 1
    assert math.isnan(found.p)
    assert found.note


def test_delong_needs_chances_two_rows_of_each_class_and_two_classes():
    one, other = scored(0)
    assert "probabilities" in delong(one, Predictions(one.y_true, one.y_pred, None, ("a", "b")), 0.95).note
    rows = np.r_[np.flatnonzero(one.y_true == 0), np.flatnonzero(one.y_true == 1)[:1]]
    few = [Predictions(m.y_true[rows], m.y_pred[rows], m.score[rows], m.classes) for m in (one, other)]
    assert "two rows" in delong(*few, 0.95).note
    three = Predictions(one.y_true, one.y_pred, np.ones((80, 3)) / 3, ("a", "b", "c"))
    with pytest.raises(ValueError, match="two classes"):
        delong(three, three, 0.95)
