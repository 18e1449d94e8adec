"""Whether chances come true as often as they say, against what perfect chances would show on as many rows."""

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
CALIBRATION_LEVEL = 0.05
MATTERS = 0.02  # an error of chances that is worth a word, however sure
ENOUGH = 1000  # rows from which isotonic regression does better than a sigmoid (scikit-learn, user guide 1.16.3)


@dataclass(frozen=True)
class BinaryOutcomes:
    """What is said and what came of it, row by row.

    For two classes `said` is the chance of the second, and `came` whether it was it; for more the chance of the class
    that is answered, and whether that was right.
    """

    said: "Array"
    came: "Array"


def binary_outcomes(context: EvaluationContext, part: str) -> BinaryOutcomes | None:
    """Return what the model said on a part; None where it gives no chances."""
    import numpy as np

    answers = take_rows(context.predictions[part], context.sample_rows(part))
    if answers.score is None:
        return None
    if len(answers.classes) == 2:
        return BinaryOutcomes(np.clip(answers.score[:, 1], 0, 1), answers.y_true == 1)
    likeliest = answers.score.argmax(axis=1)
    return BinaryOutcomes(np.clip(answers.score.max(axis=1), 0, 1), answers.y_true == likeliest)


def calibration_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the calibration curve and the expected calibration error.

    Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602, in bins of equal width.

    `noise` is the error that perfect chances show on as many rows in 19 of 20 cases, and `p` how often they show as
    great a one: drawn from the chances themselves (consistency resampling, Bröcker & Smith 2007,
    doi:10.1175/WAF993.1).
    """
    import numpy as np

    part = context.reporting_split
    if part is None or not context.run.data.classes:
        return None
    chances = binary_outcomes(context, part)
    if chances is None:
        return None
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    own = np.searchsorted(edges[1:-1], chances.said, side="right")
    rows = np.bincount(own, minlength=CALIBRATION_BINS)
    said, came = (
        np.bincount(own, weights=values, minlength=CALIBRATION_BINS) for values in (chances.said, chances.came)
    )
    ece = float(np.abs(came - said).sum() / rows.sum())
    drawn = _drawn(chances.said, own, said, context.run.seed)
    bins = [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "rows": int(rows[place]),
            "mean": float(said[place] / rows[place]),
            "share": float(came[place] / rows[place]),
        }
        for place in range(CALIBRATION_BINS)
        if rows[place]
    ]
    noise, p = float(np.quantile(drawn, 0.95)), float((1 + (drawn >= ece).sum()) / (1 + len(drawn)))
    return {"ece": ece, "noise": noise, "p": p, "bins": bins, "part": part, "rows": int(rows.sum())}


def _drawn(said: "Array", own: "Array", sums: "Array", seed: int) -> "Array":
    """Return the error of perfect chances on draws of what comes: of shape (SIMULATIONS,)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    order = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[order], np.flatnonzero(np.bincount(own, minlength=CALIBRATION_BINS)))
    ordered, there = said[order].astype(np.float32), sums[np.bincount(own, minlength=CALIBRATION_BINS) > 0]
    found = []
    for _ in range(SIMULATIONS):
        came = generator.random(len(ordered), dtype=np.float32) < ordered
        found.append(np.abs(np.add.reduceat(came, starts, dtype=float) - there).sum() / len(ordered))
    return np.array(found)


def calibration_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Say whether the model is surer, or less sure, than it may be; silent where it gives no chances."""
    found, part = context.results.get("calibration"), context.reporting_split
    chances = binary_outcomes(context, part) if found and part else None
    if not found or chances is None:
        return
    values = {key: found[key] for key in ("ece", "noise", "p")}
    said = f"chances are off by {found['ece']:.2g} on average on {found['part']}"
    if found["p"] >= CALIBRATION_LEVEL or found["ece"] < MATTERS:
        yield Finding(
            "calibration", "good", f"{said}; perfect ones show up to {found['noise']:.2g} on as many rows", "", values
        )
        return
    kind, detail = _direction(context, chances)
    yield Finding(
        "calibration",
        "warning",
        f"{said}, where perfect ones show up to {found['noise']:.2g}: {detail}",
        _calibration_remedy(context),
        {**values, "kind": kind},
    )


def _direction(context: EvaluationContext, chances: BinaryOutcomes) -> tuple[str, str]:
    """Tell surer than right, less sure than right, or too high for one class."""
    import numpy as np

    two = len(context.run.data.classes) == 2
    sure = np.maximum(chances.said, 1 - chances.said) if two else chances.said
    right = (chances.came == (chances.said >= 0.5)) if two else chances.came
    excess = float(sure.mean() - right.mean())
    noise = 2 * float(np.sqrt(np.mean(sure * (1 - sure)) / len(sure)))
    if excess > noise:
        return "over-confident", f"over-confident, {sure.mean():.0%} sure and {right.mean():.0%} right"
    if excess < -noise:
        return "under-confident", f"under-confident, {sure.mean():.0%} sure and {right.mean():.0%} right"
    if two:
        lean = float(chances.said.mean() - chances.came.mean())
        label = context.run.data.classes[1]
        return "leaning", f"{label!r} is said to have {chances.said.mean():.0%}, and has {chances.came.mean():.0%}" if (
            abs(lean) > noise
        ) else "too high for some rows and too low for others"
    return "uneven", "too high for some rows and too low for others"


def _calibration_remedy(context: EvaluationContext) -> str:
    """Return what to type; not the calibration that was used."""
    used = (context.run.metadata.get("decision") or {}).get("calibrate")
    rows, classes = len(context.run.split.validation), len(context.run.data.classes)
    if used:
        return "it was calibrated on few or other rows: a larger data.validation_size"
    method = "temperature" if classes > 2 else "isotonic" if rows >= ENOUGH else "sigmoid"
    holdout = "" if getattr(context.run.evaluator, "holds_out", True) else " evaluator=holdout"
    return f"set them right: decision.calibrate={method}{holdout}"


PART = "validation"
MOST = 40  # thresholds that are looked at
INSTEAD = "balanced_accuracy"  # where runs are ranked by a metric that does not depend on a threshold


def threshold_curve(context: EvaluationContext) -> dict[str, Any] | None:
    """Return the worth of each threshold on the validation part, the best one, and whether one is used.

    It is judged by what `decision.threshold` names, else by the metric that runs are ranked by.
    """
    answers = _binary_predictions(context, PART)
    if answers is None or answers.score is None:
        return None
    worth, facts = _worth(context), context.run.metadata.get(DECISION_KEY) or {}
    used = facts.get("threshold")
    curve = score_thresholds(answers.y_true, answers.score[:, 1], worth, MOST)
    chosen = curve.chosen if used is None else used
    return {
        "chosen": chosen,
        "by": worth.name,
        "part": PART,
        "curve": [
            {"threshold": one, "value": value} for one, value in zip(curve.thresholds, curve.values, strict=True)
        ],
        "default_value": curve.usual_value,
        "chosen_value": worth.value(answers.y_true, apply_threshold(answers.score[:, 1], chosen)),
        "used": used is not None,
    }


def _binary_predictions(context: EvaluationContext, part: str) -> Predictions | None:
    """Return a sample of a part's answers, where two classes have chances."""
    if part not in context.predictions or len(context.run.data.classes) != 2:
        return None
    found = take_rows(context.predictions[part], context.sample_rows(part))
    both = len(set(found.y_true.tolist())) == 2
    return found if found.score is not None and both else None


def _metric(context: EvaluationContext) -> Metric:
    options = read_decision(context.run)
    if isinstance(options.threshold, str) and options.threshold != COST:
        return threshold_metric(options, context.run.catalogue)
    return context.metric if context.metric.needs == "prediction" else context.run.catalogue[INSTEAD]


def _worth(context: EvaluationContext) -> ThresholdObjective:
    options = read_decision(context.run)
    return cost_objective(options.cost) if options.threshold == COST else metric_objective(_metric(context))


def threshold_findings(context: EvaluationContext) -> Iterator[Finding]:
    """Tell whether another threshold is better on the test part too, where it was not chosen."""
    found, answers = context.results.get("threshold"), _binary_predictions(context, "test")
    if not found or found["used"] or answers is None or answers.score is None:
        return
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, chance = _metric(context), answers.score[:, 1]
    usual, other = (
        replace(answers, y_pred=apply_threshold(chance, one)) for one in (DEFAULT_THRESHOLD, found["chosen"])
    )
    difference = bootstrap_difference(other, usual, metric, 4 * STANDARD_ERROR_RESAMPLES, 0.95, context.run.seed)
    better = difference.value if metric.direction == "maximize" else -difference.value
    values = {"threshold": found["chosen"], "metric": metric.name, "gain": better, "p": difference.p}
    if better <= 0 or difference.tied:
        said = f"no other threshold than {DEFAULT_THRESHOLD} does better by {metric.name} on test, beyond chance"
        yield Finding("threshold", "good", said, "", values)
        return
    before, after = usual.value(metric), other.value(metric)
    yield Finding(
        "threshold",
        "note",
        f"{context.run.data.classes[1]!r} answered from a chance of {found['chosen']:.2g} on, as validation has it, "
        f"gives {metric.name} {after:.4g} on test instead of {before:.4g}",
        f"to use it: decision.threshold={metric.name}",
        values,
    )
