"""From which chance on the second of two classes is answered, and what another threshold would bring."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.contract.finding import Finding
from runtree.contract.types import Metric
from runtree.lifecycle.decision.allowed import asked_of, metric_of
from runtree.lifecycle.decision.decide import FACT
from runtree.lifecycle.decision.options import COST
from runtree.lifecycle.decision.thresholds import USUAL, Worth, answered, by_cost, by_metric, draw
from runtree.lifecycle.examination.diagnosis.level import RESAMPLES, sample, take
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PART = "validation"
MOST = 40  # thresholds that are looked at
INSTEAD = "balanced_accuracy"  # where runs are ranked by a metric that does not depend on a threshold


def examine(subject: Subject) -> dict[str, Any] | None:
    """Return the worth of each threshold on the validation part, the best one, and whether one is used.

    It is judged by what `decision.threshold` names, else by the metric that runs are ranked by.
    """
    answers = _answers(subject, PART)
    if answers is None or answers.score is None:
        return None
    worth, facts = _worth(subject), subject.run.facts.get(FACT) or {}
    used = facts.get("threshold")
    curve = draw(answers.y_true, answers.score[:, 1], worth, MOST)
    chosen = curve.chosen if used is None else used
    return {
        "chosen": chosen,
        "by": worth.name,
        "part": PART,
        "curve": [
            {"threshold": one, "value": value} for one, value in zip(curve.thresholds, curve.values, strict=True)
        ],
        "default_value": curve.usual_value,
        "chosen_value": worth.value(answers.y_true, answered(answers.score[:, 1], chosen)),
        "used": used is not None,
    }


def _answers(subject: Subject, part: str) -> Answers | None:
    """Return a sample of a part's answers, where two classes have chances."""
    if part not in subject.answers or len(subject.run.data.classes) != 2:
        return None
    found = take(subject.answers[part], sample(subject, part))
    both = len(set(found.y_true.tolist())) == 2
    return found if found.score is not None and both else None


def _metric(subject: Subject) -> Metric:
    options = asked_of(subject.run)
    if isinstance(options.threshold, str) and options.threshold != COST:
        return metric_of(options, subject.run.catalogue)
    return subject.metric if subject.metric.needs == "prediction" else subject.run.catalogue[INSTEAD]


def _worth(subject: Subject) -> Worth:
    options = asked_of(subject.run)
    return by_cost(options.cost) if options.threshold == COST else by_metric(_metric(subject))


def findings(subject: Subject) -> Iterator[Finding]:
    """Tell whether another threshold is better on the test part too, where it was not chosen."""
    found, answers = subject.found.get("threshold"), _answers(subject, "test")
    if not found or found["used"] or answers is None or answers.score is None:
        return
    from runtree.statistics.bootstrap import bootstrap_difference

    metric, chance = _metric(subject), answers.score[:, 1]
    usual, other = (replace(answers, y_pred=answered(chance, one)) for one in (USUAL, found["chosen"]))
    difference = bootstrap_difference(other, usual, metric, 4 * RESAMPLES, 0.95, subject.run.seed)
    better = difference.value if metric.direction == "maximize" else -difference.value
    values = {"threshold": found["chosen"], "metric": metric.name, "gain": better, "p": difference.p}
    if better <= 0 or difference.tied:
        said = f"no other threshold than {USUAL} does better by {metric.name} on test, beyond chance"
        yield Finding("threshold", "good", said, "", values)
        return
    before, after = usual.value(metric), other.value(metric)
    yield Finding(
        "threshold",
        "note",
        f"{subject.run.data.classes[1]!r} answered from a chance of {found['chosen']:.2g} on, as validation has it, "
        f"gives {metric.name} {after:.4g} on test instead of {before:.4g}",
        f"to use it: decision.threshold={metric.name}",
        values,
    )
