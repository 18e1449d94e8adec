import numpy as np
import pandas as pd

from runtree.evaluation.diagnosis.residuals import residual_findings, residual_patterns, welch

ROWS = 600


def told(context, answers, truth, predicted, features=None, **more):
    made = context({"test": answers(truth, predicted, classes=())}, features, **more)
    made.results["residuals"] = residual_patterns(made)
    return {finding.name: finding for finding in residual_findings(made)}


def drawn(seed):
    draw = np.random.default_rng(seed)
    return draw, draw.normal(10, 3, ROWS), pd.DataFrame({"a": draw.normal(size=ROWS), "b": draw.integers(0, 3, ROWS)})


def test_residuals_without_a_pattern_have_few_false_alarms(context, answers):
    alarms = 0
    for seed in range(60):
        draw, predicted, features = drawn(seed)
        found = told(context, answers, predicted + draw.normal(size=ROWS), predicted, features)
        alarms += list(found) != ["residuals"]
    assert alarms <= 8  # five tests of 1 % each


def test_growing_errors_are_a_note(context, answers):
    draw, predicted, features = drawn(1)
    truth = np.abs(predicted) + 0.2 * np.abs(predicted) * draw.normal(size=ROWS)
    found = told(context, answers, np.abs(truth) + 0.1, predicted, features)["spread"]
    assert "grow" in found.says
    assert "algorithm=gamma" in found.advice


def test_an_unused_column_is_named(context, answers):
    draw, predicted, features = drawn(2)
    truth = predicted + 2.0 * (features.b == 2) + draw.normal(size=ROWS)
    found = told(context, answers, truth, predicted, features)["pattern by column"]
    assert found.values["column"] == "b"
    assert "where it is = 2, predictions are too low" in found.says


def test_a_linear_fit_of_a_curve_is_a_note(context, answers):
    draw, predicted, features = drawn(3)
    truth = predicted + 0.3 * (predicted - 10) ** 2 + draw.normal(size=ROWS)
    assert "bias by prediction" in told(context, answers, truth, predicted, features)


def test_bias_and_heavy_tails_are_notes(context, answers):
    draw, predicted, features = drawn(4)
    assert "too low" in told(context, answers, predicted + 1 + draw.normal(size=ROWS), predicted, features)["bias"].says
    heavy = told(context, answers, predicted + draw.standard_t(2, ROWS), predicted, features)
    assert heavy["tails"].values["excess_kurtosis"] > 3


def test_autocorrelation_is_a_warning(context, answers):
    draw, predicted, features = drawn(5)
    noise = np.convolve(draw.normal(size=ROWS + 4), np.ones(5) / 5, mode="valid")
    found = told(context, answers, predicted + noise, predicted, features, times=np.arange(ROWS))
    assert found["autocorrelation"].values["r"] > 0.6


def test_welch_is_the_t_test_of_two_groups():
    from scipy.stats import ttest_ind

    draw = np.random.default_rng(0)
    one, other = draw.normal(size=40), draw.normal(0.4, 2, size=70)
    assert abs(welch([one, other]) - ttest_ind(one, other, equal_var=False).pvalue) < 1e-12
