"""Runs and sweeps written by hand, with all that an evaluation may hold."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from runtree.records.layout import RunFolder, SweepFolder
from runtree.records.record import read_record
from runtree.reports.render import write_run_report

CLASSES = {
    "binary": ["no", "yes"],
    "multiclass": ["blue", "green", "red"],
    "many": [f"kind {n}" for n in range(45)],
    "regression": [],
}
METRIC = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "many": "balanced_accuracy", "regression": "rmse"}


def predictions(case: str, rows: int = 120) -> pd.DataFrame:
    """Make predictions that are right more often than not, for the validation and the test part."""
    draw, classes = np.random.default_rng(0), CLASSES[case]
    frame = pd.DataFrame({"row": range(2 * rows), "part": np.repeat(["validation", "test"], rows)})
    if not classes:
        true = draw.normal(100, 20, 2 * rows)
        return frame.assign(y_true=true, y_pred=true + draw.normal(0, 5, 2 * rows))
    true = draw.integers(0, len(classes), 2 * rows)
    score = draw.dirichlet(np.ones(len(classes)), 2 * rows)
    score[np.arange(2 * rows), true] += 0.6
    score /= score.sum(axis=1, keepdims=True)
    names = np.array(classes, dtype=object)
    frame = frame.assign(y_true=names[true], y_pred=names[score.argmax(axis=1)])
    return frame.assign(**{f"p_{name}": score[:, code] for code, name in enumerate(classes)})


def evaluation(metric: str) -> dict:
    """Return an answer to every question, in the shapes that are agreed on."""
    gain = {"metric": metric, "part": "test", "value": 0.3, "low": 0.2, "high": 0.4, "p": 0.0004, "method": "bootstrap"}
    return {
        "intervals": {"level": 0.95, "resamples": 2000, "method": "BCa", "test": {metric: {"value": 0.9, "low": 0.85, "high": 0.94}}},
        "baselines": [
            {"name": "dummy", "algorithm": "Dummy", "seconds": 0.01, "metrics": {"test": {metric: 0.6}}, "gain": gain},
            {"name": "linear", "algorithm": "Linear", "seconds": 0.1, "metrics": {"test": {metric: 0.7}}, "gain": gain},
        ],
        "benchmark": {
            "passed": True, "explanation": "all met",
            "conditions": [{"condition": f"test.{metric} >= 0.8", "value": 0.9, "passed": True, "reason": ""}],
        },
        "findings": [
            {"name": "fit", "level": "good", "says": "train and validation agree", "advice": "", "values": {}},
            {"name": "few rows", "level": "note", "says": "the test part is small", "advice": "data.test_size=0.3", "values": {}},
        ],
        "classes": [{"class": "yes", "rows": 60, "precision": 0.9, "recall": 0.8, "f1": 0.85, "confused_with": "no", "confused_rows": 12}],
        "calibration": {
            "ece": 0.04, "noise": 0.06, "p": 0.4, "part": "test",
            "bins": [{"low": n / 5, "high": (n + 1) / 5, "rows": 24, "mean": n / 5 + 0.1, "share": n / 5 + 0.12} for n in range(5)],
        },
        "threshold": {
            "chosen": 0.4, "by": "f1", "part": "validation", "default_value": 0.8, "chosen_value": 0.82, "used": False,
            "curve": [{"threshold": n / 10, "value": 0.8 - (n / 10 - 0.4) ** 2} for n in range(1, 10)],
        },
        "slices": [
            {"where": "age <= 30", "source": "column", "rows": 20, "metric": "error_rate", "value": 0.4, "overall": 0.2, "low": 0.22, "high": 0.6, "p": 0.01},
            {"where": "city = 東京 and note is missing", "source": "tree", "rows": 9, "metric": "error_rate", "value": 0.5, "overall": 0.2, "low": None, "high": None, "p": None},
        ],
        "learning_curve": {"metric": metric, "points": [{"rows": 10 * n, "train": 1 - n / 50, "validation": 0.5 + n / 20} for n in range(1, 6)]},
        "robustness": [{"shift": "noise 0.1 sd", "metric": metric, "value": 0.88, "loss": 0.02}],
        "fairness": [{
            "column": "sex", "passed": True,
            "groups": [{"group": "f", "rows": 70, "selection_rate": 0.5}, {"group": "m", "rows": 3, "selection_rate": 0.4, "small": True}],
            "gaps": [{"metric": "selection_rate", "kind": "difference", "value": 0.1, "low": 0.0, "high": 0.2, "least": "m", "most": "f"}],
        }],
        "importance": {"method": "permutation", "part": "test", "metric": metric, "features": [{"feature": f"column {n}", "mean": 0.2 / (n + 1), "sd": 0.01} for n in range(40)]},
        "dependence": [
            {"feature": "age", "kind": "numeric", "grid": [20, 40, 60], "average": [[0.1, 0.4, 0.3]], "class": ["yes"]},
            {"feature": "city", "kind": "category", "grid": ["Bern", "Zürich"], "average": [[0.1, 0.4]], "class": ["yes"]},
        ],
        "test_looks": {"rows": "abc", "count": 1, "configurations": 1},
        "seconds": {"baselines": 0.2},
    }  # fmt: skip


def columns(name: str = "age") -> list[dict]:
    return [
        {"name": name, "dtype": "float64", "missing": 3, "distinct": 40},
        {"name": "city", "dtype": "str", "missing": 0, "distinct": 2},
    ]


def write_run(path: Path, case: str = "binary", rows: int = 120, **changes) -> Path:
    """Write a run's folder; `changes` are of its record, but for `found`, the evaluation, and `column`, a name."""
    folder, metric, classes = RunFolder(path), METRIC[case], CLASSES[case]
    found, column = changes.pop("found", evaluation(metric)), changes.pop("column", "age")
    task = "classification" if classes else "regression"
    folder.model.mkdir(parents=True)
    (folder.model / "model.json").write_text("{}")
    direction = "maximize" if classes else "minimize"
    record = {
        "schema": 1, "id": path.name, "experiment": "e", "state": "completed", "reason": None, "seconds": 2.5,
        "started": "2026-01-02T03:04:05.678+00:00", "finished": "2026-01-02T03:04:08+00:00", "overrides": ["data.path=my file.csv"],
        "config": {"seed": 0, "outputs": "outputs", "algorithm.name": "forest", "algorithm.depth": 3, "data.name": "people"},
        "metrics": {"train": {metric: 0.95}, "validation": {metric: 0.91}, "test": {metric: 0.9}},
        "objective": {"metric": metric, "direction": direction, "part": "validation", "value": 0.91},
        "fingerprints": {"config": "c0ffee", "data": "da7a"}, "stages": {"load": 0.5, "fit": 2.0}, "task": task, "error": None,
        "fit": {"unit": "tree", "iterations": 10, "reason": "max_iterations"},
    }  # fmt: skip
    data = {
        "name": "people", "rows": 5 * rows, "task": task, "why": "it is so", "columns": columns(column), "fingerprint": "da7a",
        "target": {"name": "left", "dtype": "str", "classes": classes},
        "split": {"id": "5b", "train": 3 * rows, "validation": rows, "test": rows},
    }  # fmt: skip
    environment = {
        "python": "3.11",
        "packages": {"numpy": "2.0"},
        "platform": "Linux",
        "machine": {"cores": 2},
        "git": None,
    }
    for file, content in (
        (folder.record, record | changes),
        (folder.data, data),
        (folder.evaluation, found),
        (folder.environment, environment),
        (folder.metrics, record["metrics"]),
    ):
        file.write_text(json.dumps(content))
    folder.config.write_text("algorithm:\n  name: forest\n")
    folder.history.write_text(
        "".join(json.dumps({"step": n, "train_loss": 1 / n, "validation_loss": 2 / n}) + "\n" for n in range(1, 5))
    )
    predictions(case, rows).to_parquet(folder.predictions, index=False)
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """Return the file of a page with all that there can be."""
    place = write_run(tmp_path_factory.mktemp("whole") / "20260102-030405-c0ffee")
    return write_run_report(read_record(RunFolder(place)))


@pytest.fixture
def write(folder):
    """Return a function that writes a run below `outputs/e` and returns its record."""

    def write_it(case: str = "binary", name: str = "20260102-030405-c0ffee", **changes):
        return read_record(RunFolder(write_run(Path("outputs/e", name), case, **changes)))

    return write_it


@pytest.fixture
def write_sweep(folder):
    """Return a function that writes the folder of a sweep of three runs, the second of which is the best and kept."""

    def write_it(**advice) -> SweepFolder:
        made = SweepFolder(Path("outputs/e/20260102-030405-sweep"))
        write_run(made.run(1).path, id="20260102-030405-sweep/0001")
        asked = {
            "schema": 1, "begun": "2026-01-02T03:04:05.000+00:00", "overrides": ["tuner=tpe", "algorithm=forest,tree"], "tuner": "tpe",
            "tuner_node": {"stop": {"max_runs": 3}}, "objectives": [["roc_auc", "maximize"]],
            "identity": {"families": {"forest": {"space": {"algorithm.depth": "range(1, 9)"}}, "tree": {"space": {}}}},
        }  # fmt: skip
        made.description.write_text(yaml.safe_dump(asked))
        made.ledger.write_text("")
        made.stop.write_text(
            json.dumps(
                {
                    "criterion": "max_runs",
                    "explanation": "stopped after run 2",
                    "counters": {"completed": 2, "failed": 1},
                    "seconds": 9.0,
                }
            )
        )
        headings = [
            "rank",
            "runs",
            "family",
            "state",
            "validation.roc_auc",
            "algorithm.depth",
            "seconds",
            "test.roc_auc",
        ]
        rows = [
            [1, "0001", "forest", "completed", 0.91, 3, 0.5, 0.9],
            [2, "0000", "tree", "completed", 0.8, None, 0.25, None],
            [3, "0002", "forest", "failed", None, 8, 0.1, None],
        ]
        with made.leaderboard.open("w", newline="") as file:
            csv.writer(file).writerows([headings, *rows])
        if advice:
            made.advice.write_text(json.dumps(advice))
        return made

    return write_it
