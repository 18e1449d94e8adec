"""A fit that knows nothing of its own train rows is told, whatever the algorithm and the diagnosis."""

import numpy as np
import pytest

from runtree.evaluation.diagnosis.fit import fit_failure_findings
from runtree.evaluation.diagnosis.registry import collect_findings

ROWS = 60
TRUTH = np.arange(ROWS) % 3
SURE = np.eye(3)[TRUTH]
NUMBERS = np.arange(ROWS, dtype=float)


def predictions(answers, right, score=None):
    """Return predictions of three classes of which a share is right."""
    y_pred = np.where(np.arange(ROWS) < right * ROWS, TRUTH, (TRUTH + 1) % 3)
    return answers(TRUTH, y_pred, score, classes=("a", "b", "c"))


def wrong_and_sure(answers):
    # right more often than by chance, and certain where it is wrong: what boosting of many classes leaves
    y_pred = np.where(np.arange(ROWS) < 0.5 * ROWS, TRUTH, (TRUTH + 1) % 3)
    return answers(TRUTH, y_pred, np.eye(3)[y_pred], classes=("a", "b", "c"))


@pytest.mark.parametrize(
    ("train", "says"),
    [
        (
            lambda answers: predictions(answers, 0.2),
            "the fit has learned nothing: balanced_accuracy 0.2 on its own train",
        ),
        (lambda answers: predictions(answers, 0.2, np.eye(3)[(TRUTH + 1) % 3]), "the fit has learned nothing"),
        (
            wrong_and_sure,
            "the probabilities are worse than none: log loss 18.02 on the train rows, and 1.099 for 3 equal",
        ),
        (lambda answers: answers(NUMBERS, NUMBERS + 200, classes=()), "always predicting the mean"),
        (
            lambda answers: answers(NUMBERS, np.full(ROWS, NUMBERS.mean()), classes=()),
            "the fit has learned nothing: rmse",
        ),
        (lambda answers: predictions(answers, 1.0, SURE), None),
        (lambda answers: predictions(answers, 0.5), None),
        # all rows of one class, but ranked: another finding is about the threshold
        (lambda answers: answers(TRUTH, np.zeros(ROWS, int), (SURE + 1) / 4, classes=("a", "b", "c")), None),
        (lambda answers: answers(NUMBERS, NUMBERS + 1, classes=()), None),
    ],
)
def test_what_is_no_better_than_knowing_nothing(context, answers, train, says):
    own = {"train": train(answers)}
    found = list(fit_failure_findings(context(own, algorithm={"name": "any", "learning_rate": 0.1})))
    assert [finding.level for finding in found] == (["warning"] if says else [])
    if says:
        assert says in found[0].says
        assert "algorithm.learning_rate=0.01" in found[0].advice
        assert "runtree check algorithm=any" in found[0].advice
    assert not list(fit_failure_findings(context(own, algorithm={"name": "dummy"})))


def test_it_is_looked_for_without_a_diagnosis(context, answers):
    failed, fine = ({"train": predictions(answers, right)} for right in (0.2, 0.9))
    assert [finding["name"] for finding in collect_findings(context(failed, diagnose="none"))] == ["failed fit"]
    assert collect_findings(context(fine, diagnose="none")) is None
