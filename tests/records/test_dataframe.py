import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from runtree import load_runs
from runtree.contract.errors import RequestError


def keep(name: str, experiment: str = "e", **changes) -> None:
    """Write a small run.json."""
    record = {
        "id": name, "experiment": experiment, "state": "completed", "started": f"2026-01-0{name[1]}T10:00:00.500+00:00",
        "finished": None, "seconds": 2, "config": {"seed": 0, "algorithm.name": "ridge"}, "fingerprints": {"data": "d1"},
        "metrics": {"validation": {"f1": 1, "loss": None}}, "objective": {"metric": "f1"}, "task": "classification",
    }  # fmt: skip
    path = Path("outputs", experiment, name)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | changes))


def test_a_row_a_run_the_newest_first_with_its_types(folder):
    keep("r1", config={"a.number": 1, "a.mixed": "sqrt", "a.flag": True, "a.list": [1, 2], "a.none": None})
    keep("r2", config={"a.number": 2, "a.mixed": 0.5}, metrics={"validation": {"f1": 0.25}, "test": {"f1": 0.5}})
    keep("r3", state="failed", metrics={}, error={"type": "DataError", "message": "no rows"}, objective={})
    table = load_runs()
    assert list(table["id"]) == ["r3", "r2", "r1"]
    assert table["validation.f1"].dtype == "float64"
    assert list(table["validation.f1"])[1:] == [0.25, 1.0]
    assert pd.isna(table["validation.f1"][0])
    assert table["seconds"].dtype == "float64"
    assert list(table["a.number"])[1:] == [2, 1]
    assert table["a.number"].dtype == "Int64"
    assert table["a.flag"].dtype == "boolean"
    assert list(table["a.mixed"])[1:] == ["0.5", "sqrt"]
    assert table["a.list"][2] == "[1, 2]"
    assert table["a.none"].isna().all()
    assert table["started"].iloc[1] == pd.Timestamp("2026-01-02T10:00:00.5Z")
    assert list(table["fingerprint.data"]) == ["d1"] * 3
    assert table["error"][0] == "no rows"
    assert table["objective"][2] == "f1"
    assert table["folder"][2] == "outputs/e/r1"


def test_conditions_and_experiments_as_in_the_listing(folder):
    keep("r1"), keep("r2", "other", config={"seed": 7, "b.own": 3}), keep("r3", seconds=9.5)
    assert list(load_runs(where="seconds>5")["id"]) == ["r3"]
    assert list(load_runs(where=["seed=0", "seconds<5"], experiment="e")["id"]) == ["r1"]
    assert "b.own" not in load_runs(experiment="e").columns
    with pytest.raises(RequestError, match="unknown experiment 'f'"):
        load_runs(experiment="f")
    with pytest.raises(RequestError, match="--where: the condition is incomplete"):
        load_runs(where="seconds >")


def test_no_runs_are_an_empty_table(folder):
    assert len(load_runs("nowhere")) == 0
    assert {"id", "state", "folder"} <= set(load_runs("nowhere").columns)


def test_an_edited_run_of_a_finished_sweep_is_told_as_it_is(folder, monkeypatch):
    from runtree.records import index, scan

    monkeypatch.setattr(index, "MIN_CHANGES_TO_WRITE", 2)
    monkeypatch.setattr(scan, "SETTLED_NANOSECONDS", -(10**12))
    for number in range(3):
        keep(f"r{number + 1}", "e/t-sweep/runs")
    Path("outputs/e/t-sweep/ledger.jsonl").write_text("")
    assert set(load_runs()["state"]) == {"completed"}
    assert Path("outputs/.runs.index").exists()
    file = Path("outputs/e/t-sweep/runs/r2/run.json")
    file.write_text(file.read_text().replace("completed", "failed"))
    assert list(load_runs(where="state=failed")["id"]) == ["r2"]


def test_the_face_loads_pandas_only_where_runs_are_asked_for():
    code = "import sys, runtree; runtree.Run; print('pandas' in sys.modules); runtree.load_runs; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
