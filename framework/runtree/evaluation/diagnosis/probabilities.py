"""Calibration of the predicted probabilities, and the decision threshold of two classes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.predictions import Predictions
from runtree.contract.types import Finding, Metric
from runtree.evaluation.context import STANDARD_ERROR_RESAMPLES, EvaluationContext, take_rows
from runtree.training.decision import COST, DECISION_KEY, read_decision, threshold_metric
from runtree.training.thresholds import (
    DEFAULT_THRESHOLD,
    ThresholdObjective,
    apply_threshold,
    cost_objective,
    metric_objective,
    score_thresholds,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

CALIBRATION_BINS = 10
SIMULATIONS = 200
ALPHA = 0.05
MIN_CALIBRATION_ERROR = 0.02  # a smaller one is not worth a warning, however significant
MIN_ISOTONIC_ROWS = 1000  # from which isotonic regression beats a sigmoid (scikit-learn, user guide 1.16.3)

THRESHOLD_SPLIT = "validation"
MAX_THRESHOLDS = 40
DEFAULT_METRIC = "balanced_accuracy"  # of thresholds, if the ranking metric does not depend on one


@dataclass(frozen=True)
class BinaryOutcomes:
    """The probability of one event in each row, and whether the event occurred.

    Of two classes the event is the second class; of more, that the predicted class is right.
    """

    probability: "Array"
    occurred: "Array"


def binary_outcomes(context: EvaluationContext, split: str) -> BinaryOutcomes | None:
    """Return the outcomes of a sample of a split; None if the model has no probabilities."""
    import numpy as np

    predictions = take_rows(context.predictions[split], context.sample_rows(split))
    if predictions.score is None:
        return None
    # for more classes only the confidence is judged: a curve for each class would need rows of each in each bin
    if len(predictions.classes) == 2:
        return BinaryOutcomes(np.clip(predictions.score[:, 1], 0, 1), predictions.y_true == 1)
    predicted = predictions.score.argmax(axis=1)
    return BinaryOutcomes(np.clip(predictions.score.max(axis=1), 0, 1), predictions.y_true == predicted)


def calibration_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the calibration curve, the expected calibration error, and the part of it due to sampling.

    The error is that of Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602, in bins of equal width. `noise` is the 95 %
    quantile of the error that perfectly calibrated probabilities show on as many rows, and `p` the probability of an
    error as large: outcomes are drawn from the probabilities themselves (consistency resampling, Bröcker & Smith 2007,
    doi:10.1175/WAF993.1).
    """
    import numpy as np

    split = context.reporting_split
    if split is None or not context.run.data.classes:
        return None
    outcomes = binary_outcomes(context, split)
    if outcomes is None:
        return None
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    # without the outer edges, so that a probability of exactly 1 falls into the last bin
    place = np.searchsorted(edges[1:-1], outcomes.probability, side="right")
    rows = np.bincount(place, minlength=CALIBRATION_BINS)
    predicted, observed = (
        np.bincount(place, weights=values, minlength=CALIBRATION_BINS)
        for values in (outcomes.probability, outcomes.occurred)
    )
    error = float(np.abs(observed - predicted).sum() / rows.sum())
    simulated = _simulate_errors(outcomes.probability, place, predicted, context.run.seed)
    bins = [
        {
            "low": float(edges[number]),
            "high": float(edges[number + 1]),
            "rows": int(rows[number]),
            "mean": float(predicted[number] / rows[number]),
            "share": float(observed[number] / rows[number]),
        }
        for number in range(CALIBRATION_BINS)
        if rows[number]
    ]
    noise = float(np.quantile(simulated, 0.95))
    # the observed error counts as one of the simulations, so that p is never 0 (Davison & Hinkley 1997, §4.2)
    p = float((1 + (simulated >= error).sum()) / (1 + len(simulated)))
    return {"ece": error, "noise": noise, "p": p, "bins": bins, "part": split, "rows": int(rows.sum())}


def _simulate_errors(probability: "Array", place: "Array", predicted: "Array", seed: int) -> "Array":
    """Return the calibration error of perfectly calibrated probabilities, of shape (SIMULATIONS,).

    Rows are sorted by bin once, so that each simulation is one draw and one `reduceat`.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    order, counts = np.argsort(place, kind="stable"), np.bincount(place, minlength=CALIBRATION_BINS)
    starts = np.searchsorted(place[order], np.flatnonzero(counts))
    # float32 halves the time of the draws, and its rounding is far below the noise that is simulated
    ordered, expected = probability[order].astype(np.float32), predicted[counts > 0]
    errors = []
    for _ in range(SIMULATIONS):
        occurred = generator.random(len(ordered), dtype=np.float32) < ordered
        errors.append(np.abs(np.add.reduceat(occurred, starts, dtype=float) - expected).sum() / len(ordered))
    return np.array(errors)


def calibration_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Warn of a calibration error that is both significant and large, and say in which direction."""
    curve, split = context.results.get("calibration"), context.reporting_split
    outcomes = binary_outcomes(context, split) if curve and split else None
    if not curve or outcomes is None:
        return
    values = {key: curve[key] for key in ("ece", "noise", "p")}
    message = (
        f"calibration error {curve['ece']:.2g} on {curve['part']}; a perfectly calibrated model would show up to "
        f"{curve['noise']:.2g} on this many rows"
    )
    if curve["p"] >= ALPHA or curve["ece"] < MIN_CALIBRATION_ERROR:
        yield Finding("calibration", "good", message, "", values)
        return
    kind, detail = _direction(context, outcomes)
    yield Finding(
        "calibration", "warning", f"{message}: {detail}", _calibration_advice(context), {**values, "kind": kind}
    )


def _direction(context: EvaluationContext, outcomes: BinaryOutcomes) -> tuple[str, str]:
    """Return whether the model is over- or under-confident, or its probabilities lean to one class."""
    import numpy as np

    two, probability, occurred = len(context.run.data.classes) == 2, outcomes.probability, outcomes.occurred
    confidence = np.maximum(probability, 1 - probability) if two else probability
    correct = (occurred == (probability >= 0.5)) if two else occurred
    excess = float(confidence.mean() - correct.mean())
    # two standard errors of the accuracy of calibrated probabilities
    noise = 2 * float(np.sqrt(np.mean(confidence * (1 - confidence)) / len(confidence)))
    if abs(excess) > noise:
        kind = "over-confident" if excess > 0 else "under-confident"
        return kind, f"{kind}, mean confidence {confidence.mean():.0%} and accuracy {correct.mean():.0%}"
    uneven = "too high for some rows and too low for others"
    if not two:
        return "uneven", uneven
    if abs(float(probability.mean() - occurred.mean())) <= noise:
        return "leaning", uneven
    label = context.run.data.classes[1]
    return "leaning", f"mean probability of {label!r} {probability.mean():.0%}, observed {occurred.mean():.0%}"


def _calibration_advice(context: EvaluationContext) -> str:
    decision = context.run.metadata.get("decision") or {}
    if decision.get("calibrate"):
        return "it was calibrated on few or different rows: use a larger data.validation_size"
    rows, classes = len(context.run.split.validation), len(context.run.data.classes)
    # one parameter for all classes, where a curve for each class would need many rows of each
    method = "temperature" if classes > 2 else "isotonic" if rows >= MIN_ISOTONIC_ROWS else "sigmoid"
    holdout = "" if getattr(context.run.evaluator, "holds_out", True) else " evaluator=holdout"
    return f"calibrate them: decision.calibrate={method}{holdout}"


def threshold_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the value of each threshold on the validation split, the best one, and whether one is used.

    The value is what `decision.threshold` names: a metric or the cost; else the ranking metric.
    """
    predictions = _binary_predictions(context, THRESHOLD_SPLIT)
    if predictions is None or predictions.score is None:
        return None
    objective, decision = _objective(context), context.run.metadata.get(DECISION_KEY) or {}
    used = decision.get("threshold")
    curve = score_thresholds(predictions.y_true, predictions.score[:, 1], objective, MAX_THRESHOLDS)
    chosen = curve.chosen if used is None else used
    return {
        "chosen": chosen,
        "by": objective.name,
        "part": THRESHOLD_SPLIT,
        "curve": [
            {"threshold": threshold, "value": value}
            for threshold, value in zip(curve.thresholds, curve.values, strict=True)
        ],
        "default_value": curve.usual_value,
        "chosen_value": objective.value(predictions.y_true, apply_threshold(predictions.score[:, 1], chosen)),
        "used": used is not None,
    }


def _binary_predictions(context: EvaluationContext, split: str) -> Predictions | None:
    """Return a sample of a split's predictions, if there are probabilities of two classes that both occur."""
    if split not in context.predictions or len(context.run.data.classes) != 2:
        return None
    predictions = take_rows(context.predictions[split], context.sample_rows(split))
    both = len(set(predictions.y_true.tolist())) == 2
    return predictions if predictions.score is not None and both else None


def _threshold_metric(context: EvaluationContext) -> Metric:
    options = read_decision(context.run)
    if isinstance(options.threshold, str) and options.threshold != COST:
        return threshold_metric(options, context.run.catalogue)
    return context.metric if context.metric.needs == "prediction" else context.run.catalogue[DEFAULT_METRIC]


def _objective(context: EvaluationContext) -> ThresholdObjective:
    options = read_decision(context.run)
    return cost_objective(options.cost) if options.threshold == COST else metric_objective(_threshold_metric(context))


def threshold_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Note a threshold that was best on validation and is significantly better on test, where it was not chosen."""
    curve, predictions = context.results.get("threshold"), _binary_predictions(context, "test")
    if not curve or curve["used"] or predictions is None or predictions.score is None:
        return
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, probability = _threshold_metric(context), predictions.score[:, 1]
    default, chosen = (
        replace(predictions, y_pred=apply_threshold(probability, threshold))
        for threshold in (DEFAULT_THRESHOLD, curve["chosen"])
    )
    # on the test split: on validation the chosen threshold is the best by construction
    groups = context.groups("test")
    groups = None if groups is None else groups[context.sample_rows("test")]
    resamples = 4 * STANDARD_ERROR_RESAMPLES
    difference = bootstrap_difference(chosen, default, metric, resamples, 0.95, context.run.seed, groups)
    gain = difference.value if metric.direction == "maximize" else -difference.value
    values = {"threshold": curve["chosen"], "metric": metric.name, "gain": gain, "p": difference.p}
    if gain <= 0 or difference.tied:
        message = f"no other threshold is significantly better than {DEFAULT_THRESHOLD} by {metric.name} on test"
        yield Finding("threshold", "good", message, "", values)
        return
    before, after = default.value(metric), chosen.value(metric)
    yield Finding(
        "threshold",
        "note",
        f"predicting {context.run.data.classes[1]!r} from a probability of {curve['chosen']:.2g} raises test "
        f"{metric.name} from {before:.4g} to {after:.4g}",
        f"to use it: decision.threshold={metric.name}",
        values,
    )
