"""When a fit stops: the step is computed by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtree.contract.errors import ConfigError, DivergedError
from runtree.training.stopping import Divergence, NoImprovement, StopRules

LOSSES = [1.0, 0.5, 0.3, 0.29, 0.285, 0.2, 0.199]


def stopped_at(rule, values):
    return next((step for step, value in enumerate(values, 1) if rule.met(value)), None)


@pytest.mark.parametrize(("least", "checks", "step"), [(0.05, 1, 4), (0.05, 2, 5), (0.25, 1, 3), (0.05, 3, None)])
def test_tolerance_ends_where_the_error_changes_by_less(least, checks, step):
    assert stopped_at(NoImprovement("train_loss", "minimize", least, checks), LOSSES) == step


def test_tolerance_goes_by_the_best_so_far_so_that_a_rise_is_no_improvement():
    assert stopped_at(NoImprovement("train_loss", "minimize", 0.05, 2), [1.0, 0.4, 0.9, 0.41]) == 4


def test_maximize_mirrors():
    falling = NoImprovement("train_loss", "minimize", 0.05, 2)
    rising = NoImprovement("train_r2", "maximize", 0.05, 2)
    assert stopped_at(falling, LOSSES) == stopped_at(rising, [-loss for loss in LOSSES]) == 5


def test_patience_counts_from_the_best_and_standing_still_is_no_improvement():
    rule = NoImprovement("validation_loss", "minimize", 0.0, 3, strict=True)
    assert stopped_at(rule, [1.0, 0.5, 0.5, 0.6, 0.4, 0.4, 0.4, 0.4]) == 8
    assert rule.best == 0.4


def test_patience_with_min_delta_keeps_the_best_that_counted():
    rule = NoImprovement("validation_loss", "minimize", 0.1, 2, strict=True)
    assert [rule.met(value) for value in (1.0, 0.95, 0.89, 0.85, 0.8)] == [False, False, False, False, True]


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0, 1), st.integers(1, 4), st.booleans(), st.data()
)
def test_a_rule_that_was_put_down_and_taken_up_is_the_same(values, least, checks, strict, data):
    def rules():
        return StopRules(
            tolerance=NoImprovement("loss", "minimize", least, checks, strict),
            patience=NoImprovement("loss", "maximize", least, checks, True),
        )

    cut = data.draw(st.integers(0, len(values)))
    whole, first, second = rules(), rules(), rules()
    answers = [whole.check(step, {"loss": value}, 0.0) for step, value in enumerate(values)]
    before = [first.check(step, {"loss": value}, 0.0) for step, value in enumerate(values[:cut])]
    second.restore(first.state())
    after = [second.check(step, {"loss": value}, 0.0) for step, value in enumerate(values[cut:])]
    assert before + after == answers


@pytest.mark.parametrize("name", ["train_loss", "validation_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_divergence(name, value):
    with pytest.raises(DivergedError, match=f"iteration 3: {name} is"):
        Divergence(1000.0).watch(3, {name: value})


def test_a_loss_that_explodes_is_divergence():
    rule = Divergence(10.0)
    rule.watch(1, {"train_loss": 2.0})
    rule.watch(2, {"train_loss": 20.0})
    with pytest.raises(DivergedError, match="more than 10 times"):
        rule.watch(3, {"train_loss": 20.1})


def test_the_first_rule_met_names_the_reason_and_time_is_one():
    rules = StopRules(max_seconds=5, tolerance=NoImprovement("loss", "minimize", 0.1, 1))
    assert rules.check(1, {"loss": 1.0}, 4.9) is None
    assert rules.check(2, {"loss": 0.5}, 5.0) == "max_seconds"
    assert rules.check(3, {"loss": 0.5}, 6.0) == "tolerance"


def test_a_metric_that_nobody_tells_is_refused_with_those_that_are():
    rules = StopRules(patience=NoImprovement("validation_f1", "maximize", 0.0, 2))
    with pytest.raises(ConfigError, match=r"fit\.patience\.metric: 'validation_f1'") as refused:
        rules.check(1, {"train_loss": 1.0, "seconds": 0.1}, 0.1)
    assert refused.value.hints == ("reported are: train_loss",)
