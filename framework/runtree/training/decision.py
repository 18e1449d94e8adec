"""The `decision` block: calibrated probabilities, and the threshold from which a row is of the positive class.

Both are scikit-learn meta-estimators around the frozen fitted algorithm. They are part of the fit, so that the wrapped
estimator is what is scored, saved and served.
"""

import logging
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.types import Metric
from runtree.training.active_run import ActiveRun
from runtree.training.thresholds import (
    ErrorCosts,
    Number,
    ThresholdCurve,
    ThresholdObjective,
    cost_objective,
    metric_objective,
    score_thresholds,
)

COST = "cost"
DECISION_KEY = "decision"  # in `run.metadata` and `model.json`

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecisionOptions:
    """All of the block; see docs/diagnosis.md."""

    calibrate: Literal["sigmoid", "isotonic", "temperature"] | None = None
    threshold: str | Number | None = None
    cost: ErrorCosts = field(default_factory=ErrorCosts)

    @property
    def is_set(self) -> bool:
        """Whether the block changes the model."""
        return self.calibrate is not None or self.threshold is not None

    @property
    def needs_validation(self) -> bool:
        """Whether calibration or threshold are learnt from rows that the model has not seen."""
        return self.calibrate is not None or isinstance(self.threshold, str)


def decision_options(node: Mapping[str, Any]) -> DecisionOptions:
    """Read a `decision` node.

    Raises
    ------
    ConfigError
        An unknown key, or a value of the wrong type or range.
    """
    return read_block(DecisionOptions, node, "decision", {"cost": ErrorCosts}, _check)


def _check(options: DecisionOptions) -> None:
    threshold, cost = options.threshold, options.cost
    # a boolean is an integer in Python, and `true` in YAML would pass as the threshold 1
    if isinstance(threshold, bool) or (isinstance(threshold, (int, float)) and not 0 < threshold < 1):
        raise ConfigError(
            f"decision.threshold: {threshold} is not a probability between 0 and 1", "or name a metric, or type cost"
        )
    costs = [value for value in (cost.false_positive, cost.false_negative) if value is not None]
    if threshold == COST and (len(costs) < 2 or min(costs) < 0 or not sum(costs)):
        raise ConfigError(
            "decision.threshold=cost needs the costs of both errors",
            "type: decision.cost.false_positive=1 decision.cost.false_negative=5",
        )
    # refused rather than ignored: a user who sets a cost expects it to change the decisions
    if costs and threshold != COST:
        raise ConfigError(
            "decision.cost is not used unless the threshold is chosen by cost", "type: decision.threshold=cost"
        )


# scikit-learn's wrappers around a fitted algorithm, and the attribute that holds it
WRAPPERS = {
    "CalibratedClassifierCV": "estimator",
    "FixedThresholdClassifier": "estimator",
    "FrozenEstimator": "estimator",
    "TransformedTargetRegressor": "regressor",
}


def calibrate(algorithm: Any, method: str, rows: Any, target: Any) -> Any:
    """Return a fitted classifier whose probabilities are calibrated on rows that it has not seen.

    See scikit-learn's `CalibratedClassifierCV` with a `FrozenEstimator`; `temperature` after Guo et al. 2017,
    arXiv:1706.04599.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    # frozen: without it scikit-learn would fit clones of the algorithm on the validation rows
    return CalibratedClassifierCV(FrozenEstimator(algorithm), method=method).fit(rows, target)


def fix_threshold(algorithm: Any, threshold: float, positive: Any, rows: Any, target: Any) -> Any:
    """Return a fitted binary classifier that predicts the class `positive` from a probability on.

    Nothing is learnt from the rows: scikit-learn's `FixedThresholdClassifier` validates their type.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier

    wrapper = FixedThresholdClassifier(
        FrozenEstimator(algorithm), threshold=threshold, pos_label=positive, response_method="predict_proba"
    )
    return wrapper.fit(rows, target)


def unwrap_layers(last: Any) -> Iterator[Any]:
    """Yield a pipeline's last step and the estimators that it wraps, down to the algorithm itself."""
    yield last
    # by name: to compare with the classes would import sklearn.calibration for every model
    if type(last).__name__ in WRAPPERS and type(last).__module__.startswith("sklearn."):
        inner = getattr(last, WRAPPERS[type(last).__name__])
        # around an algorithm that is not frozen it is the user's own algorithm
        if type(last).__name__ != "TransformedTargetRegressor" or type(inner).__name__ == "FrozenEstimator":
            yield from unwrap_layers(inner)


def unwrap(last: Any) -> Any:
    """Return the algorithm within calibration, threshold and transformation of the target."""
    return list(unwrap_layers(last))[-1]


def rewrap(last: Any, algorithm: Any) -> Any:
    """Return another algorithm within the wrappers of `last`."""
    wrapped = unwrap(last)
    # the memo of deepcopy replaces one object in the copy, however deep the wrappers hold it
    return algorithm if last is wrapped else deepcopy(last, {id(wrapped): algorithm})


def read_decision(run: ActiveRun) -> DecisionOptions:
    """Read the run's `decision` block."""
    return decision_options(run.config.to_dict().get("decision") or {})


def check_decision(run: ActiveRun) -> None:
    """Refuse a block that the task, the algorithm or the evaluator does not allow.

    Raises
    ------
    ConfigError
        A regression, no probabilities, a threshold for more than two classes, or no rows to learn it from.
    """
    options = read_decision(run)
    if not options.is_set:
        return
    path = "decision.calibrate" if options.calibrate is not None else "decision.threshold"
    if not run.data.classes:
        raise ConfigError(f"{path}: the task is {run.data.task}, which has no probabilities")
    if options.threshold is not None and len(run.data.classes) != 2:
        raise ConfigError(
            f"decision.threshold: there are {len(run.data.classes)} classes, and a threshold separates two",
            "to calibrate probabilities: decision.calibrate=temperature",
        )
    _check_algorithm(options, run.estimator)
    if isinstance(options.threshold, str) and options.threshold != COST:
        threshold_metric(options, run.catalogue)
    # under cross-validation all rows outside the test split are train rows: nothing is left that the model has not seen
    if options.needs_validation and not getattr(run.evaluator, "holds_out", True):
        raise ConfigError(
            f"{path}: evaluator={run.config.evaluator.get('name')} holds out no validation split to learn it from",
            "type: evaluator=holdout, or a number: decision.threshold=0.3",
        )


def _check_algorithm(options: DecisionOptions, algorithm: Any) -> None:
    name, has_proba = type(algorithm).__name__, hasattr(algorithm, "predict_proba")
    if options.calibrate is not None and not has_proba and not hasattr(algorithm, "decision_function"):
        raise ConfigError(f"decision.calibrate: {name} has neither predict_proba nor decision_function")
    if options.threshold is not None and options.calibrate is None and not has_proba:
        raise ConfigError(
            f"decision.threshold: {name} gives no probabilities",
            "type: decision.calibrate=sigmoid, which makes probabilities of its scores"
            if hasattr(algorithm, "decision_function")
            else "choose an algorithm that does: algorithm=logistic",
        )


def threshold_metric(options: DecisionOptions, known: Mapping[str, Metric]) -> Metric:
    """Return the metric that the threshold is chosen by; one of probabilities does not depend on it."""
    possible = {
        name: metric
        for name, metric in known.items()
        if "classification" in metric.tasks and metric.needs == "prediction"
    }
    name = str(options.threshold)
    if name not in possible:
        hint = f"{name} does not depend on a threshold" if name in known else ""
        raise unknown("metric at decision.threshold:", name, [*possible, COST], hint, error=ConfigError)
    return possible[name]


def apply_decision(run: ActiveRun, algorithm: Any, held_out: tuple[Any, Any]) -> Any:
    """Return the fitted algorithm within the calibration and threshold of the block `decision`.

    Parameters
    ----------
    held_out
        Preprocessed rows and target of the validation split; for a fixed threshold alone any rows.
    """
    options = read_decision(run)
    facts: dict[str, Any] = {"calibrate": options.calibrate, "threshold": None, "by": None}
    facts |= {"part": "validation" if options.needs_validation else None}
    if options.calibrate is not None:
        _check_classes(run, held_out)
        algorithm = calibrate(algorithm, options.calibrate, *held_out)  # before the threshold, which cuts its result
    if options.threshold is not None:
        threshold = options.threshold
        if isinstance(threshold, str):
            objective, curve = choose_threshold(run, options, algorithm, held_out)
            threshold = curve.chosen
            facts |= {"by": objective.name, "default_value": curve.usual_value, "chosen_value": curve.chosen_value}
        facts["threshold"] = float(threshold)
        algorithm = fix_threshold(algorithm, float(threshold), run.data.positive, *held_out)
    run.metadata[DECISION_KEY] = facts
    log.info("decision: %s", ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None))
    return algorithm


def reapply_decision(run: ActiveRun, algorithm: Any, rows: tuple[Any, Any]) -> Any:
    """Return a clone of the algorithm, fitted on other rows, within the calibration and threshold of the run.

    A fixed threshold is set again: folds may be fitted before the run has a model to take it from.
    """
    options = read_decision(run)
    if options.is_set and not options.needs_validation:
        return fix_threshold(algorithm, float(options.threshold or 0.5), run.data.positive, *rows)
    return rewrap(run.model[-1], algorithm)


def choose_threshold(
    run: ActiveRun, options: DecisionOptions, algorithm: Any, held_out: tuple[Any, Any]
) -> tuple[ThresholdObjective, ThresholdCurve]:
    """Return the objective and its value at each threshold, on rows that the algorithm has not seen."""
    from runtree.contract.predictions import encode_labels, predict_proba

    rows, target = held_out
    y_proba = predict_proba(algorithm, rows, run.data.classes)
    if y_proba is None:
        raise DataError("decision.threshold: the model gives no probabilities")
    objective = threshold_objective(run, options)
    return objective, score_thresholds(encode_labels(target, run.data.classes), y_proba[:, 1], objective)


def threshold_objective(run: ActiveRun, options: DecisionOptions) -> ThresholdObjective:
    """Return the objective of the threshold: the mean cost, or a metric."""
    if options.threshold == COST:
        return cost_objective(options.cost)
    return metric_objective(threshold_metric(options, run.catalogue))


def _check_classes(run: ActiveRun, held_out: tuple[Any, Any]) -> None:
    # without rows of a class there is nothing to calibrate its probability by
    missing = [label for label in run.data.classes if label not in set(held_out[1].tolist())]
    if missing:
        raise DataError(
            f"decision.calibrate: the validation split has no row of class {missing[0]!r} to learn from",
            "type: data.split=stratified, or a larger data.validation_size",
        )
