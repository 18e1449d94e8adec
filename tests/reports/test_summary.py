import re

import pytest

from runtree.reports.run.content import read_run_content
from runtree.reports.summary import decide_verdict


def gain(low, high, name="dummy", better_by=None):
    value = 0.1 if low is None else (low + high) / 2
    others = {"other_metrics": [{"metric": better_by, "better": True, "p": 0.01}]} if better_by else {}
    return {"name": name, "gain": {"metric": "roc_auc", "value": value, "low": low, "high": high}, **others}


GOOD = {"baselines": [gain(0.1, 0.2), gain(0.02, 0.1, "linear"), gain(-0.1, 0.1, "boosted")]}
MISSED = {"passed": False, "conditions": [{"condition": "test.f1 >= 0.9", "value": 0.5, "passed": False, "reason": ""}]}
MET = {"passed": True, "conditions": [{"condition": "test.f1 >= 0.4", "value": 0.5, "passed": True, "reason": ""}]}
WARNS = [{"name": "overfitting", "level": "warning", "says": "train 1.0, validation 0.6", "advice": "less"}]


@pytest.mark.parametrize(
    ("found", "word", "why"),
    [
        (GOOD, "Better than guessing and a linear model", "as good as boosted trees by ROC AUC; no target was set"),
        ({"baselines": GOOD["baselines"][:2]}, "Better than the baselines", "no target was set"),
        (GOOD | {"benchmark": MET}, "Ship", "passes the quality gate"),
        (GOOD | {"benchmark": MET, "findings": WARNS}, "Ship", "see 1 warning below"),
        (GOOD | {"benchmark": MISSED}, "Do not ship", "required test.f1 >= 0.9, got 0.5000"),
        (GOOD | {"findings": WARNS}, "Better than guessing and a linear model", "See 1 warning below"),
        ({"baselines": [gain(-0.1, 0.1)]}, "Not better than guessing", "by no metric is it shown to be better"),
        ({"baselines": [gain(-0.1, 0.1, better_by="accuracy")]}, "Better than guessing by some metrics", "by accuracy, not by ROC AUC: 0.0"),
        ({"baselines": [gain(-0.3, -0.1)]}, "Not better than guessing", "no target was set"),
        ({"baselines": [gain(0.1, 0.2), gain(-0.2, -0.1, "boosted")]}, "Worse than boosted trees", "worse by ROC AUC"),
        ({"baselines": [gain(-0.2, -0.1, "linear", "f1")]}, "Worse than a linear model", "and better by F1"),
        ({"baselines": [gain(0.1, 0.2), gain(-0.1, 0.1, "linear")]}, "As good as a linear model", "which is simpler, is as good"),
        ({"baselines": [gain(None, None)]}, "Not compared", "whether it is better than guessing was not tested"),
        (GOOD | {"fairness": [{"column": "sex", "passed": False}]}, "Do not ship", "groups of sex are treated differently"),
        (GOOD | {"fairness": [{"column": "sex", "passed": None}]}, "Better than guessing and a linear model", "no target"),
        ({}, "Not compared", "no baseline and no quality gate"),
    ],
)  # fmt: skip
def test_the_verdict_and_why(write, found, word, why):
    told = decide_verdict(read_run_content(write(found=found)))
    assert told.word == word
    assert why in told.sentence


NOTHING_SET = [
    {"baselines": [gain(low, high, name, better_by) for low, high in limits for name in ("dummy", "linear", "boosted")]}
    for limits in ([(-0.2, -0.1)], [(-0.1, 0.1)], [(0.1, 0.2)], [(None, None)], [(0.1, 0.2), (-0.2, -0.1)])
    for better_by in (None, "accuracy")
]


@pytest.mark.parametrize("found", [{}, *NOTHING_SET])
def test_without_a_target_nothing_is_decided(write, found):
    """Words of a decision, and the colour of one, follow a gate."""
    for name, findings in (("one", []), ("two", WARNS)):
        told = decide_verdict(read_run_content(write(name=name, found=found | {"findings": findings})))
        assert "no target was set" in told.sentence
        assert told.level != "good"
        assert "stop" not in [reason.level for reason in told.reasons]
        assert not re.search("ship|undecided", f"{told.word} {told.sentence}", re.IGNORECASE)


def test_every_reason_is_told(write):
    found = GOOD | {"benchmark": MISSED, "findings": WARNS, "test_looks": {"count": 9, "configurations": 7}}
    told = decide_verdict(read_run_content(write(found=found)))
    assert [reason.level for reason in told.reasons] == ["stop", "good", "good", "note", "warning", "note"]
    assert "7 configurations were scored" in told.reasons[-1].says


def test_the_same_config_scored_again_does_not_flatter(write):
    told = decide_verdict(read_run_content(write(found=GOOD | {"test_looks": {"count": 9, "configurations": 1}})))
    assert "note" not in [reason.level for reason in told.reasons if "test part" in reason.says]


def test_a_failed_run_has_no_model(write):
    error = {"type": "DataError", "message": "data.path: no such file\nmore", "hints": ["look"]}
    told = decide_verdict(read_run_content(write(state="failed", reason="error", error=error)))
    assert (told.word, told.sentence) == ("No model", "the run is failed: data.path: no such file.")
    assert [reason.says for reason in told.reasons] == ["look"]
