"""The fitted algorithm becomes what is scored, saved and served: calibrated, then cut at a threshold, as asked."""

import logging
from typing import Any

from runtree.contract.errors import DataError
from runtree.contract.run import Run
from runtree.lifecycle.decision.allowed import asked_of, metric_of
from runtree.lifecycle.decision.options import COST, DecisionOptions
from runtree.lifecycle.decision.thresholds import Curve, Worth, by_cost, by_metric, draw
from runtree.lifecycle.decision.wrapping import calibrated, cut, with_algorithm

log = logging.getLogger(__name__)

FACT = "decision"  # of a run: what was decided, by what, on which part


def decide(run: Run, algorithm: Any, held: tuple[Any, Any]) -> Any:
    """Return the algorithm with what the block `decision` asks for round it; itself where nothing is asked.

    Parameters
    ----------
    held
        Rows and target of the validation part, prepared; of a fixed threshold alone any rows.
    """
    options = asked_of(run)
    facts: dict[str, Any] = {"calibrate": options.calibrate, "threshold": None, "by": None}
    facts |= {"part": "validation" if options.learns else None}
    if options.calibrate is not None:
        _check_classes(run, held)
        algorithm = calibrated(algorithm, options.calibrate, *held)
    if options.threshold is not None:
        threshold = options.threshold
        if isinstance(threshold, str):
            worth, found = learn(run, options, algorithm, held)
            threshold = found.chosen
            facts |= {"by": worth.name, "default_value": found.usual_value, "chosen_value": found.chosen_value}
        facts["threshold"] = float(threshold)
        algorithm = cut(algorithm, float(threshold), *held)
    run.facts[FACT] = facts
    log.info("decision: %s", ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None))
    return algorithm


def decide_alike(run: Run, algorithm: Any, rows: tuple[Any, Any]) -> Any:
    """Return a copy of the run's algorithm, fitted on other rows, with the decision of the run round it.

    A threshold that is a number needs no model that has learnt it: a fold is fitted before there is one.
    """
    options = asked_of(run)
    if options.asked and not options.learns:
        return cut(algorithm, float(options.threshold or 0.5), *rows)
    return with_algorithm(run.model[-1], algorithm)


def learn(run: Run, options: DecisionOptions, algorithm: Any, held: tuple[Any, Any]) -> tuple[Worth, Curve]:
    """Find the best threshold on rows that the algorithm did not see."""
    from runtree.contract.answers import chances, codes

    rows, target = held
    found = chances(algorithm, rows, run.data.classes)
    if found is None:  # calibration gives chances to whom has none
        raise DataError("decision.threshold: the model gives no chances")
    worth = worth_of(run, options)
    return worth, draw(codes(target, run.data.classes), found[:, 1], worth)


def worth_of(run: Run, options: DecisionOptions) -> Worth:
    """Return what a threshold is asked to be chosen by."""
    return by_cost(options.cost) if options.threshold == COST else by_metric(metric_of(options, run.catalogue))


def _check_classes(run: Run, held: tuple[Any, Any]) -> None:
    lacking = [label for label in run.data.classes if label not in set(held[1].tolist())]
    if lacking:
        raise DataError(
            f"decision.calibrate: the validation part has no row of class {lacking[0]!r} to learn from",
            "type: data.split=stratified, or a larger data.validation_size",
        )
