"""What keeps a decision from being taken: said before any work is done, with the config path."""

from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.run import Run
from runtree.contract.types import Metric
from runtree.lifecycle.decision.options import COST, DecisionOptions, decision_options

if TYPE_CHECKING:
    from collections.abc import Mapping


def asked_of(run: Run) -> DecisionOptions:
    """Return what the run's config asks."""
    return decision_options(run.config.plain().get("decision") or {})


def check_decision(run: Run) -> None:
    """Refuse a decision that the task, the algorithm or the evaluator does not allow.

    Raises
    ------
    ConfigError
        A regression, no chances, a threshold for more than two classes, no rows to learn it from.
    """
    options = asked_of(run)
    if not options.asked:
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
        metric_of(options, run.catalogue)
    if options.learns and not getattr(run.evaluator, "holds_out", True):
        raise ConfigError(
            f"{path}: evaluator={run.config.evaluator.get('name')} holds no validation part out to learn it from",
            "type: evaluator=holdout, or a number: decision.threshold=0.3",
        )


def _check_algorithm(options: DecisionOptions, algorithm: Any) -> None:
    name, chances = type(algorithm).__name__, hasattr(algorithm, "predict_proba")
    if options.calibrate is not None and not chances and not hasattr(algorithm, "decision_function"):
        raise ConfigError(f"decision.calibrate: {name} gives neither chances nor scores")
    if options.threshold is not None and options.calibrate is None and not chances:
        raise ConfigError(
            f"decision.threshold: {name} gives no chances",
            "type: decision.calibrate=sigmoid, which makes chances of its scores"
            if hasattr(algorithm, "decision_function")
            else "choose an algorithm that does: algorithm=logistic",
        )


def metric_of(options: DecisionOptions, known: "Mapping[str, Metric]") -> Metric:
    """Return the metric that a threshold is chosen by."""
    fitting = {name: one for name, one in known.items() if "classification" in one.tasks and one.needs == "prediction"}
    name = str(options.threshold)
    if name not in fitting:
        more = f"{name} does not depend on a threshold" if name in known else ""
        raise unknown("metric at decision.threshold:", name, [*fitting, COST], more, error=ConfigError)
    return fitting[name]
