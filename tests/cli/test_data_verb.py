"""`runtree data versions`: a table that changes keeps its name, and each content of it is a version."""

import json

import numpy as np
import pandas as pd
import pytest

from runtree.tables.fingerprint import hash_table
from runtree.tables.places import table_stem


@pytest.fixture
def use(folder):
    """Write what a run on the first rows of a table leaves behind."""

    def write(name, rows, started, data=True, **config):
        frame = pd.DataFrame({"a": np.arange(rows), "y": np.arange(rows) % 2})
        fingerprint, sketch = hash_table(frame[["a"]], frame["y"])
        place = folder / "outputs" / "e" / name
        place.mkdir(parents=True)
        record = {
            "schema": 1, "id": name, "experiment": "e", "state": "completed", "reason": None,
            "started": f"2026-01-01T00:{started:02}:00+00:00", "finished": None, "seconds": 1.0, "overrides": [],
            "config": {"seed": 0, "outputs": "outputs", "data.name": "csv", "data.path": "shop/orders.csv.gz", **config},
            "metrics": {}, "objective": {}, "fingerprints": {"config": name, "data": fingerprint, "split": "s"},
            "stages": {}, "task": "classification", "error": None,
        }  # fmt: skip
        (place / "run.json").write_text(json.dumps(record))
        if data:
            described = {
                "rows": rows, "columns": [{"name": "a", "dtype": "int64"}], "target": {"name": "y", "dtype": "int64"},
                "fingerprint": fingerprint, "sketch": sketch,
            }  # fmt: skip
            (place / "data.json").write_text(json.dumps(described))
        return fingerprint

    return write


def test_versions_are_listed_with_what_was_added_and_the_runs(runtree, use):
    first = use("r1", 100, 1)
    use("r2", 100, 2, data=False)
    second = use("r3", 130, 3, **{"data.path": "elsewhere/orders.csv"})
    use("r4", 100, 4)
    use("r5", 50, 5, **{"data.name": "iris"})
    said = runtree("data", "versions", "orders")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "orders: 2 versions, 4 runs"
    assert lines[3].split()[:6] == ["1", first[:12], "100", "-", "3", "r4"]
    assert lines[4].split()[:6] == ["2", second[:12], "130", "+30", "1", "r3"]
    assert lines[5].strip() == "rows: 30 added, the first 100 are as before"
    assert "runtree diff r4 r3" in said.out
    listed = runtree("data", "versions").out
    assert [line.split()[:3] for line in listed.splitlines()[1:3]] == [["orders", "2", "4"], ["iris", "1", "1"]]
    [table] = json.loads(runtree("data", "versions", "orders", "--json").out)["tables"]
    assert [version["runs"] for version in table["versions"]] == [["r4", "r2", "r1"], ["r3"]]
    assert "rows: 30 added, the first 100 are as before" in runtree("diff", "r1", "r3").out


def test_an_unknown_table_and_no_table_are_told(runtree, use):
    assert "no run in outputs has read a table yet" in runtree("data", "versions").out
    use("r1", 10, 1)
    said = runtree("data", "versions", "order")
    assert (said.code, "did you mean: orders?" in said.err) == (5, True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("orders.csv.gz", "orders"),
        ("shop/orders", "orders"),
        ("shop/orders/*.csv", "orders"),
        ("s3://bucket/orders/*/*.parquet", "orders"),
        ("s3://bucket/*.csv", "bucket"),
        ("https://host/orders.csv?version=2", "orders"),
        ("orders", "orders"),
    ],
)
def test_a_table_is_called_after_its_file(path, name):
    assert table_stem(path) == name
