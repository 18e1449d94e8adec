"""What the parts of a run come to. A look at the test part is counted before anybody can read what it shows."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtree.contract.run import Run
from runtree.lifecycle import metrics
from runtree.records.layout import RunFolder
from runtree.records.test_access import record_access, rows_digest
from runtree.records.writer import write_json


def score(run: Run) -> None:
    """Score the parts that `run.parts` names and write what was found; predictions only with those of the test part."""
    wanted = metrics.choose(run.config.plain()["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue)
    ranked, _ = run.objective
    if not (run.filled("metrics") and set(run.parts) <= set(run.metrics)):  # an evaluator may score all parts unasked
        run.add(run.evaluator.evaluate(run, wanted if ranked in wanted else [*wanted, ranked]))
    folder, whole = RunFolder(run.folder), "test" in run.parts
    if "test" in run.metrics and not run.test_looks:
        run.test_looks = look(run)
    folds = {"folds": run.folds} if run.folds else {}
    write_json(folder.metrics, {**run.metrics, **folds, **run.details}, durable=whole)
    if whole:
        run.predictions.to_parquet(folder.predictions, index=False)


def look(run: Run) -> dict[str, Any]:
    """Count that the test part was scored, before anybody can read how."""
    rows = rows_digest(run.data.fingerprint, run.split.test)
    outputs, folder = Path(str(run.config["outputs"])), run.folder
    name = f"{folder.parent.parent.name}/{folder.name}" if folder.parent.name == "runs" else folder.name
    return asdict(record_access(outputs, rows, run.fingerprint, name))
