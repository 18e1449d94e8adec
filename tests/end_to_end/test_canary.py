"""No secret is written: canaries are given in every way, everything is done with them, and every file is searched."""

import io
import json
import os
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from runtree.cli.main import VERBS as ALL_VERBS
from runtree.cli.main import main
from runtree.records.layout import FileName, RunFolder, SweepFolder

# a tracker is one of those who must not learn a secret
pytest.importorskip("tensorboard", reason="pip install 'runtree[tensorboard]'")

MARK = "Kanari"
# signs that JSON, HTML, YAML, URLs and Python write in other ways
SECRET = f"{MARK}-4711 <&\"'é%$\\/+"
ESTIMATOR = '''
import logging, os, sys, warnings
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Leaky(ClassifierMixin, BaseEstimator):
    """Tells its key in every way."""

    def __init__(self, key="", fail=False, native=False):
        self.key, self.fail, self.native = key, fail, native

    def fit(self, X, y):
        assert self.key == os.environ["CANARY"], "the secret did not arrive"
        self.classes_, self.seen_ = np.unique(y), {"keys": [self.key, (1, self.key)]}
        print("print", self.key)
        print("stderr", self.key, file=sys.stderr)
        if self.native:  # as a library in C prints, into the log of a worker
            os.write(1, f"native {self.key}\\n".encode())
        logging.getLogger("library").warning("log %s", self.key)
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # the tests make errors of them
            warnings.warn(f"warning {self.key}")
        if self.fail:
            raise ConnectionError(f"cannot connect with {self.key}")
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
'''
DATA = ("data=csv", "data.path=t.csv", "data.target=y")
QUICK = ("evaluator.baselines=none", "evaluator.explain=none", "evaluator.diagnose=none")
LEAKY = (
    "algorithm=import", "algorithm.path=leaky:Leaky", "+algorithm.params.key=${secret:CANARY}", "trackers=[tensorboard]",
    *DATA, *QUICK,
)  # fmt: skip
TYPED = (
    f"+extras.db={{user:x,password:{MARK}-typed-1}}", f"+extras.url='https://host/x?token={MARK}-typed-2'",
    f"+extras.other.passphrase={MARK}-typed-3", f"+extras.dsn='Server=a;Password={MARK}-typed-4'",
)  # fmt: skip
RUNS = {
    "completed": ("train", *LEAKY, *TYPED, "compute.profile=true", "evaluator.diagnose=quick"),
    "failed": ("train", *LEAKY, "+algorithm.params.fail=true"),
    "sweep": (
        "train", "-m", *LEAKY, "+algorithm.params.native=true", "+algorithm.params.fail=false,true",
        f"+extras.db.password={MARK}-typed-5,other",
    ),
}  # fmt: skip
REFUSED = {
    "data": ("train", *DATA, "data.path=/nowhere/${secret:CANARY}/t.csv"),
    "parameter": ("train", *DATA, "algorithm=logistic", "algorithm.C=${secret:CANARY}"),
    "unknown key": ("train", *DATA, f"algorithm.password={MARK}-typed-6"),
    "syntax": ("train", *DATA, f"+extras.db.password={MARK}-typed-7 x]"),
    "verb": ("trian", f"db.password={MARK}-typed-8"),
    "space": ("tune", *DATA, "algorithm=logistic", "algorithm.C=interval(0)", f"+extras.db.password={MARK}-typed-9"),
    "traceback": ("--traceback", "train", *DATA, "algorithm=logistic", "algorithm.C=${secret:CANARY}"),
    "check": ("check", *DATA, "algorithm=logistic", "algorithm.C=${secret:CANARY}"),
}
VERBS = [
    ("runs",), ("runs", "--json"), ("runs", "--csv"), ("export", "-o", "runs.csv"), ("show", "latest"),
    ("show", "latest", "--config"), ("show", "latest", "--log"), ("show", "latest", "--json"), ("report", "latest"),
    ("rerun", "{completed}", "--trust", "leaky.Leaky"), ("rerun", "{failed}", "--trust", "leaky.Leaky"), ("show", "{failed}"), ("diff", "{completed}", "{failed}"),
    ("compare",), ("best",), ("status", "{sweep}"), ("status", "{sweep}", "--json"), ("resume", "{sweep}", "--trust", "leaky.Leaky"),
    ("report", "{sweep}"), ("explain", "{completed}"), ("clean",),
    ("predict", "{completed}", "t.csv", "-o", "predicted.csv", "--trust", "leaky.Leaky"),
    ("train", *LEAKY, *TYPED, "--cfg", "job"), ("plan", *LEAKY, *TYPED, "seed=1,2"),
    ("monitor", "{completed}", "--data", "t.csv", "--trust", "leaky.Leaky", "monitor.window.rows=30", "monitor.window.minimum=10"),
    ("evaluate", "{completed}", "t.csv", "--trust", "leaky.Leaky"), ("stop", "{sweep}"),
    ("models", "register", "{completed}", "canary"), ("models",), ("models", "show", "canary"), ("models", "history"),
    ("package", "models:/canary/1", "-o", "image"), ("load-test", "http://127.0.0.1:9", "--seconds", "1"), ("doctor",), ("doctor", "serve", "--port", "0", "--json"),
    ("export-model", "{completed}", "--onnx", "--trust", "leaky.Leaky"), ("retrain", "canary", "--data", "data.path=t.csv", "--trust", "leaky.Leaky"),
    ("data",), ("data", "versions"), ("zoo",), ("list", "algorithm"), ("describe", "algorithm=import"), ("plugins",),
    ("allow", "--help"), ("init", "project"), ("completion", "bash"),
]  # fmt: skip


def say(*words):
    """Return exit code and output of a command."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main(list(words))
    return code, out.getvalue()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a folder with a completed and a failed run and a sweep, and what was printed meanwhile by name."""
    folder = tmp_path_factory.mktemp("canary")
    before = Path.cwd()
    os.environ["CANARY"] = SECRET
    try:
        os.chdir(folder)
        Path("leaky.py").write_text(ESTIMATOR)
        Path("t.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(60)))
        yield folder, {name: say(*words) for name, words in RUNS.items()}
    finally:
        os.chdir(before)
        del os.environ["CANARY"]


@pytest.fixture(autouse=True)
def _in_the_folder(tree, monkeypatch):
    monkeypatch.chdir(tree[0])


def leaks(folder):
    """Return the files below a folder that hold a canary, packed ones included."""
    found = []
    for file in (file for file in folder.rglob("*") if file.is_file()):
        contents = [file.read_bytes(), str(file.relative_to(folder)).encode()]
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        found += [str(file.relative_to(folder))] if any(MARK.encode() in content for content in contents) else []
    return found


@pytest.mark.parametrize(("name", "code"), [("completed", 0), ("failed", 1), ("sweep", 1)])
def test_a_run_gets_the_secret_and_prints_none(tree, name, code):
    got, out = tree[1][name]
    assert MARK not in out
    assert got == code, out
    assert "the secret did not arrive" not in out


def test_no_file_of_the_runs_holds_a_secret(tree):
    outputs = tree[0] / "outputs"
    names = {file.name for file in outputs.rglob("*")}
    # the writers that were at work, or the search would prove nothing
    assert {
        "run.json", "config.yaml", "log.txt", "report.html", "model.skops", "environment.json", "sweep.yaml",
        "ledger.jsonl", "leaderboard.csv", "stop.json", "advice.json", "tensorboard",
    } <= names  # fmt: skip
    logs = "".join(file.read_text() for file in outputs.rglob("log.txt"))
    assert {"log ***", "warning ***", "print ***", "native ***"} <= {
        f"{word} ***" for word in ("log", "warning", "print", "native") if f"{word} ***" in logs
    }
    assert leaks(tree[0]) == []


def test_an_error_is_recorded_without_the_secret_that_it_quotes(tree):
    records = [json.loads(file.read_text()) for file in (tree[0] / "outputs").rglob("run.json")]
    errors = {record["error"]["message"] for record in records if record["error"]}
    assert errors == {"cannot connect with ***"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_says_no_secret(tree, name):
    code, out = say(*REFUSED[name])
    assert code in (1, 2, 3)
    assert MARK not in out
    assert leaks(tree[0] / "outputs") == []


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_says_or_writes_a_secret(tree, words):
    outputs = tree[0] / "outputs"
    (sweep,) = outputs.glob("*/*-sweep")
    singles = {json.loads(file.read_text())["state"]: file.parent for file in outputs.glob("*/*/run.json")}
    places = {**{state: str(folder) for state, folder in singles.items()}, "sweep": str(sweep)}
    code, out = say(
        *(places.get(word.strip("{}"), word) if word[0] == "{" and word[-1] == "}" else word for word in words)
    )
    assert MARK not in out
    assert code in ((1, 2) if words[0] == "rerun" else (0, 2, 3, 4, 5)), out  # what failed fails again
    assert leaks(tree[0]) == []


def test_every_verb_is_asked():
    asked = {words[0] for words in (*RUNS.values(), *REFUSED.values(), *VERBS)}
    assert set(ALL_VERBS) - asked == {"serve", "unseal"}  # a server has tests of its own; nothing is sealed here


# numbers of iterations, folds, predictions and points; an empty request to stop; the list of what `clean` removed
NOT_WRITTEN = {"history.jsonl", "folds.jsonl", "checkpoints", "validation.npz", "plots", ".stop", "cleaned.json"}


def test_every_file_of_a_run_and_a_sweep_is_searched(tree):
    names = {file.name for file in (tree[0] / "outputs").rglob("*")}
    known = {
        entry.name for kind in (RunFolder, SweepFolder) for entry in vars(kind).values() if isinstance(entry, FileName)
    }
    assert known - names == NOT_WRITTEN
