"""A run under the `fit` block: it stops where it is asked to, and goes on from its checkpoints."""

import json
from pathlib import Path

import pytest

from runtree import Run
from runtree.app import App
from runtree.app.resume import continue_run
from runtree.contract.errors import RuntreeError
from runtree.testing import train, write_table
from runtree.testing.fixtures import UNEXAMINED
from runtree.testing.suite import assert_same_science

ASKED = ("algorithm=keras_mlp", "algorithm.units=16", "algorithm.batch_size=16", "compute=cpu", "compute.threads=1")
ASKED += UNEXAMINED


def steps(run: Run) -> list[int]:
    return [json.loads(line)["step"] for line in (run.folder / "history.jsonl").read_text().splitlines()]


def test_max_iterations_is_max_epochs(tmp_path: Path) -> None:
    run = train(*write_table(tmp_path), *ASKED, "fit.max_iterations=3", folder=tmp_path)
    assert steps(run) == [1, 2, 3]
    assert run.model[-1].max_epochs == 3


def test_patience_ends_the_fit_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    rule = ("fit.patience.checks=3", "fit.patience.metric=validation_loss")
    given = ("algorithm.max_epochs=200", "algorithm.learning_rate=0.05", *rule)
    run = train(*write_table(tmp_path), *ASKED, *given, folder=tmp_path)
    losses = [json.loads(line)["validation_loss"] for line in (run.folder / "history.jsonl").read_text().splitlines()]
    assert len(losses) == losses.index(min(losses)) + 1 + 3 < 200
    assert run.metrics["validation"]["log_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_a_loss_that_explodes_fails_the_run(tmp_path: Path) -> None:
    given = ("algorithm.optimizer=sgd", "algorithm.learning_rate=1e6", "algorithm.activation=relu")
    with pytest.raises(RuntreeError, match="diverged"):
        train(*write_table(tmp_path, "regression"), *ASKED, *given, folder=tmp_path)


def test_checkpoints_stand_in_the_run_s_folder(tmp_path: Path) -> None:
    given = ("algorithm.max_epochs=5", "fit.checkpoint.every=2", "fit.checkpoint.keep=9")
    run = train(*write_table(tmp_path), *ASKED, *given, folder=tmp_path)
    found = sorted(folder.name for folder in (run.folder / "checkpoints").iterdir())
    assert found == ["00000002", "00000004"]
    assert (run.folder / "checkpoints" / "00000004" / "state.npz").is_file()


def test_a_run_that_goes_on_ends_with_the_bytes_of_an_uninterrupted_one(tmp_path: Path) -> None:
    given = (*ASKED, "algorithm.dropout=0.3", "algorithm.normalization=batch", "fit.checkpoint.every=2")
    table = write_table(tmp_path)
    whole = train(*table, *given, "fit.max_iterations=6", folder=tmp_path / "whole")
    train(*table, *given, "fit.max_iterations=4", folder=tmp_path / "parts")
    more = (f"outputs={tmp_path / 'parts'}", "fit.max_iterations=6", "experiment.name=further")
    further = continue_run(App(), "latest", more).runs[0]
    assert_same_science(whole, further)
    assert steps(further) == [1, 2, 3, 4, 5, 6]
