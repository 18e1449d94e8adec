"""The `decision` block: whether chances are calibrated, and from which chance on a row is of the second class."""

import logging
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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

METHODS = ("sigmoid", "isotonic", "temperature")
COST = "cost"


@dataclass(frozen=True)
class DecisionOptions:
    """All of the block; see docs/diagnosis.md."""

    calibrate: str | None = None
    threshold: str | Number | None = None
    cost: ErrorCosts = field(default_factory=ErrorCosts)

    @property
    def is_set(self) -> bool:
        """Whether the model is changed at all."""
        return self.calibrate is not None or self.threshold is not None

    @property
    def needs_validation(self) -> bool:
        """Whether something of it is learnt from rows that the model did not see."""
        return self.calibrate is not None or isinstance(self.threshold, str)


def decision_options(node: Mapping[str, Any]) -> DecisionOptions:
    """Read a `decision` node.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that cannot be.
    """
    return read_block(DecisionOptions, node, "decision", {"cost": ErrorCosts}, _check)


def _check(options: DecisionOptions) -> None:
    threshold, cost = options.threshold, options.cost
    if options.calibrate is not None and options.calibrate not in METHODS:
        raise ConfigError(f"decision.calibrate: {options.calibrate!r} is not one of {', '.join(METHODS)}")
    if isinstance(threshold, bool) or (isinstance(threshold, (int, float)) and not 0 < threshold < 1):
        raise ConfigError(
            f"decision.threshold: {threshold} is no chance between 0 and 1", "or name a metric, or type cost"
        )
    told = [value for value in (cost.false_positive, cost.false_negative) if value is not None]
    if threshold == COST and (len(told) < 2 or min(told) < 0 or not sum(told)):
        raise ConfigError(
            "decision.threshold=cost needs what both errors cost",
            "type: decision.cost.false_positive=1 decision.cost.false_negative=5",
        )
    if told and threshold != COST:
        raise ConfigError("decision.cost: nobody asks what errors cost", "type: decision.threshold=cost")


# --- A fitted algorithm within what decides for it, and back: scikit-learn's own wrappers round a frozen estimator.

WRAPPERS = ("CalibratedClassifierCV", "FixedThresholdClassifier", "FrozenEstimator")


def calibrate(algorithm: Any, method: str, rows: Any, target: Any) -> Any:
    """Return a fitted classifier with its chances mapped as rows that it did not see ask for.

    See scikit-learn's `CalibratedClassifierCV` with a `FrozenEstimator`; `temperature` after Guo et al. 2017,
    arXiv:1706.04599.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    return CalibratedClassifierCV(FrozenEstimator(algorithm), method=method).fit(rows, target)


def fix_threshold(algorithm: Any, threshold: float, rows: Any, target: Any) -> Any:
    """Return a fitted classifier of two classes that answers the second one from a chance on.

    Nothing is learnt from the rows: scikit-learn's `FixedThresholdClassifier` asks them for their type.
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import FixedThresholdClassifier

    second = algorithm.classes_.tolist()[1]
    wrapper = FixedThresholdClassifier(
        FrozenEstimator(algorithm), threshold=threshold, pos_label=second, response_method="predict_proba"
    )
    return wrapper.fit(rows, target)


def unwrap_layers(last: Any) -> Iterator[Any]:
    """Yield a pipeline's last step and, where that decides for another, the other, down to the algorithm itself."""
    yield last
    if type(last).__name__ in WRAPPERS and type(last).__module__.startswith("sklearn."):
        yield from unwrap_layers(last.estimator)


def unwrap(last: Any) -> Any:
    """Return the algorithm itself."""
    return list(unwrap_layers(last))[-1]


def rewrap(last: Any, other: Any) -> Any:
    """Return what decides as `last` does, calibration and threshold included, for another algorithm."""
    own = unwrap(last)
    return other if last is own else deepcopy(last, {id(own): other})


# --- What keeps a decision from being taken: said before any work is done, with the config path.

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_decision(run: ActiveRun) -> DecisionOptions:
    """Return what the run's config asks."""
    return decision_options(run.config.to_dict().get("decision") or {})


def check_decision(run: ActiveRun) -> None:
    """Refuse a decision that the task, the algorithm or the evaluator does not allow.

    Raises
    ------
    ConfigError
        A regression, no chances, a threshold for more than two classes, no rows to learn it from.
    """
    options = read_decision(run)
    if not options.is_set:
        return
    path = "decision.calibrate" if options.calibrate is not None else "decision.threshold"
    if not run.data.classes:
        raise ConfigError(f"{path}: the task is {run.data.task}, which has no chances to decide by")
    if options.threshold is not None and len(run.data.classes) != 2:
        raise ConfigError(
            f"decision.threshold: there are {len(run.data.classes)} classes, and a threshold parts two",
            "to set chances right: decision.calibrate=temperature",
        )
    _check_algorithm(options, run.estimator)
    if isinstance(options.threshold, str) and options.threshold != COST:
        threshold_metric(options, run.catalogue)
    if options.needs_validation and not getattr(run.evaluator, "holds_out", True):
        raise ConfigError(
            f"{path}: evaluator={run.config.evaluator.get('name')} holds no validation part out to learn it from",
            "type: evaluator=holdout, or a number: decision.threshold=0.3",
        )


def _check_algorithm(options: DecisionOptions, algorithm: Any) -> None:
    name, predict_proba = type(algorithm).__name__, hasattr(algorithm, "predict_proba")
    if options.calibrate is not None and not predict_proba and not hasattr(algorithm, "decision_function"):
        raise ConfigError(f"decision.calibrate: {name} gives neither chances nor scores")
    if options.threshold is not None and options.calibrate is None and not predict_proba:
        raise ConfigError(
            f"decision.threshold: {name} gives no chances",
            "type: decision.calibrate=sigmoid, which makes chances of its scores"
            if hasattr(algorithm, "decision_function")
            else "choose an algorithm that does: algorithm=logistic",
        )


def threshold_metric(options: DecisionOptions, known: "Mapping[str, Metric]") -> Metric:
    """Return the metric that a threshold is chosen by."""
    fitting = {name: one for name, one in known.items() if "classification" in one.tasks and one.needs == "prediction"}
    name = str(options.threshold)
    if name not in fitting:
        more = f"{name} does not depend on a threshold" if name in known else ""
        raise unknown("metric at decision.threshold:", name, [*fitting, COST], more, error=ConfigError)
    return fitting[name]


# --- The fitted algorithm becomes what is scored, saved and served: calibrated, then cut at a threshold, as asked.

log = logging.getLogger(__name__)

DECISION_KEY = "decision"  # of a run: what was decided, by what, on which part


def apply_decision(run: ActiveRun, algorithm: Any, held: tuple[Any, Any]) -> Any:
    """Return the algorithm with what the block `decision` asks for round it; itself where nothing is asked.

    Parameters
    ----------
    held
        Rows and target of the validation part, prepared; of a fixed threshold alone any rows.
    """
    options = read_decision(run)
    facts: dict[str, Any] = {"calibrate": options.calibrate, "threshold": None, "by": None}
    facts |= {"part": "validation" if options.needs_validation else None}
    if options.calibrate is not None:
        _check_classes(run, held)
        algorithm = calibrate(algorithm, options.calibrate, *held)
    if options.threshold is not None:
        threshold = options.threshold
        if isinstance(threshold, str):
            worth, found = choose_threshold(run, options, algorithm, held)
            threshold = found.chosen
            facts |= {"by": worth.name, "default_value": found.usual_value, "chosen_value": found.chosen_value}
        facts["threshold"] = float(threshold)
        algorithm = fix_threshold(algorithm, float(threshold), *held)
    run.metadata[DECISION_KEY] = facts
    log.info("decision: %s", ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None))
    return algorithm


def reapply_decision(run: ActiveRun, algorithm: Any, rows: tuple[Any, Any]) -> Any:
    """Return a copy of the run's algorithm, fitted on other rows, with the decision of the run round it.

    A threshold that is a number needs no model that has learnt it: a fold is fitted before there is one.
    """
    options = read_decision(run)
    if options.is_set and not options.needs_validation:
        return fix_threshold(algorithm, float(options.threshold or 0.5), *rows)
    return rewrap(run.model[-1], algorithm)


def choose_threshold(
    run: ActiveRun, options: DecisionOptions, algorithm: Any, held: tuple[Any, Any]
) -> tuple[ThresholdObjective, ThresholdCurve]:
    """Find the best threshold on rows that the algorithm did not see."""
    from runtree.contract.predictions import encode_labels, predict_proba

    rows, target = held
    found = predict_proba(algorithm, rows, run.data.classes)
    if found is None:  # calibration gives chances to whom has none
        raise DataError("decision.threshold: the model gives no chances")
    worth = threshold_objective(run, options)
    return worth, score_thresholds(encode_labels(target, run.data.classes), found[:, 1], worth)


def threshold_objective(run: ActiveRun, options: DecisionOptions) -> ThresholdObjective:
    """Return what a threshold is asked to be chosen by."""
    return (
        cost_objective(options.cost)
        if options.threshold == COST
        else metric_objective(threshold_metric(options, run.catalogue))
    )


def _check_classes(run: ActiveRun, held: tuple[Any, Any]) -> None:
    lacking = [label for label in run.data.classes if label not in set(held[1].tolist())]
    if lacking:
        raise DataError(
            f"decision.calibrate: the validation part has no row of class {lacking[0]!r} to learn from",
            "type: data.split=stratified, or a larger data.validation_size",
        )
