"""The stage score: the evaluator's metrics and predictions, and the one rule for figures that are not defined.

A metric without a finite value on a split is left out of the metrics of that split, and `undefined` says why. Without a
value of an objective on the validation split a run cannot be ranked: it fails, alone as in a sweep, as "diverged" if
the predictions are not finite. Whether the rows allow a value at all is known before the fit, and checked there.

With `fit.refit` the model that is kept is fitted once more, on the train and the validation split, between these scores
and those of the test split.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from runtree.config.build import build
from runtree.config.resources import compute_arguments
from runtree.contract.errors import (
    DataError,
    DivergedError,
    RunFailedError,
    RuntreeError,
    describe_error,
    raise_if_ours,
)
from runtree.contract.faults import places
from runtree.contract.predictions import Predictions, encode_target, read_predictions
from runtree.contract.storage import naming
from runtree.contract.types import WHOLE_GROUPS, Evaluation, Metric
from runtree.records.layout import RunFolder
from runtree.records.test_access import record_access, rows_digest
from runtree.records.validation_predictions import predictions_size, write_validation_predictions
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.statistics.plugin_metrics import failure_of
from runtree.training.active_run import ActiveRun
from runtree.training.pipeline import refit_pipeline_on
from runtree.training.stopping import ADVICE

log = logging.getLogger(__name__)

MODEL_CALLS = {"runtree.training.pipeline", "runtree.contract.predictions"}  # the modules that fit and predict


def score(run: ActiveRun) -> None:
    """Score the splits in `run.scored_splits` and write `metrics.json`, with test also `predictions.parquet`."""
    names = run.config.to_dict()["evaluator"].get("metrics", "auto")
    wanted = metrics.select_metrics(names, run.data.task, run.catalogue)
    objective, _ = run.objective
    folder, final = RunFolder(run.folder), "test" in run.scored_splits
    # the evaluator of a plugin may have scored all splits at the first call, although only some were requested
    if not (run.is_set("metrics") and set(run.scored_splits) <= set(run.metrics)):
        # objectives are scored even if `evaluator.metrics` leaves them out, as runs are ranked by them
        scored = list({metric.name: metric for metric in (*wanted, objective, *_objectives(run))}.values())
        evaluation = evaluate_refitted(run, scored) if final and is_refitted(run) else evaluate(run, scored)
        if not final and evaluation.validation is not None:
            keep_validation(run, evaluation.validation)
    if "test" in run.metrics and not run.test_access:
        # before the metrics are written: an interruption in between must not leave a test score that was not counted
        run.test_access = record_test_access(run)
    folds = {"folds": run.folds} if run.folds else {}
    # not durable in a search: its ledger holds the objective, and an fsync for each run would outweigh short fits
    undefined = {"undefined": run.undefined} if run.undefined else {}
    write_json(folder.metrics, {**run.metrics, **folds, **run.details, **undefined}, durable=final)
    # only now is the deferred table of predictions built: most runs of a sweep never need it
    if final:
        with naming(folder.predictions):
            _with_groups(run, run.predictions).to_parquet(folder.predictions, index=False)
    # after the files are written: they show how far the run came
    check_objectives(run)


def _with_groups(run: ActiveRun, table: Any) -> Any:
    """Return predictions with the number of the group of each row, if the table is split by groups.

    Rows of a group are not independent, which a later comparison has to know; what the groups are called stays out.
    """
    if run.data.groups is None or run.metadata.get("split") not in WHOLE_GROUPS:
        return table
    import pandas as pd

    groups = run.data.groups if run.data.streamed is None else run.data.streamed.outline.groups
    codes, _ = pd.factorize(groups)
    return table.assign(group=codes[table["row"]])


def evaluate(run: ActiveRun, scored: Sequence[Metric]) -> Evaluation:
    """Score the splits in `run.scored_splits`."""
    evaluation = drop_undefined(run, _call_evaluator(run, scored), scored)
    run.add_evaluation(evaluation)
    return evaluation


def _call_evaluator(run: ActiveRun, scored: Sequence[Metric]) -> Evaluation:
    with naming_evaluator(run) as name:
        evaluation = run.evaluator.evaluate(run, scored)
    if not isinstance(evaluation, Evaluation):
        raise RunFailedError(f"{name} returned {evaluation!r:.80} instead of an Evaluation")
    return evaluation


@contextmanager
def naming_evaluator(run: ActiveRun) -> Iterator[str]:
    """Yield what the config calls the evaluator; an exception of a plugin's is raised with that name."""
    name = f"evaluator={run.config.evaluator.get('name', type(run.evaluator).__name__)}"
    try:
        yield name
    except RuntreeError:
        raise
    except BaseException as error:
        raise_if_ours(error)
        named = run.named(error)
        if named is not error:
            raise named from error
        # what a model raises is not the evaluator's fault
        if type(run.evaluator).__module__.startswith("runtree.") or MODEL_CALLS & {p.module for p in places(error)}:
            raise
        raise RunFailedError(f"{name} failed: {describe_error(error)}") from error


def evaluate_refitted(run: ActiveRun, scored: Sequence[Metric]) -> Evaluation:
    """Score train and validation split with the model that was selected by them, and the test split after a refit.

    The model that is kept has seen the validation split: its scores there would say nothing.
    """
    splits = run.scored_splits
    if not run.is_set("metrics"):
        run.scored_splits = ("train", "validation")
        evaluation = evaluate(run, scored)
    if "test" not in run.metrics:  # an evaluator of a plugin may score all splits at once
        refit(run)
        run.scored_splits = ("test",)
        evaluation = evaluate(run, scored)
    run.scored_splits = splits
    return evaluation


def is_refitted(run: ActiveRun) -> bool:
    """Return whether the model that is kept is to be fitted on more rows than the one that was selected by.

    Under cross-validation the model has all rows outside the test split, unless the fit holds some out to stop by.
    """
    if hasattr(run.estimator, "predicts"):  # a command needs its validation rows, to know when it is done
        return False
    options = run.plan.options
    holds_out = run.plan.steps and options.validation_fraction is not None
    return options.refit and bool(len(run.split.validation) or holds_out)


def refit(run: ActiveRun) -> None:
    """Replace the run's model by one that is fitted on the train and the validation split.

    The number of iterations is the one that the first fit found: there are no rows left to stop by. Calibration and
    threshold stay as well.
    """
    import numpy as np

    rows = np.sort(np.concatenate([run.split.train, run.split.validation]))
    iterations = (run.fit_summary.get("best") or run.fit_summary.get("iterations")) if run.plan.steps else None
    # with the seed of the run, as the first fit had it: a run that is finalized later draws the same numbers
    compute = build(compute_arguments(run.config.to_dict()["compute"]), "compute", run.trust)
    with compute.session(run.seed):
        model = refit_pipeline_on(run, rows, iterations)
    splits = [split for split in ("train", "validation") if len(run.split.rows(split))]
    facts = {"splits": splits, "rows": len(rows), **({"iterations": iterations} if iterations else {})}
    run.use_refitted(model, facts)
    log.info("refit on %d rows: %s", len(rows), facts)


def drop_undefined(run: ActiveRun, evaluation: Evaluation, scored: Sequence[Metric]) -> Evaluation:
    """Return the evaluation without values that are not finite, and record why each missing metric has none."""
    if not getattr(run.evaluator, "reads_predictions", True):  # what was not reported was not asked for either
        returned = {name for values in evaluation.metrics.values() for name in values}
        scored = [metric for metric in scored if metric.name in returned or metric is run.objective[0]]
    kept = {split: _finite(values) for split, values in evaluation.metrics.items()}
    folds = tuple(_finite(line) for line in evaluation.folds)
    absent = {
        split: missing
        for split, values in kept.items()
        if (missing := [metric for metric in scored if metric.name not in values])
    }
    if any(metric.name in evaluation.metrics[split] for split in absent for metric in absent[split]):
        # only for its reasons: most runs of a sweep never need the table of predictions
        given = evaluation.predictions
        evaluation = replace(evaluation, predictions=given() if callable(given) else given)
    for split, missing in absent.items():
        reasons = {metric.name: _reason(run, evaluation, split, metric) for metric in missing}
        run.undefined[split] = {**run.undefined.get(split, {}), **reasons}
    return replace(evaluation, metrics=kept, folds=folds)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def _reason(run: ActiveRun, evaluation: Evaluation, split: str, metric: Metric) -> str:
    if metric.name not in evaluation.metrics[split]:
        lacking = metric.needs == "probability" and run.data.classes
        return "the model predicts no probabilities" if lacking else "the evaluator returned no value"
    if failure := failure_of(metric):
        return failure
    predictions = _predictions(run, evaluation.predictions, split)
    reason = predictions.undefined_reason(metric) if predictions is not None else "its value is not finite"
    folds = [metric.name in _finite(line) for line in evaluation.folds] if split == "validation" else []
    if not folds or (predictions is not None and predictions.not_finite):
        return reason
    # the mean over folds has no value if one of them has none; which rows that fold held out is not known here
    return f"not defined on {folds.count(False)} of {len(folds)} folds, whose rows lack a class or are too few"


def _predictions(run: ActiveRun, table: Any, split: str) -> Predictions | None:
    try:
        return read_predictions(table[table["part"] == split], run.data.classes)
    except (KeyError, ValueError, TypeError):  # the table of a plugin's evaluator
        return None


def _objectives(run: ActiveRun) -> list[Metric]:
    """Return the metrics that runs are ranked by."""
    names = metrics.objectives(run.config.objective, run.data.task, run.catalogue)
    return [run.catalogue[name] for name, _ in names if name != metrics.FIT_SECONDS]


def check_objectives(run: ActiveRun) -> None:
    """Fail a run without a value of an objective on the validation split.

    Raises
    ------
    DivergedError, RunFailedError
        Some predictions are not finite; or the metric is not defined for another reason.
    """
    for metric in _objectives(run):
        if metric.name in run.metrics.get("validation", {}):
            continue
        reason = run.undefined.get("validation", {}).get(metric.name, "the evaluator returned no value")
        message = f"objective.metric: {metric.name} on the validation split is not defined: {reason}"
        if _has_diverged(run, metric):
            raise DivergedError(message, ADVICE)
        raise RunFailedError(message, "choose another metric: objective.metric=NAME, or another split: data.split")


def _has_diverged(run: ActiveRun, metric: Metric) -> bool:
    """Return whether predictions are not finite, or so large that the metric is not, though the rows define it."""
    predictions = _predictions(run, run.predictions, "validation")
    if predictions is None or predictions.not_finite:
        return predictions is not None
    value = predictions.values([metric]).get(metric.name, 0.0)
    return not math.isfinite(value) and len({*predictions.y_true.tolist()}) >= max(len(run.data.classes), 2)


def check_objective_rows(run: ActiveRun) -> None:
    """Refuse objectives that no predictions for the validation rows can give a value."""
    for metric in _objectives(run):
        check_rows(run, "validation", metric, "objective.metric")


def check_rows(run: ActiveRun, split: str, metric: Metric, where: str) -> None:
    """Refuse a metric that no predictions for the rows of a split can give a value, such as an AUC of one class.

    Parameters
    ----------
    where
        The config path that asks for the metric.

    Raises
    ------
    DataError
        With what to change.
    """
    key = (run.data.fingerprint, run.split.id, split, metric.name)
    reason = run.cached("undefined", key, lambda: _undefined_on_rows(run, split, metric))
    if reason:
        fix = "data.split=stratified" if run.metadata.get("split") == "random" else f"data.{split}_size=0.3"
        hint = f"choose another metric, or other rows: {fix}"
        raise DataError(f"{where}: {metric.name} is not defined on the {split} split: {reason}", hint)


def _undefined_on_rows(run: ActiveRun, split: str, metric: Metric) -> str:
    """Return why neither perfect nor constant predictions have a value; empty if one of them has."""
    import numpy as np

    classes, rows = run.data.classes, len(run.split.rows(split))
    if not rows:
        return ""
    truth = encode_target(run.select(split)[1], classes)
    # a value exists wherever all classes do, or several values: nothing to compute then
    if len(np.unique(truth)) >= max(len(classes), 2):
        return ""
    identity = np.eye(len(classes))
    perfect = Predictions(truth, truth, identity[truth] if classes else None, classes)
    constant = Predictions(
        truth, np.zeros_like(truth), np.full((rows, len(classes)), 1 / len(classes)) if classes else None, classes
    )
    try:
        values = [predictions.values([metric]).get(metric.name, 0.0) for predictions in (perfect, constant)]
    except Exception:  # a plugin's metric may refuse such predictions, and be defined for others
        return ""
    return "" if any(map(math.isfinite, values)) else perfect.undefined_reason(metric)


def keep_validation(run: ActiveRun, predictions: Predictions) -> None:
    """Write `validation.npz` of a sweep's run, unless it would be larger than all of the sweep's may be."""
    rows = run.split.numbers("validation")
    if predictions_size(len(rows), len(predictions.classes)) <= run.options.prediction_bytes:
        write_validation_predictions(RunFolder(run.folder).validation, predictions, rows)


def record_test_access(run: ActiveRun) -> dict[str, Any]:
    """Record in the output tree that these test rows were scored, and return how often they were."""
    # from the data's fingerprint and the row numbers: the same rows count together, whatever run uses them
    rows = rows_digest(run.data.fingerprint, run.split.numbers("test"))
    outputs, folder = Path(str(run.config["outputs"])), run.folder
    name = f"{folder.parent.parent.name}/{folder.name}" if folder.parent.name == "runs" else folder.name
    return asdict(record_access(outputs, rows, run.options.fingerprint, name))
