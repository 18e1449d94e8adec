"""What groups are compared by: fairlearn's rates of two classes, and the metrics that a run may be scored by."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from runtree.contract.answers import Answers
from runtree.contract.errors import ConfigError, MissingError, unknown
from runtree.contract.run import Run
from runtree.contract.types import Metric
from runtree.lifecycle.examination.options import Fairness

WHERE = "evaluator.fairness.metrics"
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
AUTO: Mapping[str, tuple[str, ...]] = {
    "binary": (*RATES, "accuracy"),
    "classification": ("accuracy",),
    "regression": ("mae",),
}


def check_metrics(run: Run, asked: Fairness) -> None:
    """Refuse metrics that are none of the task's; a missing fairlearn names the extra that brings it."""
    if find_spec("fairlearn") is None:
        raise MissingError("evaluator.fairness needs fairlearn", "install it: pip install 'runtree[fairness]'")
    known = possible(run)
    for name in chosen(run, asked.metrics):
        if name not in known:
            raise unknown(f"{run.data.task} metric at {WHERE}:", name, known, error=ConfigError)
    if asked.max_gap is not None and asked.max_gap < 0:
        raise ConfigError(f"evaluator.fairness.max_gap: {asked.max_gap} is less than 0")


def chosen(run: Run, asked: str | Sequence[str]) -> list[str]:
    """Return the names of the metrics: those named, or the usual ones of the task."""
    if asked == "auto":
        return list(AUTO["binary" if len(run.data.classes) == 2 else run.data.task])
    return [asked] if isinstance(asked, str) else list(asked)


def possible(run: Run) -> list[str]:
    """Return what may be named."""
    own = [name for name, metric in run.catalogue.items() if run.data.task in metric.tasks]
    return [*(RATES if len(run.data.classes) == 2 else ()), *own]


def functions(
    answers: Answers, names: Sequence[str], catalogue: Mapping[str, Metric]
) -> dict[str, Callable[..., float]]:
    """Return for each metric a function that fairlearn's `MetricFrame` calls with true values and row numbers.

    Row numbers take the place of predictions, so that metrics of chances are asked in the same way as metrics of
    classes. A metric that a group does not define, such as the true positive rate where no row is positive, is NaN.
    """
    return {name: _rate(answers, name) if name in RATES else _metric(answers, catalogue[name]) for name in names}


def _rate(answers: Answers, name: str) -> Callable[..., float]:
    import fairlearn.metrics

    rate = getattr(fairlearn.metrics, name)
    needed = {"true_positive_rate": 1, "false_positive_rate": 0}.get(name)

    def value(y_true: Any, rows: Any) -> float:
        if needed is not None and not (y_true == needed).any():
            return float("nan")
        return float(rate(y_true, answers.y_pred[rows], pos_label=1))

    return value


def _metric(answers: Answers, metric: Metric) -> Callable[..., float]:
    def value(y_true: Any, rows: Any) -> float:
        found = some_of(answers, rows).value(metric)
        return float("nan") if found is None else float(found)

    return value


def some_of(answers: Answers, rows: Any) -> Answers:
    """Return the answers about some rows."""
    score = answers.score[rows] if answers.score is not None else None
    return Answers(answers.y_true[rows], answers.y_pred[rows], score, answers.classes)
