"""The questions of a diagnosis, by the key of `evaluation.json` under which the answer stands."""

from collections.abc import Callable, Mapping
from typing import Any

from runtree.lifecycle.examination.diagnosis import (
    calibration,
    classes,
    findings,
    residuals,
    robustness,
    slices,
    threshold,
    training_size,
)
from runtree.lifecycle.examination.subject import Subject


def unless_none(function: Callable[[Subject], Any]) -> Callable[[Subject], Any]:
    """Return a question that is not asked where evaluator.diagnose is none."""

    def asked(subject: Subject) -> Any:
        return None if subject.options.diagnose == "none" else function(subject)

    return asked


QUESTIONS: Mapping[str, Callable[[Subject], Any]] = {
    "classes": unless_none(classes.examine),
    "calibration": unless_none(calibration.examine),
    "threshold": unless_none(threshold.examine),
    "slices": unless_none(slices.examine),
    "residuals": unless_none(residuals.examine),
    "robustness": unless_none(robustness.examine),
    "learning_curve": unless_none(training_size.examine),
    "findings": unless_none(findings.examine),  # the last: it reads the answers to all that was asked before
}
