"""What needs no fitting to see: a metric that hides the rare class, parts that disagree, one answer for all."""

import math
from collections.abc import Iterator

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, metric_value
from runtree.training.decision import DECISION_KEY

COMMON = 0.8  # share of the most common class from which accuracy says little
ERRORS = 3.0
ROUGH = 0.05  # standard error of a score between 0 and 1 that leaves runs indistinguishable
CURVES = ("roc_auc", "pr_auc")


def reliability_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Look at the metric, the parts and the answers."""
    yield from _metric(context)
    yield from _one_answer(context)
    yield from _ties(context)
    yield from _parts(context)


def _metric(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where accuracy rewards answering the most common class."""
    if not context.run.data.classes or context.metric.name != "accuracy":
        return
    shares = context.run.data.target.value_counts(normalize=True)
    if float(shares.iloc[0]) >= COMMON:
        yield Finding(
            "metric",
            "warning",
            f"runs are ranked by accuracy, and {shares.iloc[0]:.0%} of the rows are {shares.index[0]!r}: always "
            "answering that scores as much",
            "rank them by another: objective.metric=balanced_accuracy, f1, mcc or pr_auc",
            {"share": float(shares.iloc[0])},
        )


def _one_answer(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where all rows are answered alike."""
    import numpy as np

    part = context.reporting_split
    if part is None or context.run.config.algorithm.get("name") == "dummy":
        return
    answers = context.predictions[part]
    if len(answers.y_pred) > 1 and len(np.unique(answers.y_true)) > 1 and len(np.unique(answers.y_pred)) == 1:
        one = answers.classes[int(answers.y_pred[0])] if answers.classes else float(answers.y_pred[0])
        fix = "decision.threshold=balanced_accuracy" if len(answers.classes) == 2 else "runtree check"
        yield Finding(
            "one answer",
            "warning",
            f"every row of {part} is answered by {one!r}",
            f"the model tells no two rows apart at its threshold: {fix}" if answers.classes else "see: runtree check",
            {"answer": one},
        )


def _ties(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where a ranking metric rests on chances that hardly differ."""
    import numpy as np

    part = context.reporting_split
    if part is None or context.metric.name not in CURVES or len(context.run.data.classes) != 2:
        return
    score = context.predictions[part].score
    if score is None or len(score) < 50:
        return
    _, counts = np.unique(score[:, 1], return_counts=True)
    tied = float(counts.max() / len(score))
    if tied > 0.5:
        yield Finding(
            "ties",
            "note",
            f"{tied:.0%} of the rows of {part} have one and the same chance: {context.metric.name} cannot rank these",
            "an algorithm of finer chances, such as algorithm=logistic or algorithm=hist_gradient_boosting",
            {"share": tied, "distinct": len(counts)},
        )


def _parts(context: EvaluationContext) -> Iterator[Finding]:
    """Tell where validation and test disagree by more than chance, or are too small to rank runs by."""
    if not {"validation", "test"} <= set(context.predictions):
        return
    metric = context.metric
    one, other = (metric_value(context.predictions[part], metric) for part in ("validation", "test"))
    errors = [context.standard_error(part) for part in ("validation", "test")]
    noise = math.hypot(*errors)
    if not all(map(math.isfinite, (one, other, noise))):
        return
    values = {"validation": one, "test": other, "noise": noise}
    said = f"{metric.name}: {one:.4g} on validation, {other:.4g} on test"
    if abs(one - other) > ERRORS * noise and noise > 0:
        worse = context.gain(one, other) > 0
        advice = (
            "the choice was made on too few rows, or the parts differ: evaluator=cross_validation; runtree check"
            if worse
            else "the parts differ: another seed, data.split=stratified, or evaluator=cross_validation"
        )
        yield Finding("parts", "warning", f"{said}, further apart than chance (± {noise:.2g})", advice, values)
    else:
        yield Finding("parts", "good", f"{said}, no further apart than chance (± {noise:.2g})", "", values)
    if metric.tasks == ("classification",) and metric.name not in ("log_loss", "brier") and errors[0] > ROUGH:
        yield Finding(
            "small parts",
            "note",
            f"{metric.name} on the {len(context.rows['validation'])} rows of validation is known to ± {errors[0]:.2g}: "
            "runs closer than twice that cannot be told apart",
            "more rows to judge by: evaluator=cross_validation, or data.validation_size=0.3",
            {"error": errors[0]},
        )


# --- Whether a baseline that was fitted beside the model is better than it.

OPTIONS = {"boosted": "hist_gradient_boosting", "linear": "logistic"}  # what a baseline is called as an algorithm
LINE = "ridge"  # … where the task is a regression


def baseline_gap_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Name each baseline whose gain is below 0 by more than chance; silent where none is, or none was fitted."""
    for one in context.results.get("baselines") or ():
        gain = one.get("gain") or {}
        difference, high = gain.get("value"), gain.get("high")
        if difference is None or high is None or high >= 0:
            continue
        option = OPTIONS.get(one["name"], "")
        option = LINE if option == "logistic" and not context.run.data.classes else option
        yield Finding(
            "beaten",
            "warning",
            f"the baseline '{one['name']}' is better: {gain.get('metric')} on test by {-difference:.3g} "
            f"(at least {-high:.3g})",
            f"take it, or find out what it sees: algorithm={option}" if option else "look at the data: runtree check",
            {"name": one["name"], **gain},
        )


# --- What the block `decision` learnt from the validation part, which therefore judges no more.


def threshold_note_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Say that validation metrics are those of rows that something was learnt from."""
    facts = context.run.metadata.get(DECISION_KEY) or {}
    if not facts.get("part"):
        return
    learnt = [f"the {facts['calibrate']} calibration"] if facts.get("calibrate") else []
    learnt += [f"the threshold {facts['threshold']:.3g} (by {facts['by']})"] if facts.get("by") else []
    yield Finding(
        "decision",
        "note",
        f"{' and '.join(learnt)} {'were' if len(learnt) > 1 else 'was'} learnt on {facts['part']}: its metrics are "
        "a little better than they should be",
        "judge this run by its test metrics, or tune first and set decision last",
        dict(facts),
    )
