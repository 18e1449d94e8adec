"""Tests of paired differences."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from runtree.statistics.paired import corrected_t, paired_t, wilcoxon

DIFFERENCES = [0.03, 0.01, -0.02, 0.05, 0.04, 0.015, 0.022, -0.01, 0.037, 0.06]
TESTS = {
    "corrected_t": lambda d: corrected_t(d, 0.25, 0.95),
    "paired_t": lambda d: paired_t(d, 0.95),
    "wilcoxon": lambda d: wilcoxon(d, 0.95),
}


def test_the_plain_t_is_scipys():
    found, theirs = paired_t(DIFFERENCES, 0.9), scipy.stats.ttest_1samp(DIFFERENCES, 0)
    limits = theirs.confidence_interval(0.9)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.value, found.high) == pytest.approx((limits.low, np.mean(DIFFERENCES), limits.high))


def test_the_corrected_t_by_hand():
    """Differences 1, 2, 3 of 3 folds: mean 2, variance 1, error √(1/3 + 1/2), t = 2.1909 with 2 degrees of freedom."""
    found = corrected_t([1, 2, 3], 0.5, 0.95)
    t = 2 / math.sqrt(1 / 3 + 1 / 2)
    assert found.p == pytest.approx(1 - t / math.sqrt(t * t + 2))  # the t distribution of 2 degrees in closed form
    assert found.high - found.value == pytest.approx(4.302653 * math.sqrt(5 / 6), rel=1e-6)
    assert found.n == 3


def test_the_correction_makes_less_sure():
    assert corrected_t(DIFFERENCES, 1 / 9, 0.95).p > paired_t(DIFFERENCES, 0.95).p


@settings(max_examples=60)
@given(st.lists(st.integers(-1000, 1000).filter(bool), min_size=6, max_size=25, unique_by=abs))
def test_wilcoxon_is_scipys_where_it_is_exact(differences):
    assert wilcoxon(differences, 0.95).p == pytest.approx(scipy.stats.wilcoxon(differences, method="exact").pvalue)


@settings(max_examples=20)
@given(st.lists(st.integers(-4, 4), min_size=3, max_size=8).filter(lambda d: sum(v != 0 for v in d) > 1))
def test_wilcoxon_with_ties_is_the_permutation_test(differences):
    kept = [value for value in differences if value]
    every = scipy.stats.PermutationMethod(n_resamples=np.inf)
    assert wilcoxon(differences, 0.95).p == pytest.approx(scipy.stats.wilcoxon(kept, method=every).pvalue)


def test_wilcoxon_of_many_is_scipys_approximation():
    differences = np.round(np.random.default_rng(0).normal(0.2, 1, 80), 1)
    theirs = scipy.stats.wilcoxon(differences, method="asymptotic", correction=False)
    found = wilcoxon(differences, 0.95)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.note == "normal approximation"


def test_wilcoxon_limits_by_hand():
    """Hollander, Wolfe & Chicken: for n = 9 and 96.1 % the limits are the 6th smallest and greatest Walsh averages."""
    differences = [0.147, -0.952, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010]
    averages = sorted((a + b) / 2 for i, a in enumerate(differences) for b in differences[i:])
    found = wilcoxon(differences, 0.95)
    assert (found.low, found.high) == (averages[5], averages[-6])
    assert found.value == np.median(averages)


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1).filter(lambda d: abs(d) > 1e-6), min_size=6, max_size=60, unique_by=abs))
def test_limits_leave_out_0_just_where_the_test_finds_a_difference(differences):
    found = wilcoxon(differences, 0.95)
    if found.p <= 0.049:
        assert not found.tied
    if found.p >= 0.051:
        assert found.tied


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS)
class TestOfLittle:
    def test_one_difference(self, test):
        found = test([0.5])
        assert math.isnan(found.p)
        assert found.tied
        assert "at least 2" in found.note

    def test_no_difference(self, test):
        assert math.isnan(test([]).value)

    def test_all_are_0(self, test):
        found = test([0.0, 0.0, 0.0])
        assert (found.p, found.low, found.high) == (1, 0, 0)
        assert "all differences are 0" in found.note

    def test_what_is_no_number(self, test):
        assert math.isnan(test([0.1, math.nan, 0.2]).p)

    def test_signs_turn_the_answer_round(self, test):
        found, turned = test(DIFFERENCES), test([-value for value in DIFFERENCES])
        assert turned.p == pytest.approx(found.p)
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("name", ["corrected_t", "paired_t"])
def test_a_difference_that_never_varies_is_not_called_sure(name):
    found = TESTS[name]([0.1, 0.1, 0.1])
    assert math.isnan(found.p)
    assert "the same" in found.note


def test_too_few_for_limits_are_said_to_be():
    found = wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5], 0.95)
    assert found.p == pytest.approx(0.0625)
    assert math.isnan(found.low)
    assert found.note == "5 differences are too few for limits of 95%"
