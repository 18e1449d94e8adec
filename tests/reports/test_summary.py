import pytest

from runtree.reports.run.content import read_run_content
from runtree.reports.summary import decide_verdict


def gain(low, high, name="dummy"):
    return {"name": name, "gain": {"metric": "roc_auc", "value": (low + high) / 2, "low": low, "high": high}}


GOOD = {"baselines": [gain(0.1, 0.2), gain(0.02, 0.1, "linear"), gain(-0.1, 0.1, "boosted")]}
MISSED = {"passed": False, "conditions": [{"condition": "test.f1 >= 0.9", "value": 0.5, "passed": False, "reason": ""}]}
MET = {"passed": True, "conditions": [{"condition": "test.f1 >= 0.4", "value": 0.5, "passed": True, "reason": ""}]}
WARNS = [{"name": "overfitting", "level": "warning", "says": "train 1.0, validation 0.6", "advice": "less"}]


@pytest.mark.parametrize(
    ("found", "word", "why"),
    [
        (GOOD, "Ship", "better than guessing and a linear model"),
        (GOOD | {"benchmark": MET}, "Ship", "passes the quality gate"),
        (GOOD | {"benchmark": MET, "findings": WARNS}, "Ship", "see 1 warning below"),
        (GOOD | {"benchmark": MISSED}, "Do not ship", "required test.f1 >= 0.9, got 0.5000"),
        (GOOD | {"findings": WARNS}, "Undecided", "train 1.0, validation 0.6"),
        ({"baselines": [gain(-0.1, 0.1)]}, "Do not ship", "not shown to be better than guessing"),
        ({"baselines": [gain(0.1, 0.2), gain(-0.2, -0.1, "boosted")]}, "Do not ship", "worse than boosted trees"),
        ({"baselines": [gain(0.1, 0.2), gain(-0.1, 0.1, "linear")]}, "Undecided", "no better than a linear model, which is simpler"),
        (GOOD | {"fairness": [{"column": "sex", "passed": False}]}, "Do not ship", "groups of sex are treated differently"),
        (GOOD | {"fairness": [{"column": "sex", "passed": None}]}, "Ship", "no check failed"),
        ({}, "Undecided", "no baseline and no quality gate"),
    ],
)  # fmt: skip
def test_the_verdict_and_why(write, found, word, why):
    told = decide_verdict(read_run_content(write(found=found)))
    assert told.word == word
    assert why in told.sentence


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
