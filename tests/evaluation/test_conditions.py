"""Conditions of the quality gate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError
from runtree.evaluation.gate import check_condition, parse_condition
from runtree.statistics.metrics import BUILTIN

METRICS = {metric.name: metric for metric in BUILTIN}
SCORED = {name: METRICS[name] for name in ("f1", "accuracy")}


def check(text, **changes):
    known = {"scored": SCORED, "known": ["f1", "accuracy", "roc_auc"], "opponents": ["dummy"], "intervals": True}
    check_condition(parse_condition(text), **{**known, **changes})


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([">=", ">", "<=", "<"]))
def test_a_bound_is_parsed(bound, relation):
    found = parse_condition(f"test.f1 {relation} {bound!r}")
    assert (found.parts, found.end) == (("test", "f1"), None)
    assert (found.bound.operator, found.bound.limit) == (relation, bound)
    assert found.bound.holds(bound) == (relation in (">=", "<="))


def test_the_end_of_an_interval_is_not_a_metric():
    found = parse_condition("test.f1.low>=.85")
    assert (found.parts, found.end, found.bound.limit) == (("test", "f1"), "low", 0.85)


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_meets_no_bound(value):
    assert not any(parse_condition(f"test.f1 {relation} 0").bound.holds(value) for relation in (">=", ">", "<=", "<"))


@pytest.mark.parametrize(
    "text", ["test.f1 >= 0", "validation.accuracy > 1", "test.f1.high < 1", "gain.dummy.low > 0", "fit_seconds < 60"]
)
def test_values_of_a_run_may_be_bounded(text):
    check(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test.f1 = 0.9", "=="),
        ("0.9 <= test.f1", "is not a bound"),
        ("test.rocauc > 0", "did you mean: roc_auc"),
        ("test.roc_auc > 0", "evaluator.metrics=[f1,accuracy,roc_auc]"),
        ("holdout.f1 > 0", "this run has no"),
        ("test.f1.mean > 0", "this run has no"),
        ("validation.f1.low > 0", "type: test.f1.low"),
        ("gain.champion > 0", "evaluator.benchmark.run=RUN"),
        ("gain.linear > 0", "possible: dummy"),
        ("fit_seconds.low > 0", "this run has no"),
    ],
)
def test_a_bound_on_another_value_is_refused(text, message):
    with pytest.raises(ConfigError, match=r"evaluator\.benchmark\.metrics") as caught:
        check(text)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 5


def test_a_bound_on_an_interval_needs_resamples():
    with pytest.raises(ConfigError, match=r"resamples=2000"):
        check("test.f1.low > 0", intervals=False)
