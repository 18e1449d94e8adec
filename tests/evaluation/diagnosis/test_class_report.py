import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from runtree.evaluation.diagnosis.classes import class_findings, class_report

LABELS = ("apple", "pear", "plum")


def made(context, answers, truth, predicted, **more):
    built = context({"test": answers(truth, predicted, classes=LABELS)}, **more)
    built.results["classes"] = class_report(built)
    return built


def test_the_figures_of_each_class_are_scikit_learns(context, answers):
    draw = np.random.default_rng(0)
    truth, predicted = draw.integers(0, 3, 200), draw.integers(0, 3, 200)
    found = made(context, answers, truth, predicted).results["classes"]
    expected = precision_recall_fscore_support(truth, predicted)
    for place, key in enumerate(("precision", "recall", "f1", "rows")):
        assert [one[key] for one in found] == pytest.approx(expected[place].tolist())


def test_a_weak_class_is_named_with_the_class_it_is_predicted_as(context, answers):
    truth = np.repeat([0, 1, 2], 60)
    predicted = truth.copy()
    predicted[60:100] = 2
    told = {
        one.name: one
        for one in class_findings(made(context, answers, truth, predicted, algorithm={"name": "logistic"}))
    }
    assert told["weak class"].level == "warning"
    assert "recall of 'pear' is 33%" in told["weak class"].says
    assert "mostly predicted as 'plum'" in told["weak class"].says
    assert told["weak class"].advice.endswith("imbalance.class_weight=balanced")
    assert told["confused pair"].values["classes"] == ["pear", "plum"]


def test_classes_of_equal_recall_have_few_false_alarms(context, answers):
    def alarm(seed):
        draw = np.random.default_rng(seed)
        truth = draw.integers(0, 3, 150)
        predicted = np.where(draw.random(150) < 0.7, truth, (truth + draw.integers(1, 3, 150)) % 3)
        return {one.name for one in class_findings(made(context, answers, truth, predicted)) if one.level != "good"}

    told = [alarm(seed) for seed in range(100)]
    assert sum("weak class" in one for one in told) <= 8
    assert sum("confused pair" in one for one in told) <= 5


def test_a_class_with_few_rows_is_a_note(context, answers):
    truth = np.array([0] * 30 + [1] * 30 + [2] * 4)
    told = {one.name: one for one in class_findings(made(context, answers, truth, truth))}
    assert told["small classes"].values["classes"] == ["plum"]
