"""How a model is scored on its way: a loss and the metrics that are asked for, on the train and the watched rows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.iteration import is_loss
from runtree.contract.predictions import Predictions, encode_labels, predict_proba
from runtree.contract.types import Direction, Metric
from runtree.records.layout import RunFolder
from runtree.statistics import metrics
from runtree.statistics.metrics import objective
from runtree.statistics.metrics import select_metrics as named
from runtree.training.active_run import ActiveRun
from runtree.training.callback import FitCallback
from runtree.training.checkpoints import Checkpoints
from runtree.training.fit_plan import FitOptions, FitPlan
from runtree.training.history import split_name, trim_history
from runtree.training.stopping import DEFAULT_DIVERGENCE_FACTOR, Divergence, NoImprovement, StopRules

Rows = tuple[Any, Any]


def make_scorer(
    run: ActiveRun, chosen: Sequence[Metric], parts: Mapping[str, Rows]
) -> Callable[[Any], dict[str, float]]:
    """Return a function that scores an algorithm: ``train_loss``, ``validation_roc_auc`` …"""
    from joblib import parallel_config
    from sklearn import config_context

    classes = run.data.classes
    asked = {
        part: (rows, encode_labels(target, classes) if classes else target.astype(float))
        for part, (rows, target) in parts.items()
    }

    def score(model: Any) -> dict[str, float]:
        found: dict[str, float] = {}
        with parallel_config("sequential"), config_context(assume_finite=True, skip_parameter_validation=True):
            for part, (rows, truth) in asked.items():
                answers = predict_once(model, rows, truth, classes)
                found[f"{part}_loss"] = loss(answers)
                found |= {f"{part}_{name}": value for name, value in answers.values(chosen).items()}
        return found

    return score


def predict_once(model: Any, rows: Any, truth: Any, classes: tuple[Any, ...]) -> Predictions:
    """Ask a model about some rows; where it gives chances, the likeliest class is what it predicts."""
    score = predict_proba(model, rows, classes) if classes else None
    if score is not None:
        return Predictions(truth, score.argmax(axis=1), score, classes)
    predicted = model.predict(rows)
    return Predictions(
        truth, encode_labels(predicted, classes) if classes else predicted.astype(float).ravel(), None, classes
    )


def loss(answers: Predictions) -> float:
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


def monitored_metrics(options: FitOptions, run: ActiveRun) -> list[Metric]:
    """Return the metrics of each check: the objective, or those of `fit.metrics`, and what the rules look at."""
    ranked, _ = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    names = [ranked.name] if options.metrics == "auto" else list(options.metrics)
    if options.patience.checks is not None and options.patience.metric is None:
        names.append(ranked.name)
    names += [name for name in watched_names(options) if name in run.catalogue]
    return metrics.select_metrics(dict.fromkeys(names), run.data.task, run.catalogue)


def watched_names(options: FitOptions) -> list[str]:
    """Return the metrics that the rules look at, without the part's name."""
    asked: Iterable[str | None] = (
        options.tolerance.metric if options.tolerance.min_change is not None else None,
        options.patience.metric if options.patience.checks is not None else None,
    )
    return [split_name(name)[1] for name in asked if name]


def direction_of(name: str, run: ActiveRun) -> Direction:
    """Return whether more or less of a reported metric is better."""
    metric = split_name(name)[1]
    if metric in run.catalogue:
        return run.catalogue[metric].direction
    return "minimize" if is_loss(metric) else "maximize"


def check_monitored(options: FitOptions, has_rows: bool) -> None:
    """Refuse rules that look at validation rows where there are none."""
    rules = {"patience": options.patience.checks, "tolerance": options.tolerance.min_change}
    for key, value in rules.items():
        metric = getattr(options, key).metric
        if value is not None and not has_rows and (metric is None or metric.startswith("validation_")):
            raise ConfigError(
                f"fit.{key}: there are no rows to watch: this evaluator keeps none apart",
                "type: fit.validation_fraction=0.1, or evaluator=holdout",
            )


# --- A run's loop: made of what its config asks, and what is told of it in the end.


def make_callback(run: ActiveRun, learnt: Rows, held: Rows | None) -> FitCallback:
    """Return the loop of a run's own fit; it goes on from the last checkpoint in the run's folder."""
    plan: FitPlan = run.plan
    parts = {"train": learnt, **({"validation": held} if held is not None else {})}
    folder, rules = RunFolder(run.folder), make_stop_rules(plan.options, run)
    if plan.stepper is not None:  # its losses are runtree's own, so it is known what knowing nothing costs
        rules.divergence.first = uninformed_loss(run, learnt[1])
    kept = plan.options.checkpoint.every or plan.options.checkpoint.minutes
    loop = FitCallback(
        rules=rules,
        every=plan.every,
        bound=iteration_limit(run.estimator, plan),
        judge=make_scorer(run, monitored_metrics(plan.options, run), parts),
        tell=lambda step, found: run.report(step, **found),
        restores=plan.options.patience.checks is not None and plan.options.patience.restore_best,
        asked=plan.options.checkpoint,
        checkpoints=Checkpoints(folder.checkpoints, checkpoint_key(run)) if kept else None,
    )
    trim_history(folder.history, loop.step)
    return loop


def make_fold_callback(run: ActiveRun, learnt: Rows, held: Rows | None) -> FitCallback:
    """Return the loop of a fold's fit: the same stop rules, and nobody to be told."""
    options = run.plan.options
    rules = make_stop_rules(options, run)
    looked_at = [split_name(rule.metric)[1] for rule in (rules.tolerance, rules.patience) if rule is not None]
    wanted = named([name for name in looked_at if name in run.catalogue], run.data.task, run.catalogue)
    return FitCallback(
        rules=rules,
        every=run.plan.every,
        bound=iteration_limit(run.estimator, run.plan),
        judge=make_scorer(run, wanted, {"train": learnt, **({"validation": held} if held is not None else {})}),
        restores=options.patience.checks is not None and options.patience.restore_best,
    )


def make_stop_rules(options: FitOptions, run: ActiveRun) -> StopRules:
    """Return the rules that the options ask for, with nothing counted yet."""
    ranked, _ = objective(run.config.objective, run.data.task, run.catalogue)
    tolerance, patience = options.tolerance, options.patience
    watched = patience.metric or f"validation_{ranked.name}"
    return StopRules(
        max_seconds=options.max_seconds,
        tolerance=None
        if tolerance.min_change is None
        else NoImprovement(
            tolerance.metric, direction_of(tolerance.metric, run), tolerance.min_change, tolerance.checks or 1
        ),
        patience=None
        if patience.checks is None
        else NoImprovement(watched, direction_of(watched, run), patience.min_delta, patience.checks, strict=True),
        divergence=Divergence(options.divergence or DEFAULT_DIVERGENCE_FACTOR),
    )


def uninformed_loss(run: ActiveRun, target: Any) -> float:
    """Return the loss of the mean, or of equal chances: what the first loss of a fit is held against."""
    return math.log(len(run.data.classes)) if run.data.classes else float(target.astype(float).var())


def checkpoint_key(run: ActiveRun) -> str:
    """Return what makes a checkpoint this fit's own: the same science on the same rows."""
    return f"{run.options.fingerprint}:{run.data.fingerprint}:{run.split.id}"


def iteration_limit(algorithm: Any, plan: FitPlan) -> int | None:
    """Return how many iterations there are at most; None where there is no such limit."""
    value = getattr(algorithm, plan.bound, None) if plan.bound else None  # which a constructor stores as it is
    return int(value) if value is not None and value > 0 else None


def hold_out_rows(run: ActiveRun, learnt: Rows, held: Rows | None) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from and those to watch: the validation part, or a fraction of the train part."""
    fraction = run.plan.options.validation_fraction
    if fraction is None or not run.plan.steps:
        return learnt, held
    from sklearn.model_selection import train_test_split

    stratify = learnt[1] if run.data.task == "classification" else None
    try:
        rows, watched, target, truth = train_test_split(
            *learnt, test_size=fraction, random_state=run.seed, stratify=stratify
        )
    except ValueError as error:
        raise ConfigError(f"fit.validation_fraction: {error}") from None
    return (rows, target), (watched, truth)


def summarize_fit(algorithm: Any, plan: FitPlan, loop: FitCallback | None) -> Mapping[str, Any]:
    """Return how the fit ended: after how many iterations, and why."""
    if loop is not None:
        return {
            "unit": plan.iterations.unit,
            "iterations": loop.step,
            "reason": loop.reason or ("max_iterations" if loop.step == loop.bound else None),
            **({"best": loop.best_step} if loop.restores else {}),
        }
    limit, done = iteration_limit(algorithm, plan), iterations_of(algorithm)
    if limit is None or done is None:
        return {}
    reason = "max_iterations" if done >= limit else "tolerance"
    return {"unit": plan.iterations.unit, "iterations": done, "reason": reason}


def iterations_of(algorithm: Any) -> int | None:
    """Return how many iterations scikit-learn says there were."""
    found = getattr(algorithm, "n_iter_", None)
    if found is None:
        return None
    return int(max(found)) if hasattr(found, "__len__") else int(found)
