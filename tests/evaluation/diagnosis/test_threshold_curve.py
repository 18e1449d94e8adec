import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from runtree.evaluation.diagnosis.probabilities import threshold_curve, threshold_findings


def rare(seed, rows=1500, share=0.1):
    draw = np.random.default_rng(seed)
    truth = (draw.random(rows) < share).astype(int)
    odds = np.exp(1.5 * truth + draw.normal(size=rows)) * share / (1 - share) / np.exp(0.6)
    return truth, odds / (1 + odds)


def made(context, answers, pairs, **more):
    built = context({part: answers(truth, chance >= 0.5, chance) for part, (truth, chance) in pairs.items()}, **more)
    built.results["threshold"] = threshold_curve(built)
    return built


def test_a_rare_class_gets_a_lower_threshold(context, answers):
    pairs = {"validation": rare(0), "test": rare(1)}
    built = made(context, answers, pairs)
    found = built.results["threshold"]
    assert found["chosen"] < 0.25
    assert not found["used"]
    truth, chance = pairs["validation"]
    assert found["chosen_value"] == pytest.approx(balanced_accuracy_score(truth, chance >= found["chosen"]))
    assert found["default_value"] == pytest.approx(balanced_accuracy_score(truth, chance >= 0.5))
    told = next(threshold_findings(built))
    assert (told.level, told.advice) == ("note", "to use it: decision.threshold=balanced_accuracy")


def test_a_good_default_threshold_has_few_false_alarms(context, answers):
    def fair(seed):
        draw = np.random.default_rng(seed)
        chance = draw.random(300)
        return (draw.random(300) < chance).astype(int), chance

    told = [
        next(threshold_findings(made(context, answers, {"validation": fair(seed), "test": fair(1000 + seed)}))).level
        for seed in range(100)
    ]
    assert told.count("note") <= 7


def test_a_metric_without_a_threshold_is_replaced(context, answers):
    built = made(context, answers, {"validation": rare(0), "test": rare(1)}, metric="roc_auc")
    assert built.results["threshold"]["by"] == "balanced_accuracy"


def test_three_classes_or_no_probabilities_have_no_threshold(context, answers, guessing):
    assert threshold_curve(context(guessing(0, {"validation": 50, "test": 50}))) is None
    three = answers(np.arange(30) % 3, np.arange(30) % 3, np.full((30, 3), 1 / 3), ("a", "b", "c"))
    assert threshold_curve(context({"validation": three})) is None
