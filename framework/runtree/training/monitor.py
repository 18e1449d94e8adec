"""What is monitored during a fit: the loss and metrics of each check, and the callback made from a run's fit plan."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.iteration import is_loss
from runtree.contract.predictions import Predictions, encode_labels, predict_proba
from runtree.contract.types import Direction, Metric
from runtree.records.layout import RunFolder
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun
from runtree.training.callback import FitCallback
from runtree.training.checkpoints import Checkpoints
from runtree.training.fit_plan import FitOptions, FitPlan
from runtree.training.history import split_name, trim_history
from runtree.training.imbalance import class_weights
from runtree.training.stopping import DEFAULT_DIVERGENCE_FACTOR, Divergence, NoImprovement, StopRules
from runtree.training.target import learn_target, original_units

Rows = tuple[Any, Any]


def make_scorer(
    run: ActiveRun, chosen: Sequence[Metric], splits: Mapping[str, Rows]
) -> Callable[[Any], dict[str, float]]:
    """Return a function that scores a model on the monitored splits: ``train_loss``, ``validation_roc_auc`` …

    Where the algorithm learns a transformed target, its predictions are scored in original units.
    """
    from joblib import parallel_config
    from sklearn import config_context

    classes, transformer = run.data.classes, learn_target(run, splits["train"][1])
    weights = class_weights(run, splits["train"][1])
    # in the order of the codes; without, all rows of the loss count alike
    by_code = None if weights is None else [weights.get(label, 0.0) for label in classes]
    # encoded once before the fit and not in each check
    encoded = {
        split: (rows, encode_labels(target, classes) if classes else target.astype(float))
        for split, (rows, target) in splits.items()
    }

    def score(model: Any) -> dict[str, float]:
        values: dict[str, float] = {}
        # one thread and no validation: a check of few rows would spend most of its time in either
        with parallel_config("sequential"), config_context(assume_finite=True, skip_parameter_validation=True):
            for split, (rows, y_true) in encoded.items():
                predictions = predict_once(model, rows, y_true, classes, transformer)
                values[f"{split}_loss"] = loss(predictions, by_code)
                values |= {f"{split}_{name}": value for name, value in predictions.values(chosen).items()}
        return values

    return score


def predict_once(model: Any, rows: Any, y_true: Any, classes: tuple[Any, ...], transformer: Any = None) -> Predictions:
    """Predict rows once: the class with the highest probability is the prediction, which saves a second pass."""
    score = predict_proba(model, rows, classes) if classes else None
    if score is not None:
        # ties go to the first class, as by the argmax in scikit-learn's own `predict`
        return Predictions(y_true, score.argmax(axis=1), score, classes)
    y_pred = model.predict(rows)
    y_pred = encode_labels(y_pred, classes) if classes else original_units(transformer, y_pred.astype(float).ravel())
    return Predictions(y_true, y_pred, None, classes)


def loss(predictions: Predictions, weights: Sequence[float] | None = None) -> float:
    """Return the loss for an algorithm that does not report its own; `weights` are those of the classes, by code.

    For classification the log loss, with probabilities clipped at the type's epsilon, or the error rate if the model
    gives no probabilities. For regression the mean squared error, in squared units of the target.
    """
    import numpy as np

    if not predictions.classes:
        return float(np.mean((predictions.y_true - predictions.y_pred) ** 2))
    row_weights = None if weights is None else np.asarray(weights)[predictions.y_true]
    if row_weights is not None and not row_weights.any():  # rows of classes without weight
        row_weights = None
    if predictions.score is None:
        return float(np.average(predictions.y_true != predictions.y_pred, weights=row_weights))
    of_true_class = predictions.score[np.arange(len(predictions.y_true)), predictions.y_true]
    logs = np.log(np.clip(of_true_class, np.finfo(of_true_class.dtype).eps, 1.0))
    return float(-np.average(logs, weights=row_weights))


def monitored_metrics(options: FitOptions, run: ActiveRun) -> list[Metric]:
    """Return the metrics of each check: the objective or those of `fit.metrics`, and those of the stop criteria."""
    ranked, _ = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    names = [ranked.name] if options.metrics == "auto" else list(options.metrics)
    if options.patience.checks is not None and options.patience.metric is None:
        names.append(ranked.name)
    names += [name for name in criterion_metrics(options) if name in run.catalogue]
    # a dict keeps the order and drops repeated names: the columns of the history must not depend on hashing
    return metrics.select_metrics(dict.fromkeys(names), run.data.task, run.catalogue)


def criterion_metrics(options: FitOptions) -> list[str]:
    """Return the metrics of the stop criteria, without the name of their split."""
    names: Iterable[str | None] = (
        options.tolerance.metric if options.tolerance.min_change is not None else None,
        options.patience.metric if options.patience.checks is not None else None,
    )
    return [split_name(name)[1] for name in names if name]


def direction_of(name: str, run: ActiveRun) -> Direction:
    """Return the direction of a reported metric; of one that is not in the catalogue, guess it from the name."""
    metric = split_name(name)[1]
    if metric in run.catalogue:
        return run.catalogue[metric].direction
    # an algorithm may report a metric that runtree does not know, and patience needs a direction for it
    return "minimize" if is_loss(metric) else "maximize"


def check_monitored(options: FitOptions, has_rows: bool) -> None:
    """Refuse stop criteria on the validation split if there are no validation rows."""
    rules = {"patience": options.patience.checks, "tolerance": options.tolerance.min_change}
    for key, value in rules.items():
        metric = getattr(options, key).metric
        # checked before the fit: the missing metric would show at the first check, after an iteration that may take
        # hours
        if value is not None and not has_rows and (metric is None or metric.startswith("validation_")):
            raise ConfigError(
                f"fit.{key}: there are no validation rows to monitor: this evaluator holds none out",
                "type: fit.validation_fraction=0.1, or evaluator=holdout",
            )


def make_callback(run: ActiveRun, train: Rows, monitored: Rows | None) -> FitCallback:
    """Return the callback of a run's fit; it resumes from the last checkpoint in the run's folder."""
    plan = run.plan
    folder, rules = RunFolder(run.folder), make_stop_rules(plan.options, run)
    if plan.stepper is not None:
        # the losses of a stepper are runtree's own, so that the loss of an uninformed model is known; the first check
        # of an algorithm with its own loss may come too late to serve as the reference
        rules.divergence.first = uninformed_loss(run, train[1])
    saves = plan.options.checkpoint.every or plan.options.checkpoint.minutes
    callback = FitCallback(
        rules=rules,
        every=plan.every,
        bound=iteration_limit(run.estimator, plan),
        scorer=make_scorer(run, monitored_metrics(plan.options, run), _by_split(train, monitored)),
        on_check=lambda step, values: run.report(step, **values),
        restores=plan.options.patience.checks is not None and plan.options.patience.restore_best,
        checkpoint_options=plan.options.checkpoint,
        checkpoints=Checkpoints(folder.checkpoints, checkpoint_key(run)) if saves else None,
    )
    trim_history(folder.history, callback.step)  # a resumed fit reports the later iterations again
    return callback


def _by_split(train: Rows, monitored: Rows | None) -> dict[str, Rows]:
    return {"train": train} if monitored is None else {"train": train, "validation": monitored}


def make_fold_callback(run: ActiveRun, train: Rows, monitored: Rows | None) -> FitCallback:
    """Return the callback of a fold's fit: the same stop criteria, without history, checkpoints and tuner."""
    options = run.plan.options
    rules = make_stop_rules(options, run)
    names = [split_name(rule.metric)[1] for rule in (rules.tolerance, rules.patience) if rule is not None]
    needed = metrics.select_metrics([name for name in names if name in run.catalogue], run.data.task, run.catalogue)
    return FitCallback(
        rules=rules,
        every=run.plan.every,
        bound=iteration_limit(run.estimator, run.plan),
        # only what the criteria need: nothing else reads the metrics of a fold's iterations
        scorer=make_scorer(run, needed, _by_split(train, monitored)),
        restores=options.patience.checks is not None and options.patience.restore_best,
    )


def make_stop_rules(options: FitOptions, run: ActiveRun) -> StopRules:
    """Return the stop criteria of the options, with all counters at 0."""
    ranked, _ = metrics.objective(run.config.objective, run.data.task, run.catalogue)
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
    """Return the loss of predicting the mean, or equal probabilities: the scale of divergence."""
    # the log loss of equal probabilities is log(classes); the squared error of the mean is the variance
    return math.log(len(run.data.classes)) if run.data.classes else float(target.astype(float).var())


def checkpoint_key(run: ActiveRun) -> str:
    """Return the key that a checkpoint must have to be resumed from: the same config on the same rows."""
    return f"{run.options.fingerprint}:{run.data.fingerprint}:{run.split.id}"


def iteration_limit(algorithm: Any, plan: FitPlan) -> int | None:
    """Return the maximum number of iterations, or None."""
    value = getattr(algorithm, plan.bound, None) if plan.bound else None  # scikit-learn constructors store as is
    # scikit-learn uses -1 for "no limit" in some estimators (SVC)
    return int(value) if value is not None and value > 0 else None


def hold_out_rows(
    run: ActiveRun, train: Rows, validation: Rows | None, positions: Any = None
) -> tuple[Rows, Rows | None, Any]:
    """Return the rows to fit, the rows to monitor (the validation split, or `fit.validation_fraction` of train), and
    the positions in the table of those to fit, where `positions` gives those of the train rows.
    """
    # a fraction wins over the validation split: those rows then judge a model whose end they did not decide
    fraction = run.plan.options.validation_fraction
    # of a table in batches only some train rows are in memory, and all of them are learnt
    if fraction is None or not run.plan.steps or (run.data.streamed is not None and validation is not None):
        return train, validation, positions
    import numpy as np
    from sklearn.model_selection import train_test_split

    stratify = train[1] if run.data.task == "classification" else None
    try:
        rows, held_out, target, held_out_target, kept, _ = train_test_split(
            *train, np.arange(len(train[1])), test_size=fraction, random_state=run.seed, stratify=stratify
        )
    except ValueError as error:
        raise ConfigError(f"fit.validation_fraction: {error}") from None
    return (rows, target), (held_out, held_out_target), None if positions is None else positions[kept]


def summarize_fit(algorithm: Any, plan: FitPlan, callback: FitCallback | None) -> Mapping[str, Any]:
    """Return the number of iterations and the reason of the end; without a callback from `n_iter_` and `max_iter`."""
    if callback is not None:
        reason = callback.reason
        if reason is None and callback.bound is not None:  # the fit ended by itself
            reason = "max_iterations" if callback.step >= callback.bound else "tolerance"
        return {
            "unit": plan.iterations.unit,
            "iterations": callback.step,
            "reason": reason,
            **({"best": callback.best_step} if callback.restores else {}),
        }
    limit, done = iteration_limit(algorithm, plan), iterations_of(algorithm)
    if limit is None or done is None:
        return {}
    # scikit-learn does not report why a solver ended; before its limit it ends only by its own tolerance
    reason = "max_iterations" if done >= limit else "tolerance"
    return {"unit": plan.iterations.unit, "iterations": done, "reason": reason}


def iterations_of(algorithm: Any) -> int | None:
    """Return scikit-learn's `n_iter_`; an algorithm with one solver for each class has an array of them."""
    counts = getattr(algorithm, "n_iter_", None)
    if counts is None:
        return None
    return int(max(counts)) if hasattr(counts, "__len__") else int(counts)
