"""Runs for comparisons, written by hand: a record, the sizes of the parts, fold scores, predictions."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtree.builtin import register_metrics
from runtree.records.compare.compare import compare_runs
from runtree.records.compare.table import CompareRequest, ComparisonTable, KnownMetrics
from runtree.records.index import open_index

Write = Callable[..., Path]


def record_of(name: str, seed: int = 0, score: float = 0.5, **more: Any) -> dict[str, Any]:
    """Return what run.json holds; `config` adds to the settings, other words replace fields of the record."""
    config = {
        "seed": seed, "outputs": "outputs", "data.name": "iris", "data.split": "auto", "data.test_size": 0.2,
        "algorithm.name": "ridge", "algorithm.random_state": seed, "algorithm.alpha": 1.0, "algorithm.n_jobs": 2,
        "compute.threads": 2, "evaluator.name": "holdout", "evaluator.report": True,
    }  # fmt: skip
    metrics = {"validation": {"accuracy": score, "log_loss": 1 - score}, "test": {"accuracy": score / 2}}
    record = {
        "schema": 1, "id": name, "experiment": "e", "state": "completed", "reason": None, "started": f"2026-{name}",
        "finished": None, "seconds": 2.0, "overrides": [], "config": config | more.pop("config", {}),
        "metrics": metrics, "objective": {"metric": "accuracy", "direction": "maximize", "part": "validation", "value": score},
        "fingerprints": {"config": f"f{name}", "data": "d", "split": f"s{seed}"}, "stages": {"fit": 1.0},
        "task": "classification", "error": None,
    }  # fmt: skip
    return record | more


@pytest.fixture
def write(folder: Path) -> Write:
    """Return a function that writes a run's folder."""

    def write(name: str, place: str = "outputs/e", **more: Any) -> Path:
        path = Path(place, name.rpartition("/")[2])
        path.mkdir(parents=True)
        folds, lines, answers = (more.pop(name, None) for name in ("folds", "lines", "answers"))
        sizes = more.pop("sizes", {"train": 60, "validation": 20, "test": 20})
        classes = more.pop("classes", ["no", "yes"])
        size = more.pop("bytes", None)
        if size is not None:
            (path / "model").mkdir()
            (path / "model" / "model.skops").write_bytes(b"x" * size)
        (path / "run.json").write_text(json.dumps(record_of(name, **more)))
        (path / "data.json").write_text(json.dumps({"target": {"classes": classes}, "split": sizes}))
        if folds is not None or lines is not None:
            scores = lines or [{"fold": number, "accuracy": score} for number, score in enumerate(folds)]
            (path / "metrics.json").write_text(json.dumps({"folds": scores}))
        if answers is not None:
            predictions(*answers).to_parquet(path / "predictions.parquet")
        return path

    return write


def predictions(truth: Sequence[int], chances: Sequence[float], part: str = "validation") -> pd.DataFrame:
    """Return a table of predictions of two classes, its rows in another order than their numbers."""
    names, p = np.array(["no", "yes"], dtype=object), np.asarray(chances, dtype=float)
    columns = {"row": range(len(p)), "part": part, "y_true": names[np.asarray(truth)]}
    columns |= {"y_pred": names[(p > 0.5).astype(int)], "p_no": 1 - p, "p_yes": p}
    return pd.DataFrame(columns).sample(frac=1, random_state=len(p))


@pytest.fixture
def compared(folder: Path) -> Callable[..., ComparisonTable]:
    """Return a function that compares the runs below `outputs`."""

    def compared(*words: str, **asked: Any) -> ComparisonTable:
        metrics = {metric.name: metric for metric in register_metrics()}
        known = KnownMetrics({name: metric.direction for name, metric in metrics.items()}, metrics)
        return compare_runs(open_index(Path("outputs")), CompareRequest(words, **asked), known)

    return compared
