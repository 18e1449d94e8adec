import json
from pathlib import Path

import pytest

from runtree.testing.fixtures import UNEXAMINED


def keep(name: str, **changes) -> Path:
    """Write the files of a small run."""
    config = {
        "seed": 0, "outputs": "outputs", "experiment.name": "e", "algorithm.name": "forest", "algorithm.alpha": 1.0,
        "algorithm._target_.classification": "x.Forest", "algorithm.max_features.classification": "sqrt",
        "algorithm.max_features.regression": 1.0, "algorithm.space.alpha": "interval(0, 1)", "data.name": "iris",
    }  # fmt: skip
    record = {
        "schema": 1, "id": name, "experiment": "e", "state": "completed", "reason": None,
        "started": "2026-01-02T03:04:05.678+00:00", "finished": None, "seconds": 2.5,
        "overrides": ["algorithm=forest", "data.path=my file.csv"], "config": config,
        "metrics": {"validation": {"accuracy": 0.75}, "test": {"accuracy": 0.5}},
        "objective": {"metric": "accuracy", "direction": "maximize", "part": "validation", "value": 0.75},
        "fingerprints": {"config": f"c0ffee{name}"}, "stages": {"load": 0.5, "fit": 2.0}, "task": "classification",
        "error": None,
    }  # fmt: skip
    path = Path("outputs/e", name)
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record | changes))
    return path


def test_the_page_tells_the_run_its_metrics_and_its_settings(runtree):
    keep("r1")
    said = runtree("show", "r1")
    assert said.code == 0
    for text in (
        "r1   completed",
        "experiment e, started 2026-01-02 03:04:05 UTC",
        "took 2.50 s",
        "load 0.50, fit 2.00",
        "accuracy      0.7500  0.5000  <- objective: validation, maximize",
        "algorithm: {name: forest, alpha: 1.0, max_features: sqrt}",
        "command  runtree train algorithm=forest 'data.path=my file.csv'",
        "next     runtree predict r1 ROWS.csv -o OUT.csv",
    ):
        assert text in said.out
    assert "_target_" not in said.out
    assert "interval" not in said.out


def test_the_latest_run_is_shown_unless_another_is_named(runtree):
    keep("r1"), keep("r2", started="2027-01-01T00:00:00+00:00")
    assert "r2   completed" in runtree("show").out
    assert "r1   completed" in runtree("show", "r1").out
    assert "r1   completed" in runtree("show", "outputs/e/r1").out
    assert "r1   completed" in runtree("show", "c0ffeer1").out


@pytest.mark.parametrize("name", ["nix", "r"])
def test_a_run_that_is_not_there_or_not_the_only_one_is_answered_with_exit_code_5(runtree, name):
    keep("r1"), keep("r2")
    said = runtree("show", name)
    assert said.code == 5
    assert f"'{name}'" in said.err
    assert runtree("show", "--outputs", "nowhere").code == 5


def test_data_and_folds_are_read_from_beside_the_record(runtree):
    path = keep("r1")
    data = {
        "name": "iris", "rows": 150, "task": "classification", "why": "it is text", "fingerprint": "0123456789",
        "target": {"name": "kind", "classes": ["a", "b"]}, "columns": [{"name": "x"}],
        "split": {"train": 90, "validation": 30, "test": 30},
    }  # fmt: skip
    (path / "data.json").write_text(json.dumps(data))
    (path / "metrics.json").write_text(json.dumps({"folds": [{"fold": 0, "accuracy": 0.25}]}))
    said = runtree("show", "r1").out
    assert "iris: 150 rows, 1 columns, target 'kind' (classification, 2 classes), split 90/30/30" in said
    assert "fold  accuracy\n   0    0.2500" in said
    document = json.loads(runtree("show", "r1", "--json").out)
    assert document["schema"] == 1
    assert document["run"]["data"] == data
    assert document["run"]["folds"] == [{"fold": 0, "accuracy": 0.25}]
    assert document["run"]["config"]["algorithm.space.alpha"] == "interval(0, 1)"


def test_a_failed_run_says_why_what_to_do_and_where_more_is_said(runtree):
    error = {"type": "DataError", "message": "no rows\nsecond line", "hints": ["give it rows"]}
    path = keep("r1", state="failed", reason="error", metrics={}, objective={}, error=error)
    said = runtree("show", "r1").out
    assert "r1   failed (error)" in said
    assert "error    DataError: no rows\n         second line\n         give it rows\n" in said
    assert f"log      {path / 'log.txt'}" in said
    assert "next     runtree show r1 --log" in said


def test_the_config_is_printed_as_it_was_written(runtree):
    (keep("r1") / "config.yaml").write_text("seed: 0\nalgorithm:\n  _target_: x\n")
    assert runtree("show", "r1", "--config").out == "seed: 0\nalgorithm:\n  _target_: x\n"


def test_the_history_is_a_table_and_a_torn_line_is_left_out(runtree):
    path = keep("r1")
    (path / "history.jsonl").write_text(
        '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25, "extra": 1}\n{"step": 3, "lo'
    )
    assert runtree("show", "r1", "--history", "--csv").out == "step,loss,extra\n1,0.5,\n2,0.25,1\n"
    assert runtree("show", "r1", "--history").out.splitlines()[1].split() == ["1", "0.5000", "-"]


def test_a_run_without_history_or_log_says_so(runtree):
    keep("r1")
    said = runtree("show", "r1", "--history")
    assert (said.code, said.out) == (0, "")
    assert "no iterations" in said.err
    assert runtree("show", "r1", "--log").code == 5


def test_the_log_cannot_move_the_cursor(runtree):
    (keep("r1") / "log.txt").write_text("one\n\x1b[2Jtwo\tx\n")
    assert runtree("show", "r1", "--log").out == "one\n\\x1b[2Jtwo    x\n"


def test_metrics_are_printed_as_csv(runtree):
    keep("r1")
    assert runtree("show", "r1", "--csv").out == "metric,validation,test\naccuracy,0.75,0.5\n"


def test_two_parts_alone_are_refused(runtree):
    keep("r1")
    assert runtree("show", "r1", "--log", "--config").code == 2


def test_a_real_run_can_be_shown_and_listed(runtree):
    assert runtree("train", "algorithm=ridge", "data=iris", *UNEXAMINED).code == 0
    shown = runtree("show").out
    assert "iris: 150 rows, 4 columns" in shown
    assert "alpha: 1.0" in shown
    assert json.loads(runtree("runs", "--json").out)["runs"][0]["config"]["algorithm.alpha"] == 1.0
