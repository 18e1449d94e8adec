import numpy as np

from runtree.evaluation.diagnosis.fit import fit_findings

SIZES = {"train": 600, "validation": 200}


def by_name(context):
    return {finding.name: finding for finding in fit_findings(context)}


def test_a_model_that_remembers_is_told_and_how_to_hold_it_back(context, guessing):
    parts = guessing(0, SIZES, {"train": 1.0, "validation": 0.7})
    found = by_name(context(parts, algorithm={"name": "trees", "min_samples_leaf": 20}))["overfitting"]
    assert found.level == "warning"
    assert "algorithm.min_samples_leaf=100" in found.advice
    assert found.values["lost"] > 0.4


def test_a_gap_that_noise_explains_raises_nothing(context, guessing):
    told = [by_name(context(guessing(seed, SIZES, 0.8)))["overfitting"].level for seed in range(100)]
    assert told.count("good") >= 98


def test_a_model_that_knows_nothing_is_told(context, guessing):
    found = by_name(context(guessing(1, SIZES, 0.5)))["level"]
    assert found.level == "warning"
    assert by_name(context(guessing(1, SIZES, 0.9)))["level"].level == "good"


def test_a_model_that_learns_little_of_its_own_rows_is_told(context, guessing):
    found = by_name(context(guessing(2, SIZES, 0.65), algorithm={"name": "any", "C": 1.0}))["underfitting"]
    assert (found.level, "algorithm.C=10" in found.advice) == ("note", True)
    assert by_name(context(guessing(2, SIZES, 0.95)))["underfitting"].level == "good"


def test_a_quantity_is_held_against_its_mean(context, answers):
    draw = np.random.default_rng(0)
    truth = {part: draw.normal(size=size) for part, size in SIZES.items()}
    near = {part: answers(own, own + 0.3 * draw.normal(size=len(own)), classes=()) for part, own in truth.items()}
    assert [finding.level for finding in fit_findings(context(near))] == ["good", "good", "good"]
    wild = {part: answers(own, draw.normal(size=len(own)), classes=()) for part, own in truth.items()}
    assert by_name(context(wild))["level"].level == "warning"


def test_a_model_without_an_error_is_better_than_nothing(context, answers):
    draw = np.random.default_rng(0)
    truth = {part: draw.integers(0, 2, size) for part, size in SIZES.items()}
    sure = {part: answers(own, own, 0.1 + 0.8 * own) for part, own in truth.items()}
    found = by_name(context(sure, metric="roc_auc"))["level"]
    assert (found.level, found.values["model"], found.values["noise"]) == ("good", 1.0, 0.0)
