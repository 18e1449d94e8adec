import json
import shutil
from pathlib import Path

import pytest

from runtree.testing.fixtures import UNEXAMINED


def keep(name: str, accuracy: float = 0.75, data: str = "d1", revision: str = "abc", **changes) -> Path:
    """Write the files of a small run."""
    record = {
        "schema": 1, "id": name, "experiment": "e", "state": "completed", "reason": "tolerance",
        "started": "2026-01-02T03:04:05.678+00:00", "finished": None, "seconds": 2.5, "overrides": [],
        "config": {"seed": 0, "algorithm.name": "forest", "algorithm.alpha": 1.0, "evaluator.name": "holdout"},
        "metrics": {"validation": {"accuracy": accuracy, "f1": 0.5}}, "objective": {},
        "fingerprints": {"config": f"c0ffee{name}", "data": data, "split": "s1"},
        "stages": {"fit": 2.0}, "task": "classification", "error": None,
        "fit": {"iterations": 7, "unit": "epoch", "reason": "tolerance"},
    }  # fmt: skip
    path = Path("outputs/e", name)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | changes))
    table = {
        "name": "iris", "rows": 150, "task": "classification", "target": {"name": "y", "classes": ["a", "b"]},
        "columns": [{"name": "x", "dtype": "float64"}], "fingerprint": data, "split": {"id": "s1", "train": 90},
    }  # fmt: skip
    (path / "data.json").write_text(json.dumps(table))
    places = {"python": "3.11.2", "packages": {"numpy": "2.1"}, "git": {"revision": revision, "changed": True}}
    (path / "environment.json").write_text(json.dumps(places))
    return path


def document(runtree, *words):
    said = runtree("diff", *words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def differing(found, section):
    return {item["name"]: (item.get("a"), item.get("b")) for item in found["sections"][section]["differences"]}


def test_each_section_tells_only_what_differs(runtree):
    keep("r1")
    path = keep("r2", 0.8, revision="abd", seconds=3.0, reason="max_iterations",
                config={"seed": 0, "algorithm.name": "forest", "algorithm.alpha": 1.00001, "evaluator.name": "holdout"},
                fit={"iterations": 9, "unit": "epoch", "reason": "max_iterations"})  # fmt: skip
    (path / "environment.json").write_text(
        json.dumps({"python": "3.11.2", "packages": {"numpy": "2.2"}, "git": {"revision": "abd", "changed": True}})
    )
    found = document(runtree, "r1", "r2")
    assert differing(found, "config") == {"algorithm.alpha": (1.0, 1.00001)}
    assert differing(found, "data") == {}
    assert differing(found, "environment") == {"packages.numpy": ("2.1", "2.2")}
    assert differing(found, "code") == {"git.revision": ("abc", "abd")}
    assert differing(found, "metrics") == {"validation.accuracy": (0.75, 0.8)}
    assert found["sections"]["metrics"]["differences"][0]["change"] == pytest.approx(0.05)
    assert differing(found, "seconds") == {"whole run": (2.5, 3.0)}
    assert differing(found, "ending") == {
        "reason": ("tolerance", "max_iterations"),
        "fit.iterations": (7, 9),
        "fit.reason": ("tolerance", "max_iterations"),
    }
    assert found["same_science"] is False
    assert found["metrics_compare"] is True
    said = runtree("diff", "r1", "r2").out
    for text in ("config   differs (c0ffeer1 / c0ffeer2)", "1.00001", "+0.05", "data: same",
                 "uncommitted changes"):  # fmt: skip
        assert text in said


def test_the_same_science_is_called_so(runtree):
    prints = {"config": "feed0123456", "data": "d1", "split": "s1"}
    keep("r1", fingerprints=prints), keep("r2", fingerprints=prints)
    said = runtree("diff", "r1", "r2").out
    assert "config   same (feed0123)" in said
    assert "do not compare" not in said
    assert "metrics: same (2 values)" in said


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"fingerprint": "d2"}, "other data"),
        ({"split": {"id": "s2"}}, "another split of the rows"),
        ({"target": {"name": "y", "classes": ["a", "b", "c"]}}, "other classes"),
        ({"task": "regression"}, "another task"),
    ],
)
def test_metrics_that_do_not_compare_are_called_so_with_the_reason(runtree, changes, obstacle):
    keep("r1")
    file = keep("r2") / "data.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    assert f"metrics  not comparable: {obstacle}\n" in runtree("diff", "r1", "r2").out
    assert document(runtree, "r1", "r2")["obstacles"] == [obstacle]


def test_another_evaluator_measures_in_another_way(runtree):
    keep("r1"), keep("r2", config={"evaluator.name": "cross_validation"})
    assert document(runtree, "r1", "r2")["obstacles"] == ["another evaluator"]


@pytest.mark.parametrize("content", [None, "{", "[1]", "\xff"])
@pytest.mark.parametrize("file", ["data.json", "environment.json"])
def test_a_file_that_is_missing_or_damaged_is_said_and_breaks_nothing(runtree, file, content):
    keep("r1")
    path = keep("r2") / file
    path.unlink() if content is None else path.write_bytes(content.encode("latin-1"))
    said = runtree("diff", "r1", "r2")
    assert said.code == 0
    assert f"  B: {'there is no ' if content is None else ''}{file}" in said.out
    assert f"{file.partition('.')[0]}: " in said.out
    assert "numpy" not in said.out
    assert "iris" not in said.out
    assert said.err == ""


def test_data_that_is_known_from_the_record_alone_still_keeps_metrics_apart(runtree):
    keep("r1")
    (keep("r2", data="d2") / "data.json").unlink()
    assert document(runtree, "r1", "r2")["obstacles"] == ["other data"]


def test_a_run_that_its_sweep_did_not_keep_has_the_environment_of_the_sweep(runtree):
    keep("r1")
    sweep = Path("outputs/e/20260101-000000-sweep")
    path = keep("r2", id=f"{sweep.name}/0000")
    (sweep / "runs").mkdir(parents=True)
    (path / "environment.json").rename(sweep / "environment.json")
    path.rename(sweep / "runs" / "0000")
    notes = document(runtree, "r1", f"{sweep.name}/0000")["sections"]["environment"]
    assert notes["notes"] == ["B: the environment is that of its sweep"]
    assert notes["compared"] == 2
    assert notes["differences"] == []


def test_a_run_that_failed_is_compared_too(runtree):
    keep("r1")
    error = {"type": "DataError", "message": "no \x1b[2Jrows", "hints": []}
    path = keep("r2", state="failed", reason="error", metrics={}, stages={}, task=None, error=error, fingerprints={})
    shutil.rmtree(path / "nothing", ignore_errors=True)
    said = runtree("diff", "r1", "r2").out
    assert "config   unknown" in said
    assert "DataError: no \\x1b[2Jrows" in said
    assert "\x1b" not in said


def test_a_run_that_is_not_there_is_exit_code_5(runtree):
    keep("r1")
    assert runtree("diff", "r1", "nix").code == 5


def test_two_real_runs(runtree):
    assert runtree("train", "algorithm=ridge", "data=iris", *UNEXAMINED).code == 0
    assert (
        runtree("train", "algorithm=ridge", "data=iris", "algorithm.alpha=50", "compute.threads=1", *UNEXAMINED).code
        == 0
    )
    first, second = (run["id"] for run in reversed(json.loads(runtree("runs", "--json").out)["runs"]))
    found = document(runtree, first, second)
    assert differing(found, "config")["algorithm.alpha"] == (1.0, 50)
    assert found["metrics_compare"] is True
    assert differing(found, "data") == {}
    assert found["sections"]["data"]["compared"] > 10
