"""The parts of the diagnosis, by their key in `evaluation.json`, and the findings that are drawn from them."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runtree.contract.errors import first_line, raise_if_ours
from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext
from runtree.evaluation.diagnosis.classes import class_findings, class_report
from runtree.evaluation.diagnosis.convergence import convergence_findings
from runtree.evaluation.diagnosis.fit import fit_failure_findings, fit_findings, learning_curve, learning_curve_findings
from runtree.evaluation.diagnosis.probabilities import (
    calibration_curve,
    calibration_findings,
    threshold_curve,
    threshold_findings,
)
from runtree.evaluation.diagnosis.reliability import (
    baseline_gap_findings,
    reliability_findings,
    threshold_note_findings,
)
from runtree.evaluation.diagnosis.residuals import residual_findings, residual_patterns
from runtree.evaluation.diagnosis.robustness import robustness_findings, robustness_report
from runtree.evaluation.diagnosis.segments import segment_findings, weakest_segments
from runtree.evaluation.representation import representation_findings

log = logging.getLogger(__name__)

# in the order in which a reader needs them: first whether the model learned anything, last whether to trust the scores
FINDERS: tuple[Callable[[EvaluationContext], Iterator[Finding]], ...] = (
    fit_failure_findings,
    fit_findings,
    baseline_gap_findings,
    convergence_findings,
    class_findings,
    calibration_findings,
    threshold_findings,
    threshold_note_findings,
    segment_findings,
    residual_findings,
    robustness_findings,
    learning_curve_findings,
    reliability_findings,
    representation_findings,
)
ORDER = ("warning", "note", "good")


def collect_findings(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return the findings of the whole evaluation, warnings first; without a diagnosis only those of a failed fit."""
    if context.options.diagnose == "none":
        # a model that knows nothing must not pass for a completed run, and two scores of the train rows cost little
        return [finding.to_dict() for finding in _find(fit_failure_findings, context)] or None
    findings = [*context.run.table_findings]
    findings += [finding for finder in FINDERS for finding in _find(finder, context)]
    return [finding.to_dict() for finding in sorted(findings, key=lambda finding: ORDER.index(finding.level))]


def _find(finder: Callable[[EvaluationContext], Iterator[Finding]], context: EvaluationContext) -> list[Finding]:
    try:
        return list(finder(context))
    except BaseException as error:  # a finding is advice: one that fails must not hide the others
        raise_if_ours(error)
        log.warning("%s failed: %s: %s", finder.__name__, type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
        return []


def unless_disabled(function: Callable[[EvaluationContext], Any]) -> Callable[[EvaluationContext], Any]:
    """Return a step that is skipped where evaluator.diagnose is none."""

    def step(context: EvaluationContext) -> Any:
        return None if context.options.diagnose == "none" else function(context)

    return step


DIAGNOSES: Mapping[str, Callable[[EvaluationContext], Any]] = {
    "classes": unless_disabled(class_report),
    "calibration": unless_disabled(calibration_curve),
    "threshold": unless_disabled(threshold_curve),
    "slices": unless_disabled(weakest_segments),
    "residuals": unless_disabled(residual_patterns),
    "robustness": unless_disabled(robustness_report),
    "learning_curve": unless_disabled(learning_curve),
    "findings": collect_findings,  # the last: it reads the results of all the others
}
