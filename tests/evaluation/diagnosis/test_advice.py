import numpy as np

from runtree.evaluation.diagnosis.reliability import reliability_findings


def told(context):
    return {finding.name: finding for finding in reliability_findings(context)}


def test_accuracy_on_a_rare_class_is_no_metric(context, answers):
    truth = (np.arange(200) % 20 == 0).astype(int)
    found = told(context({"test": answers(truth, truth)}, metric="accuracy"))["metric"]
    assert "always answering that" in found.says
    assert "metric" not in told(context({"test": answers(truth, truth)}, metric="f1"))


def test_one_answer_for_all_is_told(context, answers):
    truth = np.arange(100) % 2
    found = told(context({"test": answers(truth, np.zeros(100, dtype=int))}))["one answer"]
    assert (found.level, found.values["answer"]) == ("warning", "no")


def test_parts_that_disagree_beyond_chance_are_told_and_others_are_not(context, guessing):
    sizes = {"validation": 300, "test": 300}
    apart = told(context(guessing(0, sizes, {"validation": 0.95, "test": 0.7})))["parts"]
    assert (apart.level, "evaluator=cross_validation" in apart.advice) == ("warning", True)
    alike = [told(context(guessing(seed, sizes, 0.8)))["parts"].level for seed in range(100)]
    assert alike.count("good") >= 98


def test_a_part_too_small_to_rank_by_is_told(context, guessing):
    assert "small parts" in told(context(guessing(0, {"validation": 40, "test": 40}, 0.8)))
    assert "small parts" not in told(context(guessing(0, {"validation": 400, "test": 400}, 0.8)))


def test_chances_that_hardly_differ_cannot_rank(context, answers):
    truth, chance = np.arange(100) % 2, np.where(np.arange(100) < 70, 0.5, 0.9)
    assert told(context({"test": answers(truth, truth, chance)}, metric="roc_auc"))["ties"].values["distinct"] == 2
