import numpy as np

from runtree.evaluation.diagnosis.fit import fit_findings

SIZES = {"train": 600, "validation": 200}


def by_name(context):
    return {finding.name: finding for finding in fit_findings(context)}


def test_overfitting_is_a_warning_with_an_override_that_regularizes(context, guessing):
    parts = guessing(0, SIZES, {"train": 1.0, "validation": 0.7})
    found = by_name(context(parts, algorithm={"name": "trees", "min_samples_leaf": 20}))["overfitting"]
    assert found.level == "warning"
    assert "algorithm.min_samples_leaf=100" in found.advice
    assert found.values["lost"] > 0.4


def test_a_gap_within_noise_is_good(context, guessing):
    told = [by_name(context(guessing(seed, SIZES, 0.8)))["overfitting"].level for seed in range(100)]
    assert told.count("good") >= 98


def test_a_model_without_skill_is_a_warning(context, guessing):
    found = by_name(context(guessing(1, SIZES, 0.5)))["no skill"]
    assert found.level == "warning"
    assert by_name(context(guessing(1, SIZES, 0.9)))["no skill"].level == "good"


def test_underfitting_is_a_note(context, guessing):
    found = by_name(context(guessing(2, SIZES, 0.65), algorithm={"name": "any", "C": 1.0}))["underfitting"]
    assert (found.level, "algorithm.C=10" in found.advice) == ("note", True)
    assert by_name(context(guessing(2, SIZES, 0.95)))["underfitting"].level == "good"


def test_a_regression_is_compared_with_the_mean(context, answers):
    draw = np.random.default_rng(0)
    truth = {part: draw.normal(size=size) for part, size in SIZES.items()}
    near = {part: answers(own, own + 0.3 * draw.normal(size=len(own)), classes=()) for part, own in truth.items()}
    assert [finding.level for finding in fit_findings(context(near))] == ["good", "good", "good"]
    wild = {part: answers(own, draw.normal(size=len(own)), classes=()) for part, own in truth.items()}
    assert by_name(context(wild))["no skill"].level == "warning"


def test_a_perfect_model_has_skill(context, answers):
    draw = np.random.default_rng(0)
    truth = {part: draw.integers(0, 2, size) for part, size in SIZES.items()}
    sure = {part: answers(own, own, 0.1 + 0.8 * own) for part, own in truth.items()}
    found = by_name(context(sure, metric="roc_auc"))["no skill"]
    assert (found.level, found.values["model"], found.values["noise"]) == ("good", 1.0, 0.0)
