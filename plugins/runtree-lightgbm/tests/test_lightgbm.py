"""What the estimators add to LightGBM's own: reports, early stopping, silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtree import Run
from runtree.contract.errors import ConfigError
from runtree.testing import train, write_table
from runtree.testing.fixtures import UNEXAMINED

ROWS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}
SMALL = ("algorithm=lightgbm", "fit.every=1", "algorithm.min_child_samples=5", "compute.threads=1", *UNEXAMINED)


def history(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", list(ROWS))
def test_each_round_is_a_line_of_the_history(case: Any, tmp_path: Path) -> None:
    run = train(*write_table(tmp_path, case), *SMALL, "algorithm.n_estimators=8", folder=tmp_path)
    lines = history(run)
    assert [line["step"] for line in lines] == list(range(1, 9))
    own = {f"{part}_{name}" for part in ("train", "validation") for name in ("loss", ROWS[case])}
    assert {"step", "seconds", *own} < set(lines[0])
    losses = [line[f"train_{ROWS[case]}"] for line in lines]
    assert losses == sorted(losses, reverse=True)


def test_last_line_tells_the_loss_of_the_run(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *SMALL, "algorithm.n_estimators=8", folder=tmp_path)
    last = history(run)[-1]
    assert last["train_binary_logloss"] == pytest.approx(run.metrics["train"]["log_loss"], abs=1e-9)
    assert last["validation_binary_logloss"] == pytest.approx(run.metrics["validation"]["log_loss"], abs=1e-9)


@pytest.mark.parametrize("case", list(ROWS))
def test_stops_when_the_validation_part_gets_no_better(case: Any, tmp_path: Path) -> None:
    asked = ("algorithm.n_estimators=500", "algorithm.learning_rate=0.3", "algorithm.early_stopping_rounds=4")
    run = train(*write_table(tmp_path, case), *SMALL, *asked, folder=tmp_path)
    losses = [line[f"validation_{ROWS[case]}"] for line in history(run)]
    best = losses.index(min(losses)) + 1
    assert len(losses) == best + 4 < 500
    assert run.model.named_steps["algorithm"].best_iteration_ == best


def test_the_best_round_predicts(tmp_path: Path) -> None:
    asked = ("algorithm.n_estimators=500", "algorithm.learning_rate=0.3", "algorithm.early_stopping_rounds=4")
    run = train(*write_table(tmp_path), *SMALL, *asked, folder=tmp_path)
    losses = [line["validation_binary_logloss"] for line in history(run)]
    assert run.metrics["validation"]["log_loss"] == pytest.approx(min(losses), abs=1e-9)


def test_null_trains_every_round(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *SMALL, "algorithm.n_estimators=60", folder=tmp_path)
    assert len(history(run)) == 60


def test_early_stopping_without_a_validation_part_is_refused(tmp_path: Path) -> None:
    asked = ("algorithm.early_stopping_rounds=5", "evaluator=cross_validation")
    with pytest.raises(ConfigError, match=r"algorithm\.early_stopping_rounds"):
        train(*write_table(tmp_path), *SMALL, *asked, folder=tmp_path)


def test_cross_validation_scores_it(tmp_path: Path) -> None:
    asked = ("algorithm.n_estimators=5", "evaluator=cross_validation", "evaluator.folds=3")
    run = train(*write_table(tmp_path), *SMALL, *asked, folder=tmp_path)
    assert len(run.folds) == 3
    assert "train_binary_logloss" in history(run)[0]
    assert not [name for name in history(run)[0] if name.startswith("validation")]


def test_threads_change_nothing(tmp_path: Path) -> None:
    table = write_table(tmp_path, rows=300)
    runs = [
        train(*table, *SMALL, f"compute.threads={count}", "algorithm.n_estimators=20", folder=tmp_path)
        for count in (1, 2)
    ]
    first, second = ((run.folder / "predictions.parquet").read_bytes() for run in runs)
    assert first == second


def test_missing_values_may_stay(tmp_path: Path) -> None:
    asked = ("preprocess=none", "data.drop=[place]", "algorithm.n_estimators=5")
    assert train(*write_table(tmp_path), *SMALL, *asked, folder=tmp_path).metrics["test"]


def test_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(*write_table(tmp_path), *SMALL, "algorithm.n_estimators=5", folder=tmp_path)
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_an_unknown_key_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"algorithm\.num_leafs") as refused:
        train(*write_table(tmp_path), *SMALL, "+algorithm.num_leafs=7", folder=tmp_path)
    assert "algorithm.num_leaves" in str(refused.value)


def test_version_is_kept(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *SMALL, "algorithm.n_estimators=5", folder=tmp_path)
    facts = json.loads((run.folder / "environment.json").read_text())["plugins"]["lightgbm"]
    assert facts["lightgbm"].startswith("4.")


def test_the_plugin_does_not_load_lightgbm() -> None:
    import subprocess
    import sys

    code = "import sys, runtree_lightgbm.plugin; sys.exit('lightgbm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("case", list(ROWS))
def test_what_is_scored_on_the_way_is_what_the_model_answers(case: Any, tmp_path: Path) -> None:
    run = train(*write_table(tmp_path, case), *SMALL, "algorithm.n_estimators=8", folder=tmp_path)
    metric = {"regression": "rmse"}.get(case, "balanced_accuracy")
    last = history(run)[-1]
    assert last[f"validation_{metric}"] == pytest.approx(run.metrics["validation"][metric])
    loss = {"regression": "mse"}.get(case, "log_loss")
    assert last["train_loss"] == pytest.approx(run.metrics["train"][loss])


@pytest.mark.parametrize("case", list(ROWS))
def test_the_fit_block_ends_it_and_the_best_round_predicts(case: Any, tmp_path: Path) -> None:
    asked = ("fit.patience.checks=4", "fit.patience.metric=validation_loss", "fit.max_iterations=400")
    run = train(*write_table(tmp_path, case), *SMALL, "algorithm.learning_rate=0.3", *asked, folder=tmp_path)
    losses = [line["validation_loss"] for line in history(run)]
    best = losses.index(min(losses)) + 1
    assert run.fit_summary == {"unit": "tree", "iterations": best + 4, "reason": "patience", "best": best}
    metric = {"regression": "mse"}.get(case, "log_loss")
    assert run.metrics["validation"][metric] == pytest.approx(min(losses))


def test_what_it_cannot_honour_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fit\.checkpoint: algorithm=lightgbm cannot honour it"):
        train(*write_table(tmp_path), *SMALL, "fit.checkpoint.every=5", folder=tmp_path)
