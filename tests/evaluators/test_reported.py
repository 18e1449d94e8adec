"""Scores that an algorithm reports itself, of runs whose model predicts nothing; and who may name a command."""

import json
import sys

import pytest

from runtree.testing.fixtures import UNEXAMINED

TABLE = ["data=csv", "data.path=rows.csv", "data.target=y"]
METRIC = 'algorithm.metrics.validation_rmse="rmse=([0-9.]+)"'
SAYS = """
import os, sys
print("rmse=0.5")
open(os.environ["SM_MODEL_DIR"] + "/weights", "w").write("w")
"""
PREDICTS = """
import os
rows = open(os.environ["SM_CHANNEL_PREDICT"] + "/predict.csv").read().splitlines()[1:]
open(os.environ["SM_OUTPUT_DATA_DIR"] + "/predictions.csv", "w").write("\\n".join(["p", *rows]))
"""


@pytest.fixture
def typed(folder):
    """Return the words that train by a script in the folder."""
    (folder / "rows.csv").write_text("a,y\n" + "".join(f"{n},{n + 1}\n" for n in range(40)))
    (folder / "says.py").write_text(SAYS)
    (folder / "predicts.py").write_text(PREDICTS)
    return ["train", *TABLE, "algorithm=command", f"algorithm.command=[{sys.executable},-S,says.py]"]


def last_run(folder):
    [run] = folder.glob("outputs/default/*")
    return run


def test_what_was_reported_is_the_score_and_nothing_else_is_said_of_the_model(typed, runtree, folder):
    said = runtree(*typed, METRIC)
    assert said.code == 0, said.err
    assert "rmse        0.5000" in said.out
    assert "not defined" not in said.out
    assert "runtree predict" not in said.out
    record = json.loads((last_run(folder) / "run.json").read_text())
    assert record["metrics"] == {"validation": {"rmse": 0.5}}
    assert record["objective"]["value"] == 0.5
    assert (last_run(folder) / "model" / "command" / "weights").read_text() == "w"
    assert not (last_run(folder) / "evaluation.json").exists()
    assert runtree("report", "latest").code == 0
    said = runtree(
        "predict", "latest", "rows.csv", "-o", "o.csv", "--trust", "runtree.algorithms.command.CommandRegressor"
    )
    assert "this model has no command that predicts" in said.err
    # a record may not run what it names
    said = runtree("rerun", "latest")
    assert (said.code, "add: --trust algorithm.command" in said.err) == (2, True), said.err
    assert runtree("rerun", "latest", "--trust", "algorithm.command").code == 0


def test_a_model_that_predicts_is_scored_by_its_predictions_and_runs_only_if_it_is_trusted(typed, runtree, folder):
    predicts = f"algorithm.predict_command=[{sys.executable},-S,predicts.py]"
    said = runtree(*typed, predicts)
    assert "or, as it predicts, type: evaluator=holdout" in said.err
    for run in folder.glob("outputs/default/*"):
        (run / "run.json").unlink()
    said = runtree(*typed, predicts, "evaluator=holdout", *UNEXAMINED)
    assert said.code == 0, said.err
    assert "rmse       1.0000      1.0000  1.0000" in said.out
    [printed] = [line for line in said.out.splitlines() if "runtree predict" in line]
    said = runtree(*printed.split("runtree ")[1].replace("ROWS.csv", "rows.csv").split())
    assert said.code == 0, said.err
    assert (folder / "OUT.csv").read_text().splitlines()[:3] == ["prediction", "0.0", "1.0"]
    without = [word for word in printed.split("runtree ")[1].split() if "--trust" not in word and "Command" not in word]
    said = runtree(*without)
    assert "untrusted types: runtree.algorithms.command.CommandRegressor" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evaluator=holdout"], "evaluator=holdout: it scores predictions, and this algorithm makes none"),
        (["algorithm=ridge", "evaluator=reported"], "evaluator=reported: algorithm=ridge reports no scores of its own"),
        ([], "evaluator=reported: the algorithm reported nothing, and no score of the validation split"),
        (["algorithm.metrics.train_rmse='rmse=(.*)'"], "reported train_rmse, and no score of the validation split"),
    ],
)
def test_what_does_not_fit_is_told(typed, runtree, words, says):
    said = runtree(*(["train", *TABLE] if "algorithm=ridge" in words else typed), *words)
    assert says in said.err
    assert len(said.err.strip().splitlines()) <= 5


@pytest.mark.parametrize(
    ("option", "key"), [("command", "command"), ("command", "predict_command"), ("container", "image")]
)
def test_a_file_may_not_name_what_is_run(typed, runtree, folder, option, key):
    (folder / "conf" / "experiment").mkdir(parents=True)
    value = "trainer" if key == "image" else "[touch, ran]"
    text = f"# @package _global_\ndefaults: [{{override /algorithm: {option}}}]\nalgorithm: {{{key}: {value}}}\n"
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(text)
    said = runtree(
        "train", *TABLE, "experiment=theirs", *(["algorithm.command=[true]"] if key == "predict_command" else [])
    )
    assert (said.code, f"algorithm.{key}: a file or a record may not say what is run" in said.err) == (2, True), (
        said.err
    )
    assert not (folder / "ran").exists()
