"""The stage score: the evaluator's metrics and predictions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtree.contract.predictions import Predictions
from runtree.records.layout import RunFolder
from runtree.records.test_access import record_access, rows_digest
from runtree.records.validation_predictions import predictions_size, write_validation_predictions
from runtree.records.writer import write_json
from runtree.statistics import metrics
from runtree.training.active_run import ActiveRun


def score(run: ActiveRun) -> None:
    """Score the splits in `run.scored_splits` and write `metrics.json`, with test also `predictions.parquet`."""
    names = run.config.to_dict()["evaluator"].get("metrics", "auto")
    wanted = metrics.select_metrics(names, run.data.task, run.catalogue)
    objective, _ = run.objective
    # the evaluator of a plugin may have scored all splits at the first call, although only some were requested
    # the objective is scored even if `evaluator.metrics` leaves it out, as runs are ranked by it
    folder, final = RunFolder(run.folder), "test" in run.scored_splits
    if not (run.is_set("metrics") and set(run.scored_splits) <= set(run.metrics)):
        evaluation = run.evaluator.evaluate(run, wanted if objective in wanted else [*wanted, objective])
        run.add_evaluation(evaluation)
        if not final and evaluation.validation is not None:
            keep_validation(run, evaluation.validation)
    if "test" in run.metrics and not run.test_access:
        # before the metrics are written: an interruption in between must not leave a test score that was not counted
        run.test_access = record_test_access(run)
    folds = {"folds": run.folds} if run.folds else {}
    # not durable in a search: its ledger holds the objective, and an fsync for each run would outweigh short fits
    write_json(folder.metrics, {**run.metrics, **folds, **run.details}, durable=final)
    # only now is the deferred table of predictions built: most runs of a sweep never need it
    if final:
        run.predictions.to_parquet(folder.predictions, index=False)


def keep_validation(run: ActiveRun, predictions: Predictions) -> None:
    """Write `validation.npz` of a sweep's run, unless it would be larger than all of the sweep's may be."""
    rows = run.split.validation
    if predictions_size(len(rows), len(predictions.classes)) <= run.options.prediction_bytes:
        write_validation_predictions(RunFolder(run.folder).validation, predictions, rows)


def record_test_access(run: ActiveRun) -> dict[str, Any]:
    """Record in the output tree that these test rows were scored, and return how often they were."""
    # from the data's fingerprint and the row numbers: the same rows count together, whatever run uses them
    rows = rows_digest(run.data.fingerprint, run.split.test)
    outputs, folder = Path(str(run.config["outputs"])), run.folder
    name = f"{folder.parent.parent.name}/{folder.name}" if folder.parent.name == "runs" else folder.name
    return asdict(record_access(outputs, rows, run.options.fingerprint, name))
