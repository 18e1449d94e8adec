import numpy as np
import pytest

from runtree.evaluation.diagnosis.probabilities import calibration_curve, calibration_findings


def calibrate(context, answers, chance, truth, seed=0):
    made = context({"test": answers(truth, chance >= 0.5, chance)}, seed=seed)
    made.results["calibration"] = calibration_curve(made)
    return made, next(calibration_findings(made))


def drawn(seed, rows=500):
    draw = np.random.default_rng(seed)
    chance = draw.beta(2, 2, rows)
    return chance, (draw.random(rows) < chance).astype(int)


def test_calibrated_probabilities_have_few_false_alarms(context, answers):
    alarms = sum(calibrate(context, answers, *drawn(seed, 150), seed)[1].level != "good" for seed in range(100))
    assert alarms <= 11  # 5 are expected


@pytest.mark.parametrize(("power", "kind"), [(3.0, "over-confident"), (0.4, "under-confident")])
def test_over_and_under_confidence_are_warnings(context, answers, power, kind):
    chance, truth = drawn(1, 1000)
    odds = (chance / (1 - chance)) ** power
    _, found = calibrate(context, answers, odds / (1 + odds), truth)
    assert (found.level, found.values["kind"]) == ("warning", kind)
    assert "decision.calibrate=sigmoid" in found.advice


def test_the_error_is_the_mean_distance_of_bins(context, answers):
    chance = np.array([0.15, 0.15, 0.95, 0.95])
    made, _ = calibrate(context, answers, chance, np.array([0, 1, 1, 1]))
    found = made.results["calibration"]
    assert found["ece"] == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)
    assert [(one["rows"], one["share"]) for one in found["bins"]] == [(2, 0.5), (2, 1.0)]


def test_of_several_classes_the_predicted_one_is_calibrated(context, answers):
    draw = np.random.default_rng(0)
    score = draw.dirichlet([1, 1, 1], 800)
    truth = np.array([draw.choice(3, p=row) for row in score])
    parts = {"test": answers(truth, score.argmax(1), score, ("a", "b", "c"))}
    made = context(parts)
    made.results["calibration"] = calibration_curve(made)
    assert next(calibration_findings(made)).level == "good"
    sharp = score**4 / (score**4).sum(1, keepdims=True)
    made = context({"test": answers(truth, score.argmax(1), sharp, ("a", "b", "c"))})
    made.results["calibration"] = calibration_curve(made)
    assert next(calibration_findings(made)).advice == "calibrate them: decision.calibrate=temperature"


def test_without_probabilities_there_is_no_calibration(context, guessing):
    made = context(guessing(0, {"test": 50}))
    assert calibration_curve(made) is None
    assert not list(calibration_findings(made))
