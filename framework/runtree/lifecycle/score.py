"""What the parts of a run come to. A look at the test part is counted before anybody can read what it shows."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtree.contract.run import Run
from runtree.records.layout import RunFolder
from runtree.records.test_access import record_access, rows_digest
from runtree.records.writer import write_json
from runtree.statistics import metrics


def score(run: Run) -> None:
    """Score the splits in `run.scored_splits` and write the metrics; predictions are written with those of test."""
    wanted = metrics.select_metrics(
        run.config.to_dict()["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue
    )
    ranked, _ = run.objective
    if not (
        run.is_set("metrics") and set(run.scored_splits) <= set(run.metrics)
    ):  # an evaluator may score all parts unasked
        run.add_evaluation(run.evaluator.evaluate(run, wanted if ranked in wanted else [*wanted, ranked]))
    folder, whole = RunFolder(run.folder), "test" in run.scored_splits
    if "test" in run.metrics and not run.test_access:
        run.test_access = record_test_access(run)
    folds = {"folds": run.folds} if run.folds else {}
    write_json(folder.metrics, {**run.metrics, **folds, **run.details}, durable=whole)
    if whole:
        run.predictions.to_parquet(folder.predictions, index=False)


def record_test_access(run: Run) -> dict[str, Any]:
    """Count that the test part was scored, before anybody can read how."""
    rows = rows_digest(run.data.fingerprint, run.split.test)
    outputs, folder = Path(str(run.config["outputs"])), run.folder
    name = f"{folder.parent.parent.name}/{folder.name}" if folder.parent.name == "runs" else folder.name
    return asdict(record_access(outputs, rows, run.fingerprint, name))
