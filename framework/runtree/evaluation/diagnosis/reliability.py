"""How reliable the scores are: the metric, constant predictions, ties, small splits, better baselines."""

import math
from collections.abc import Iterator

from runtree.contract.types import Finding
from runtree.evaluation.context import EvaluationContext, metric_value
from runtree.evaluation.diagnosis.suggestions import check_command
from runtree.training.decision import DECISION_KEY

MAX_CLASS_SHARE = 0.8  # of the most common class, from which accuracy says little
MAX_ERRORS = 3.0  # standard errors between two splits
MAX_STANDARD_ERROR = 0.05  # of a score between 0 and 1; beyond it runs are hard to distinguish
RANKING_METRICS = ("roc_auc", "pr_auc")
MIN_TIE_ROWS = 50
MAX_TIE_SHARE = 0.5


def reliability_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Check the metric, the predictions and the splits; nothing is fitted."""
    yield from _undefined_scores(context)
    yield from _few_groups(context)
    yield from _metric_finding(context)
    yield from _constant_prediction(context)
    yield from _tied_probabilities(context)
    yield from _split_agreement(context)


def _undefined_scores(context: EvaluationContext) -> Iterator[Finding]:
    """Warn of predictions that are not finite, and of a ranking metric without a value on a split."""
    for split, rows in context.not_finite.items():
        yield Finding(
            "not finite",
            "warning",
            f"the predictions of {rows:,} of {len(context.run.split.rows(split)):,} {split} rows are not finite: "
            "the evaluation leaves this split out",
            "the fit has diverged, or these rows lie far from those it learned from: preprocess=standard",
            {"part": split, "rows": rows},
        )
    for split, reasons in context.run.undefined.items():
        if context.metric.name in reasons and split not in context.not_finite:
            yield Finding(
                "undefined metric",
                "warning",
                f"{context.metric.name} is not defined on {split}: {reasons[context.metric.name]}",
                f"split otherwise: data.{split}_size=0.3; or choose another metric: objective.metric=NAME",
                {"part": split},
            )


def _few_groups(context: EvaluationContext) -> Iterator[Finding]:
    """Note that intervals were resampled from few groups."""
    intervals = context.results.get("intervals") or {}
    if intervals.get("note"):
        advice = "use more groups: a larger data.test_size, or evaluator=cross_validation"
        yield Finding("few groups", "note", intervals["note"], advice, {"groups": intervals["groups"]})


def _metric_finding(context: EvaluationContext) -> Iterator[Finding]:
    if not context.run.data.classes or context.metric.name != "accuracy":
        return
    shares = context.run.data.target.value_counts(normalize=True)
    if float(shares.iloc[0]) >= MAX_CLASS_SHARE:
        yield Finding(
            "metric",
            "warning",
            f"runs are ranked by accuracy, and {shares.iloc[0]:.0%} of the rows are {shares.index[0]!r}: always "
            "predicting it scores as high",
            "choose another metric: objective.metric=balanced_accuracy, f1, mcc or pr_auc",
            {"share": float(shares.iloc[0])},
        )


def _constant_prediction(context: EvaluationContext) -> Iterator[Finding]:
    import numpy as np

    split = context.reporting_split
    if split is None or context.run.config.algorithm.get("name") == "dummy":
        return
    predictions = context.predictions[split]
    y_true, y_pred, classes = predictions.y_true, predictions.y_pred, predictions.classes
    if len(y_pred) < 2 or len(np.unique(y_true)) == 1 or len(np.unique(y_pred)) > 1:
        return
    value = classes[int(y_pred[0])] if classes else float(y_pred[0])
    fix = "decision.threshold=balanced_accuracy" if len(classes) == 2 else check_command(context)
    yield Finding(
        "constant prediction",
        "warning",
        f"every row of {split} is predicted as {value!r}",
        f"the model does not separate the classes at its threshold: {fix}"
        if classes
        else f"see: {check_command(context)}",
        {"prediction": value},
    )


def _tied_probabilities(context: EvaluationContext) -> Iterator[Finding]:
    """Warn of a ranking metric on probabilities that are mostly equal."""
    import numpy as np

    split = context.reporting_split
    if split is None or context.metric.name not in RANKING_METRICS or len(context.run.data.classes) != 2:
        return
    score = context.predictions[split].score
    if score is None or len(score) < MIN_TIE_ROWS:
        return
    _, counts = np.unique(score[:, 1], return_counts=True)
    tied = float(counts.max() / len(score))
    if tied > MAX_TIE_SHARE:
        yield Finding(
            "ties",
            "note",
            f"{tied:.0%} of the rows of {split} have the same probability: {context.metric.name} cannot rank them",
            "choose an algorithm with finer probabilities: algorithm=logistic or algorithm=hist_gradient_boosting",
            {"share": tied, "distinct": len(counts)},
        )


def _split_agreement(context: EvaluationContext) -> Iterator[Finding]:
    """Warn if validation and test differ by more than noise, or are too small to rank runs by."""
    if not {"validation", "test"} <= set(context.predictions):
        return
    metric = context.metric
    validation, test = (metric_value(context.predictions[split], metric) for split in ("validation", "test"))
    errors = [context.standard_error(split) for split in ("validation", "test")]
    noise = math.hypot(*errors)
    if not all(map(math.isfinite, (validation, test, noise))):
        return
    values = {"validation": validation, "test": test, "noise": noise}
    scores = f"{metric.name}: {validation:.4g} on validation, {test:.4g} on test"
    if abs(validation - test) > MAX_ERRORS * noise and noise > 0:
        advice = (
            "the run was selected on too few rows, or the splits differ: evaluator=cross_validation; "
            + check_command(context)
            if context.gain(validation, test) > 0
            else "the splits differ: try another seed, data.split=stratified, or evaluator=cross_validation"
        )
        yield Finding("splits", "warning", f"{scores}: they differ by more than noise (± {noise:.2g})", advice, values)
    else:
        yield Finding("splits", "good", f"{scores}: they differ by no more than noise (± {noise:.2g})", "", values)
    unbounded = metric.name in ("log_loss", "brier")
    if metric.tasks == ("classification",) and not unbounded and errors[0] > MAX_STANDARD_ERROR:
        yield Finding(
            "small splits",
            "note",
            f"the {len(context.rows['validation'])} validation rows give {metric.name} to ± {errors[0]:.2g}: "
            "runs that differ by less than twice that cannot be distinguished",
            "use more validation rows: evaluator=cross_validation, or data.validation_size=0.3",
            {"error": errors[0]},
        )


def baseline_gap_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Warn of each baseline that is significantly better than the run."""
    task = context.run.data.task
    algorithms = {"boosted": "hist_gradient_boosting", "linear": "logistic" if task == "classification" else "ridge"}
    for baseline in context.results.get("baselines") or ():
        gain = baseline.get("gain") or {}
        value, high = gain.get("value"), gain.get("high")
        if value is None or high is None or high >= 0:
            continue
        algorithm = algorithms.get(baseline["name"])
        yield Finding(
            "baseline gap",
            "warning",
            f"the baseline '{baseline['name']}' is better: test {gain.get('metric')} by {-value:.3g} "
            f"(at least {-high:.3g})",
            f"use it, or find out what it learns: algorithm={algorithm}"
            if algorithm
            else f"check the data: {check_command(context)}",
            {"name": baseline["name"], **gain},
        )


def threshold_note_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Note that the block `decision` was fitted on the validation split, whose metrics are therefore biased."""
    decision = context.run.metadata.get(DECISION_KEY) or {}
    if not decision.get("part"):
        return
    fitted = [f"the {decision['calibrate']} calibration"] if decision.get("calibrate") else []
    fitted += [f"the threshold {decision['threshold']:.3g} (by {decision['by']})"] if decision.get("by") else []
    yield Finding(
        "decision",
        "note",
        f"{' and '.join(fitted)} {'were' if len(fitted) > 1 else 'was'} fitted on {decision['part']}, so that its "
        "metrics are slightly too good",
        "judge this run by its test metrics, or tune first and set decision last",
        dict(decision),
    )
