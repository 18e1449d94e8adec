"""What needs no fitting to see: a metric that hides the rare class, parts that disagree, one answer for all."""

import math
from collections.abc import Iterator

from runtree.contract.finding import Finding
from runtree.lifecycle.examination.diagnosis.level import reported, standard_error, value
from runtree.lifecycle.examination.subject import Subject

COMMON = 0.8  # share of the most common class from which accuracy says little
ERRORS = 3.0
ROUGH = 0.05  # standard error of a score between 0 and 1 that leaves runs indistinguishable
CURVES = ("roc_auc", "pr_auc")


def findings(subject: Subject) -> Iterator[Finding]:
    """Look at the metric, the parts and the answers."""
    yield from _metric(subject)
    yield from _one_answer(subject)
    yield from _ties(subject)
    yield from _parts(subject)


def _metric(subject: Subject) -> Iterator[Finding]:
    """Tell where accuracy rewards answering the most common class."""
    if not subject.run.data.classes or subject.metric.name != "accuracy":
        return
    shares = subject.run.data.target.value_counts(normalize=True)
    if float(shares.iloc[0]) >= COMMON:
        yield Finding(
            "metric",
            "warning",
            f"runs are ranked by accuracy, and {shares.iloc[0]:.0%} of the rows are {shares.index[0]!r}: always "
            "answering that scores as much",
            "rank them by another: objective.metric=balanced_accuracy, f1, mcc or pr_auc",
            {"share": float(shares.iloc[0])},
        )


def _one_answer(subject: Subject) -> Iterator[Finding]:
    """Tell where all rows are answered alike."""
    import numpy as np

    part = reported(subject)
    if part is None or subject.run.config.algorithm.get("name") == "dummy":
        return
    answers = subject.answers[part]
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


def _ties(subject: Subject) -> Iterator[Finding]:
    """Tell where a ranking metric rests on chances that hardly differ."""
    import numpy as np

    part = reported(subject)
    if part is None or subject.metric.name not in CURVES or len(subject.run.data.classes) != 2:
        return
    score = subject.answers[part].score
    if score is None or len(score) < 50:
        return
    _, counts = np.unique(score[:, 1], return_counts=True)
    tied = float(counts.max() / len(score))
    if tied > 0.5:
        yield Finding(
            "ties",
            "note",
            f"{tied:.0%} of the rows of {part} have one and the same chance: {subject.metric.name} cannot rank these",
            "an algorithm of finer chances, such as algorithm=logistic or algorithm=hist_gradient_boosting",
            {"share": tied, "distinct": len(counts)},
        )


def _parts(subject: Subject) -> Iterator[Finding]:
    """Tell where validation and test disagree by more than chance, or are too small to rank runs by."""
    if not {"validation", "test"} <= set(subject.answers):
        return
    metric = subject.metric
    one, other = (value(subject.answers[part], metric) for part in ("validation", "test"))
    errors = [standard_error(subject, part) for part in ("validation", "test")]
    noise = math.hypot(*errors)
    if not all(map(math.isfinite, (one, other, noise))):
        return
    values = {"validation": one, "test": other, "noise": noise}
    said = f"{metric.name}: {one:.4g} on validation, {other:.4g} on test"
    if abs(one - other) > ERRORS * noise and noise > 0:
        worse = subject.gain(one, other) > 0
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
            f"{metric.name} on the {len(subject.rows['validation'])} rows of validation is known to ± {errors[0]:.2g}: "
            "runs closer than twice that cannot be told apart",
            "more rows to judge by: evaluator=cross_validation, or data.validation_size=0.3",
            {"error": errors[0]},
        )
