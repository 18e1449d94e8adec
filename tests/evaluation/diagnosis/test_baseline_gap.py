import pytest

from runtree.evaluation.diagnosis.reliability import baseline_gap_findings


def baseline(name, value, low, high):
    return {"name": name, "gain": {"metric": "f1", "part": "test", "value": value, "low": low, "high": high}}


def test_a_significantly_better_baseline_is_a_warning(context, guessing):
    made = context(guessing(0, {"test": 20}))
    made.results["baselines"] = [
        baseline("dummy", 0.3, 0.2, 0.4),
        baseline("linear", -0.01, -0.05, 0.02),
        baseline("boosted", -0.1, -0.15, -0.04),
    ]
    told = list(baseline_gap_findings(made))
    assert [(one.values["name"], one.level) for one in told] == [("boosted", "warning")]
    assert "by 0.1 (at least 0.04)" in told[0].says
    assert told[0].advice.endswith("algorithm=hist_gradient_boosting")


@pytest.mark.parametrize("found", [None, [], [{"name": "linear", "gain": {"value": None, "low": None, "high": None}}]])
def test_without_gains_there_is_no_finding(context, guessing, found):
    made = context(guessing(0, {"test": 20}))
    made.results["baselines"] = found
    assert not list(baseline_gap_findings(made))
