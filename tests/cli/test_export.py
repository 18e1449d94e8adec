import json
from pathlib import Path

import pandas as pd
import pytest

from runtree import load_runs


def keep(name: str, seed: int, **changes) -> None:
    record = {
        "id": name, "experiment": "e", "state": "completed", "started": "2026-01-01T10:00:00+00:00", "seconds": 1.5,
        "config": {"seed": seed, "algorithm.note": "=1+1", "algorithm.layers": [1, 2]}, "fingerprints": {"data": "d1"},
        "metrics": {"test": {"f1": 0.123456789}}, "objective": {"metric": "f1"}, "task": None,
    }  # fmt: skip
    path = Path("outputs/e", name)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | changes))


def test_a_parquet_file_is_what_load_runs_returns(runtree):
    keep("r1", 1), keep("r2", 2, metrics={}, state="failed")
    said = runtree("export")
    assert said.code == 0
    assert said.out.splitlines() == [
        f"wrote runs.parquet: 2 runs, {load_runs().shape[1]} columns",
        "next     runtree runs",
    ]
    written = pd.read_parquet("runs.parquet")
    pd.testing.assert_frame_equal(written, load_runs())
    assert written["test.f1"].dtype == "float64"


def test_csv_holds_numbers_in_full_and_no_formula(runtree):
    keep("r1", 1)
    assert runtree("export", "-o", "all.csv").code == 0
    [row] = pd.read_csv("all.csv").to_dict("records")
    assert row["test.f1"] == 0.123456789
    assert row["algorithm.note"] == "'=1+1"
    assert json.loads(row["algorithm.layers"]) == [1, 2]
    assert row["folder"] == "outputs/e/r1"
    assert sorted(path.name for path in Path().iterdir()) == ["all.csv", "outputs"]


def test_conditions_choose_and_an_older_file_is_replaced(runtree):
    keep("r1", 1), keep("r2", 2)
    runtree("export")
    assert "1 run," in runtree("export", "--where", "seed>1", "--experiment", "e").out
    assert list(pd.read_parquet("runs.parquet")["id"]) == ["r2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "runs.xlsx"], "-o: 'runs.xlsx' is neither a .parquet nor a .csv file"),
        (["-o", "no/such/runs.csv"], "-o: cannot write no/such/runs.csv (No such file or directory)"),
        (["-o", "no/such/runs.parquet"], "-o: cannot write no/such/runs.parquet"),
        (["--where", "sed=1"], "did you mean: seed"),
        (["--experiment", "f"], "unknown experiment 'f'"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_left(runtree, words, message):
    keep("r1", 1)
    said = runtree("export", *words)
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) <= 5
    assert [path.name for path in Path().iterdir()] == ["outputs"]


def test_no_runs_are_an_empty_table(runtree):
    said = runtree("export", "-o", "runs.csv")
    assert said.code == 0
    assert said.out.endswith("next     runtree train\n")
    assert list(pd.read_csv("runs.csv")["id"]) == []
