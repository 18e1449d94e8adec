"""A script as an algorithm, by the contract of SageMaker's training: what it finds, what it reports, how it ends."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runtree.algorithms import command_folder, command_reports
from runtree.algorithms.command import CommandClassifier, CommandRegressor
from runtree.algorithms.command_reports import copy_settled, metric_name
from runtree.contract.errors import ConfigError, Pruned, RunFailedError

X = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": ["u", "v", "u", "w, x"]})
Y = np.array([1.0, 2.0, 3.0, 4.5])
GRACE = 5.0  # seconds, on a machine that others use too


def script(text):
    """Return the words of a command that runs a text of Python, with nothing imported beside it."""
    return [sys.executable, "-S", "-c", f"import csv, json, os, sys, time\nE = os.environ\n{text}"]


class Heard:
    """A `report` that remembers, and answers as it is told."""

    start = best = None

    def __init__(self, answer=lambda step: False, folder=None):
        self.answer, self.steps, self.folder = answer, [], folder

    def due(self, step):
        return True

    def __call__(self, step, *, save=None, **metrics):
        self.steps.append((step, metrics))
        if save is not None and self.folder is not None:
            self.start = self.folder / str(step)  # of the next fit
            self.start.mkdir()
            save(self.start)
        return self.answer(step)


def command(text, kind=CommandRegressor, **parameters):
    return kind(script(text), grace=GRACE, **parameters)


# --- What it finds


def test_it_finds_rows_hyperparameters_and_folders_as_the_contract_says():
    text = """
rows = list(csv.DictReader(open(E["SM_CHANNEL_TRAIN"] + "/train.csv")))
held = list(csv.DictReader(open(E["SM_CHANNEL_VALIDATION"] + "/validation.csv")))
config = {name: json.load(open(f"{E['SM_INPUT_CONFIG_DIR']}/{name}.json")) for name in ("hyperparameters", "inputdataconfig", "resourceconfig")}
told = {"rows": rows, "held": held, "arguments": sys.argv[1:], "config": config, "hps": json.loads(E["SM_HPS"]),
        "lr": E["SM_HP_LR"], "channels": json.loads(E["SM_CHANNELS"]), "seed": E["RUNTREE_SEED"], "cpus": E["SM_NUM_CPUS"]}
os.makedirs(E["SM_MODEL_DIR"] + "/deep")
json.dump(told, open(E["SM_MODEL_DIR"] + "/deep/told.json", "w"))
"""
    values = {"lr": 0.1, "kernel": "rbf", "verbose": True, "left_out": None}
    fitted = command(text, hyperparameters=values, target="price", random_state=7, threads=3)
    fitted.fit(X, Y, validation=(X.head(1), Y[:1]))
    told = json.loads(fitted.files_["deep/told.json"])
    assert [row["price"] for row in told["rows"]] == ["1.0", "2.0", "3.0", "4.5"]
    assert told["rows"][3] == {"a": "4.0", "b": "w, x", "price": "4.5"}
    assert len(told["held"]) == 1
    assert told["arguments"] == [
        "--lr",
        "0.1",
        "--kernel",
        "rbf",
        "--verbose",
        "True",
    ]  # as sagemaker-training writes it
    assert told["config"]["hyperparameters"] == {"lr": "0.1", "kernel": "rbf", "verbose": "true"}
    assert told["config"]["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert told["hps"] == {"lr": 0.1, "kernel": "rbf", "verbose": True}
    assert (told["lr"], told["channels"]) == ("0.1", ["train", "validation"])
    assert (told["seed"], told["cpus"]) == ("7", "3")


def test_channels_and_files_have_the_names_that_the_script_expects():
    text = """
folder = E["SM_CHANNEL_TRAINING"]
told = {"files": sorted(os.listdir(folder)), "channels": json.loads(E["SM_CHANNELS"]), "test": os.listdir(E["SM_CHANNEL_TEST"]),
        "rows": open(folder + "/boston.csv").read().split(), "arguments": sys.argv[1:],
        "environment": json.loads(E["SM_TRAINING_ENV"])}
json.dump(told, open(E["SM_MODEL_DIR"] + "/told.json", "w"))
"""
    channels = {"train": "training/boston.csv", "validation": "test"}
    values = {"n-trees": 3, "n": 1, "path": "/opt/ml/checkpoints"}
    fitted = command(text, channels=channels, header=False, hyperparameters=values)
    fitted.fit(X, Y, validation=(X.head(1), Y[:1]))
    told = json.loads(fitted.files_["told.json"])
    assert (told["channels"], told["files"], told["test"]) == (["test", "training"], ["boston.csv"], ["test.csv"])
    assert told["rows"][0] == "1.0,1.0,u"  # as SageMaker's own algorithms read CSV
    assert told["arguments"][:5] == ["--n-trees", "3", "-n", "1", "--path"]
    folders = told["environment"]["channel_input_dirs"]
    assert told["arguments"][5] == folders["test"].replace("input/data/test", "checkpoints")


def test_the_script_is_known_by_its_content(tmp_path):
    (tmp_path / "train.py").write_text("pass")
    words = [sys.executable, "-S", str(tmp_path / "train.py")]
    first = CommandRegressor(words).fit(X, Y).script_sha256_
    (tmp_path / "train.py").write_text("0")
    assert first != CommandRegressor(words).fit(X, Y).script_sha256_
    assert command("pass" + " " * 5000).fit(X, Y).script_sha256_ is None


# --- What it reports


def test_lines_of_its_output_are_iterations():
    heard = Heard()
    text = """
for n in (1, 2, 3):
    print(f"epoch {n} loss={1 / n:.2f}", end="\\r")
    print(f"rmse: {2 / n:.2f} and more")
"""
    patterns = {"train_loss": r"loss=([0-9.]+)", "validation:rmse": r"rmse: (\S+)"}
    fitted = command(text, metrics=patterns).fit(X, Y, report=heard)
    assert heard.steps[:2] == [
        (1, {"train_loss": 1.0, "validation_rmse": 2.0}),
        (2, {"train_loss": 0.5, "validation_rmse": 1.0}),
    ]
    assert fitted.reported_ == {"train_loss": 0.33, "validation_rmse": 0.67}


def test_a_pattern_that_matches_again_begins_the_next_iteration_and_the_last_may_be_incomplete():
    heard = Heard()
    command("print('a=1'); print('a=2'); print('b=5'); print('a=3')", metrics={"a": "a=(.)", "b": "b=(.)"}).fit(
        X, Y, heard
    )
    assert heard.steps == [(1, {"a": 1.0}), (2, {"a": 2.0, "b": 5.0}), (3, {"a": 3.0})]


def test_a_pattern_named_step_gives_the_number_of_the_iteration():
    heard = Heard()
    command("print('epoch 5 a=1'); print('epoch 10 a=2')", metrics={"step": "epoch (.*) ", "a": "a=(.)"}).fit(
        X, Y, heard
    )
    assert heard.steps == [(5, {"a": 1.0}), (10, {"a": 2.0})]


def test_lines_of_json_are_iterations_with_their_own_steps():
    heard = Heard()
    text = """
with open(E["SM_OUTPUT_DATA_DIR"] + "/m.jsonl", "a") as file:
    print('{"step": 10, "validation:rmse": 0.5}', file=file)
    print('{"validation:rmse": 0.25}', end="", file=file)
"""
    fitted = command(text, metrics_file="m.jsonl").fit(X, Y, heard)
    assert heard.steps == [(10, {"validation_rmse": 0.5}), (11, {"validation_rmse": 0.25})]
    assert fitted.reported_ == {"validation_rmse": 0.25}


@pytest.mark.parametrize(
    ("text", "parameters", "says"),
    [
        ("print('a=x')", {"metrics": {"a": "a=(.)"}}, "algorithm.metrics.a: 'x' of the output is no number"),
        (
            "open(E['SM_OUTPUT_DATA_DIR'] + '/m', 'w').write('{\"a\": []}')",
            {"metrics_file": "m"},
            "algorithm.metrics_file: '{\"a\": \\[\\]}' is no line of JSON with numbers",
        ),
        ("open(E['SM_OUTPUT_DIR'] + '/failure', 'w').write('no\\nrows'); sys.exit(9)", {}, "exit code 9: no rows"),
        ("print('last words'); sys.exit(1)", {}, "exit code 1: last words"),
        ("sys.exit(1)", {}, "exit code 1, and said nothing"),
        ("os.kill(os.getpid(), 11)", {}, "was killed by signal 11"),
    ],
)
def test_what_goes_wrong_in_it_is_told(text, parameters, says):
    with pytest.raises(RunFailedError, match=says):
        command(text, **parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("words", "parameters", "says"),
    [
        (["no-such-command"], {}, "algorithm.command: there is no command 'no-such-command' here"),
        ("python train.py", {}, "algorithm.command: 'python train.py' is no list of words"),
        (["python train.py"], {}, "with commas: 'algorithm.command=\\[python,train.py\\]'"),
        ([], {}, "algorithm.command: \\(\\) is no list of words"),
        (["true"], {"predict_command": "x"}, "algorithm.predict_command: 'x' is no list"),
        (["true"], {"metrics": {"a": "x"}}, "algorithm.metrics.a: 'x' has no group"),
        (["true"], {"metrics": {"a": "("}}, "algorithm.metrics.a: '\\(' is no regular expression"),
        (["true"], {"metrics_file": "../m"}, "algorithm.metrics_file: '../m' lies outside output/data"),
        (["true"], {"channels": {"test": "test"}}, "unknown table of algorithm.channels 'test'"),
        (["true"], {"channels": {"train": "../up"}}, "algorithm.channels.train: '../up' is no channel"),
        (["true"], {"channels": {"validation": "train"}}, "train and validation have one file, train/train.csv"),
        (["true"], {"hyperparameters": {"a": [1]}}, "algorithm.hyperparameters.a: \\[1\\] is no number and no text"),
    ],
)
def test_what_cannot_be_is_refused_with_its_config_path(words, parameters, says):
    with pytest.raises(ConfigError, match=says):
        CommandRegressor(words, **parameters).fit(X, Y)


def test_a_flood_of_output_is_read_and_little_of_it_is_logged(caplog):
    caplog.set_level("INFO")
    heard = Heard()
    text = (
        "line = 'x' * 999\nfor n in range(20_000): print(line)\nsys.stdout.write('y' * 3_000_000 + '\\n')\nprint('a=7')"
    )
    command(text, metrics={"a": "^a=(.)"}).fit(X, Y, heard)
    assert heard.steps == [(1, {"a": 7.0})]
    assert sum(len(record.message) for record in caplog.records) < 1_100_000
    assert caplog.messages[-1] == "… the rest of the output is left out"


# --- How it ends


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(*pids):
    end = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


# one that waits for ever, with a child that waits too, and says who they are
WAITS = """
import subprocess
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
with open(E["SM_OUTPUT_DATA_DIR"] + "/m", "w", buffering=1) as file:
    file.write(json.dumps({"step": 1, "me": os.getpid(), "child": child.pid}) + "\\n")
    time.sleep(600)
"""


def test_it_may_save_its_model_when_the_stop_criteria_are_met():
    text = f"""
import signal
def save(*_):
    open(E["SM_MODEL_DIR"] + "/saved", "w").write("yes")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
{WAITS}"""
    heard = Heard(lambda step: True)
    fitted = command(text, metrics_file="m").fit(X, Y, heard)
    assert fitted.files_ == {"saved": b"yes"}
    assert gone(*map(int, heard.steps[0][1].values()))


def test_a_pruned_one_that_does_not_listen_is_killed_with_all_below_it():
    def prune(step):
        raise Pruned("told to")

    heard = Heard(prune)
    text = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{WAITS}"
    with pytest.raises(Pruned):
        CommandRegressor(script(text), metrics_file="m", grace=0.2).fit(X, Y, heard)
    assert gone(*map(int, heard.steps[0][1].values()))


EPOCHS = """
file = E["SM_CHECKPOINT_DIR"] + "/epoch"
done = int(open(file).read()) if os.path.exists(file) else 0
open(E["SM_MODEL_DIR"] + "/began", "w").write(str(done))
for epoch in range(done + 1, 5):
    open(file, "w").write(str(epoch))
    REPORT
    while not done and not os.path.exists(f"{ROOT}/{epoch}/reports.json"): time.sleep(0.01)
    if epoch == 3 and not done: sys.exit(1)
"""


@pytest.mark.parametrize(
    ("says", "parameters"),
    [
        ("print(f'rmse={epoch}', flush=True)", {"metrics": {"rmse": "rmse=(.*)"}}),
        ("print(f'{epoch}: {epoch}', flush=True)", {"metrics": {"step": "(.*):", "rmse": ": (.*)"}}),
        (
            "open(E['SM_OUTPUT_DATA_DIR'] + '/m', 'a').write(json.dumps({'step': epoch, 'rmse': epoch}) + '\\n')",
            {"metrics_file": "m"},
        ),
    ],
)
def test_a_resumed_one_finds_its_checkpoints_and_counts_on(tmp_path, says, parameters):
    heard = Heard(folder=tmp_path)
    one = command(f"ROOT = {str(tmp_path)!r}\n" + EPOCHS.replace("REPORT", says), **parameters)
    with pytest.raises(RunFailedError):
        one.fit(X, Y, heard)
    assert [step for step, _ in heard.steps] == [1, 2, 3]
    again = Heard()
    again.start = tmp_path / "2"
    assert one.fit(X, Y, again).files_ == {"began": b"2"}
    assert again.steps == [(3, {"rmse": 3.0}), (4, {"rmse": 4.0})]


@pytest.mark.parametrize("writes", [1, 99])
def test_a_folder_is_copied_between_two_writes(tmp_path, monkeypatch, writes):
    monkeypatch.setattr(command_reports, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(command_reports, "LOOKS", writes + 1)
    source, copy, left = tmp_path / "source", shutil.copytree, [writes + (writes > 1)]
    source.mkdir()
    (source / "a").write_text("a")
    os.utime(source / "a", (1, 1))

    def copy_and_write(*words, **more):
        copy(*words, **more)
        if left[0]:
            left[0] -= 1
            (source / "a").write_text("a" * (left[0] + 2))
            os.utime(source / "a", (1, 1))

    monkeypatch.setattr(shutil, "copytree", copy_and_write)
    if writes == 1:
        copy_settled(source, tmp_path / "copy")
        assert (tmp_path / "copy" / "a").read_text() == "aa"
    else:
        with pytest.raises(RunFailedError, match="changes all the time"):
            copy_settled(source, tmp_path / "copy")


def test_folders_of_killed_owners_are_removed_by_the_next_command(tmp_path, monkeypatch):
    monkeypatch.setattr(command_folder.tempfile, "tempdir", str(tmp_path))
    places = {name: tmp_path / f"runtree-command-{name}" for name in ("abandoned", "owned", "new")}
    for name, place in places.items():
        place.mkdir()
        (place / ".lock").touch()
        if name != "new":
            os.utime(place, (1, 1))
    with (places["owned"] / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with command_folder.owned_folder() as mine:
            assert sorted(tmp_path.iterdir()) == sorted([places["owned"], places["new"], mine])
    assert not mine.exists()


def test_none_outlives_whoever_asked_for_it(tmp_path):
    asks = f"""
import sys
from runtree.algorithms.command import CommandRegressor
class Tell:
    start = best = None
    def __call__(self, step, **metrics): print(int(metrics["me"]), int(metrics["child"]), flush=True)
CommandRegressor({script(WAITS)!r}, metrics_file="m", grace=1.0).fit([[1.0]], [1.0], Tell())
"""
    with subprocess.Popen(
        [sys.executable, "-c", asks], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as one:
        pids = [int(word) for word in one.stdout.readline().split()]
        assert all(map(alive, pids))
        assert list(tmp_path.glob("runtree-command-*"))
        one.send_signal(signal.SIGKILL)
    assert gone(*pids)
    end = time.monotonic() + 30
    while list(tmp_path.glob("runtree-command-*")) and time.monotonic() < end:
        time.sleep(0.02)
    assert not list(tmp_path.glob("runtree-command-*"))  # with the rows


# --- What it predicts

PREDICTS = """
rows = list(csv.DictReader(open(E["SM_CHANNEL_PREDICT"] + "/predict.csv")))
shift = float(open(E["SM_MODEL_DIR"] + "/shift").read())
with open(E["SM_OUTPUT_DATA_DIR"] + "/predictions.csv", "w") as file:
    print(HEAD, file=file)
    for row in rows: print(BODY, file=file)
"""


def predicting(head, body, kind=CommandRegressor, **parameters):
    text = f"HEAD = {head!r}\n" + PREDICTS.replace("BODY", body)
    trains = "open(E['SM_MODEL_DIR'] + '/shift', 'w').write('0.1')"
    return command(trains, kind, predict_command=script(text), **parameters)


def test_a_second_command_predicts_and_what_was_saved_predicts_the_same(tmp_path):
    fitted = predicting("any", "float(row['a']) + shift").fit(X, Y)
    expected = X["a"].to_numpy() + 0.1
    assert np.array_equal(fitted.predict(X), expected)
    fitted.save_weights(tmp_path)
    again = fitted.bare()
    assert not hasattr(again, "files_")
    again.load_weights(tmp_path)
    assert np.array_equal(again.predict(X.tail(2)), expected[2:])


def test_classes_keep_their_type_and_probabilities_the_order_of_the_classes():
    labels = np.array([3, 12, 3, 12])
    named = predicting("class", "12 if float(row['a']) > 2 else 3", CommandClassifier).fit(X, labels)
    assert named.predict(X).tolist() == [3, 3, 12, 12]
    assert named.predict(X).dtype == labels.dtype
    assert not hasattr(named, "predict_proba")
    likely = predicting(
        "12,3", "'0.9,0.1' if float(row['a']) > 2 else '0.2,0.8'", CommandClassifier, probabilities=True
    )
    likely.fit(X, labels)
    assert likely.predict_proba(X).tolist() == [[0.8, 0.2], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]
    assert likely.predict(X).tolist() == [3, 3, 12, 12]


@pytest.mark.parametrize(
    ("head", "body", "kind", "says"),
    [
        ("p", "'1\\n2'", CommandRegressor, "has 8 predictions for 4 rows"),
        ("p,q", "'1,2'", CommandRegressor, "has 2 columns, not one"),
        ("p", "'much'", CommandRegressor, "could not convert string to float: 'much'"),
        ("p", "'elsewhere'", CommandClassifier, "'elsewhere' is none of the classes"),
    ],
)
def test_predictions_that_cannot_be_are_told(head, body, kind, says):
    with pytest.raises(RunFailedError, match=says):
        predicting(head, body, kind).fit(X, np.array([1, 2, 1, 2])).predict(X)


def test_without_a_second_command_it_says_that_it_cannot_predict():
    with pytest.raises(RunFailedError, match="this model has no command that predicts"):
        command("pass").fit(X, Y).predict(X)


def test_sagemakers_names_are_those_of_the_history():
    assert metric_name("validation:rmse") == "validation_rmse"
