"""Runs as the registry meets them, written by hand: their files, without a model that could be loaded."""

import json
from pathlib import Path

import pandas as pd

from runtree.records.layout import RunFolder
from runtree.records.manifest import write_manifest
from runtree.records.record import read_record

CLASSES = ["no", "yes"]


class QuietHooks:
    """Hooks without a plugin, which note what they are told."""

    def __init__(self, objection=None):
        self.told, self.objection = [], objection

    def moment(self, name, /, **arguments):
        self.told.append((name, arguments))

    def first(self, name, /, **arguments):
        return self.objection if name == "may_promote" else None

    def contributions(self, name):
        from runtree import builtin

        return iter([("runtree", item) for item in getattr(builtin, name)()])


def write_run(folder: Path, right: int = 40, of: int = 50, content: bytes = b"weights", **facts):
    """Write a completed run that predicts `right` of `of` test rows correctly, and return its record."""
    run = RunFolder(folder)
    run.model.mkdir(parents=True)
    (run.model / "model.json").write_text(json.dumps({"format": "none", "classes": CLASSES, "columns": []}))
    (run.model / "weights.bin").write_bytes(content)
    y_true = ["no", "yes"] * (of // 2)
    y_pred = [label if row < right else CLASSES[label == "no"] for row, label in enumerate(y_true)]
    table = {"row": range(of), "part": "test", "y_true": y_true, "y_pred": y_pred}
    pd.DataFrame(table).to_parquet(run.predictions)
    run.data.write_text(json.dumps({"name": "rows", "rows": of, "target": {"name": "y", "classes": CLASSES}}))
    record = {
        "id": folder.name,
        "experiment": "default",
        "state": "completed",
        "reason": None,
        "started": "2026-11-01T10:00:00.000+00:00",
        "finished": None,
        "seconds": 1.0,
        "overrides": [],
        "config": {"algorithm.name": "logistic", "algorithm.C": 1.0},
        "metrics": {"test": {"accuracy": right / of}},
        "objective": {"metric": "accuracy", "direction": "maximize", "part": "validation"},
        "fingerprints": {"data": "d1", "split": "s1"},
        "stages": {"fit": 0.5},
        "task": "classification",
        "error": None,
        **facts,
    }
    run.record.write_text(json.dumps(record))
    write_manifest(run)
    return read_record(run)
