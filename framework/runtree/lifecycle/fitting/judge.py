"""How a model is scored on its way: a loss and the metrics that are asked for, on the train and the watched rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtree.contract.answers import Answers, chances, codes
from runtree.contract.errors import ConfigError
from runtree.contract.iteration import is_loss
from runtree.contract.run import Run
from runtree.contract.types import Direction, Metric
from runtree.lifecycle import metrics
from runtree.lifecycle.fitting.options import FitOptions

Rows = tuple[Any, Any]
WATCHED = ("train", "validation")


def judge(run: Run, chosen: Sequence[Metric], parts: Mapping[str, Rows]) -> Callable[[Any], dict[str, float]]:
    """Return a function that scores an algorithm: ``train_loss``, ``validation_roc_auc`` …"""
    from joblib import parallel_config
    from sklearn import config_context

    classes = run.data.classes
    asked = {
        part: (rows, codes(target, classes) if classes else target.astype(float))
        for part, (rows, target) in parts.items()
    }

    def score(model: Any) -> dict[str, float]:
        found: dict[str, float] = {}
        with parallel_config("sequential"), config_context(assume_finite=True, skip_parameter_validation=True):
            for part, (rows, truth) in asked.items():
                answers = ask_once(model, rows, truth, classes)
                found[f"{part}_loss"] = loss(answers)
                found |= {f"{part}_{name}": value for name, value in answers.values(chosen).items()}
        return found

    return score


def ask_once(model: Any, rows: Any, truth: Any, classes: tuple[Any, ...]) -> Answers:
    """Ask a model about some rows; where it gives chances, the likeliest class is what it predicts."""
    score = chances(model, rows, classes) if classes else None
    if score is not None:
        return Answers(truth, score.argmax(axis=1), score, classes)
    predicted = model.predict(rows)
    return Answers(truth, codes(predicted, classes) if classes else predicted.astype(float).ravel(), None, classes)


def loss(answers: Answers) -> float:
    """Return the loss of an algorithm that tells none.

    For classes the log loss, its chances kept from 0 by the type's epsilon; the error rate where there are no chances.
    For a quantity the mean squared error, in squared units of the target.
    """
    import numpy as np

    if not answers.classes:
        return float(np.mean((answers.y_true - answers.y_pred) ** 2))
    if answers.score is None:
        return float(np.mean(answers.y_true != answers.y_pred))
    likely = answers.score[np.arange(len(answers.y_true)), answers.y_true]
    return float(-np.mean(np.log(np.clip(likely, np.finfo(likely.dtype).eps, 1.0))))


def choose(options: FitOptions, run: Run) -> list[Metric]:
    """Return the metrics of each check: the objective, or those of `fit.metrics`, and what the rules look at."""
    ranked, _ = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    names = [ranked.name] if options.metrics == "auto" else list(options.metrics)
    if options.patience.checks is not None and options.patience.metric is None:
        names.append(ranked.name)
    names += [name for name in watched_names(options) if name in run.catalogue]
    return metrics.choose(dict.fromkeys(names), run.data.task, run.catalogue)


def watched_names(options: FitOptions) -> list[str]:
    """Return the metrics that the rules look at, without the part's name."""
    asked: Iterable[str | None] = (
        options.tolerance.metric if options.tolerance.min_change is not None else None,
        options.patience.metric if options.patience.checks is not None else None,
    )
    return [split_name(name)[1] for name in asked if name]


def split_name(name: str) -> tuple[str, str]:
    """Return the part and the metric of ``validation_roc_auc``."""
    part, _, metric = name.partition("_")
    return (part, metric) if part in WATCHED else ("", name)


def direction_of(name: str, run: Run) -> Direction:
    """Return whether more or less of a reported metric is better."""
    metric = split_name(name)[1]
    if metric in run.catalogue:
        return run.catalogue[metric].direction
    return "minimize" if is_loss(metric) else "maximize"


def check_watched(options: FitOptions, has_rows: bool) -> None:
    """Refuse rules that look at validation rows where there are none."""
    rules = {"patience": options.patience.checks, "tolerance": options.tolerance.min_change}
    for key, value in rules.items():
        metric = getattr(options, key).metric
        if value is not None and not has_rows and (metric is None or metric.startswith("validation_")):
            raise ConfigError(
                f"fit.{key}: there are no rows to watch: this evaluator keeps none apart",
                "type: fit.validation_fraction=0.1, or evaluator=holdout",
            )
