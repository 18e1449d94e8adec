import numpy as np

from runtree.evaluation.diagnosis.reliability import reliability_findings


def findings(context):
    return {finding.name: finding for finding in reliability_findings(context)}


def test_accuracy_with_a_rare_class_is_a_warning(context, answers):
    truth = (np.arange(200) % 20 == 0).astype(int)
    found = findings(context({"test": answers(truth, truth)}, metric="accuracy"))["metric"]
    assert "always predicting it" in found.says
    assert "metric" not in findings(context({"test": answers(truth, truth)}, metric="f1"))


def test_one_answer_for_all_is_findings(context, answers):
    truth = np.arange(100) % 2
    found = findings(context({"test": answers(truth, np.zeros(100, dtype=int))}))["constant prediction"]
    assert (found.level, found.values["prediction"]) == ("warning", "no")


def test_splits_that_differ_significantly_are_a_warning(context, guessing):
    sizes = {"validation": 300, "test": 300}
    apart = findings(context(guessing(0, sizes, {"validation": 0.95, "test": 0.7})))["splits"]
    assert (apart.level, "evaluator=cross_validation" in apart.advice) == ("warning", True)
    alike = [findings(context(guessing(seed, sizes, 0.8)))["splits"].level for seed in range(100)]
    assert alike.count("good") >= 98


def test_a_part_too_small_to_rank_by_is_findings(context, guessing):
    assert "small splits" in findings(context(guessing(0, {"validation": 40, "test": 40}, 0.8)))
    assert "small splits" not in findings(context(guessing(0, {"validation": 400, "test": 400}, 0.8)))


def test_tied_probabilities_are_a_note(context, answers):
    truth, chance = np.arange(100) % 2, np.where(np.arange(100) < 70, 0.5, 0.9)
    assert findings(context({"test": answers(truth, truth, chance)}, metric="roc_auc"))["ties"].values["distinct"] == 2
