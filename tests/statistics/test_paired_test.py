"""Tests of paired differences."""

import math

import numpy as np
import pytest
import scipy.stats

from runtree.statistics.paired_test import corrected_t, paired_t

DIFFERENCES = [0.03, 0.01, -0.02, 0.05, 0.04, 0.015, 0.022, -0.01, 0.037, 0.06]
TESTS = {
    "corrected_t": lambda d: corrected_t(d, 0.25, 0.95),
    "paired_t": lambda d: paired_t(d, 0.95),
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


@pytest.mark.parametrize("name", TESTS)
def test_a_difference_that_never_varies_is_not_called_sure(name):
    found = TESTS[name]([0.1, 0.1, 0.1])
    assert math.isnan(found.p)
    assert "the same" in found.note
