"""Holm and Benjamini-Hochberg."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from runtree.statistics.comparison import benjamini_hochberg, holm

PS = st.lists(st.floats(0, 1), max_size=12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_by_hand():
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@given(PS.filter(bool))
def test_benjamini_hochberg_is_scipys(ps):
    assert benjamini_hochberg(ps) == pytest.approx(list(false_discovery_control(ps)))


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
@given(ps=PS)
def test_order_is_kept_and_nothing_gets_smaller(correct, ps):
    found = correct(ps)
    assert all(0 <= p <= after <= 1 for p, after in zip(ps, found, strict=True))
    ranked = [after for _, after in sorted(zip(ps, found, strict=True))]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_no_comparison_is_kept_and_not_counted(correct):
    found = correct([0.02, math.nan, 0.03])
    assert math.isnan(found[1])
    assert [found[0], found[2]] == correct([0.02, 0.03])
    assert correct([]) == []
