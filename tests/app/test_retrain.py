"""A model that is registered, watched and trained again, with a process that is killed at each step on the way."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import runtree as rt
from runtree.app import watch
from runtree.app.application import App
from runtree.app.monitored_rows import MonitorRequest
from runtree.app.retrain import retrain
from runtree.app.retrain_request import RetrainOrder
from runtree.app.retrain_rows import file_words
from runtree.app.watch import RetrainProcess
from runtree.cli.main import main
from runtree.contract.errors import RequestError
from runtree.records.layout import MonitorFolder, RunFolder
from runtree.records.model_versions import find_model
from runtree.records.record import read_record
from runtree.records.retrain_requests import RetrainRequest, find_request, read_requests
from runtree.records.writer import write_json
from runtree.registry.store import Registry
from runtree.testing.fixtures import UNEXAMINED

TRIGGER = ["monitor.triggers.any.quality_drop=0.02", "monitor.triggers.windows=1", "monitor.window.minimum=60"]
ONLY_QUALITY = ["monitor=quality_only", *TRIGGER]


def rows(count, seed, rule=1.0):
    rng = np.random.default_rng(seed)
    age, size = rng.normal(size=(2, count)).round(3)
    known = rule * age + rng.logistic(size=count) / 3 > 0
    return pd.DataFrame(
        {"id": np.arange(count) + 1_000 * seed, "age": age, "size": size, "y": np.where(known, "b", "a")}
    )


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A tree with a champion, rows of another rule, and the request that a trigger has made of them."""
    tree = tmp_path_factory.mktemp("champion")
    rows(300, 0).to_csv(tree / "old.csv", index=False)
    rows(300, 1, rule=-1.0).to_csv(tree / "new.csv", index=False)
    rows(300, 2, rule=-1.0).to_csv(tree / "later.csv", index=False)
    table = ["data=csv", "data.path=old.csv", "data.target=y", "data.drop=[id]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree)
        assert main(["train", *table, "algorithm=logistic", *UNEXAMINED, "evaluator.intervals.resamples=0"]) == 0
        assert main(["models", "register", "latest", "churn"]) == 0
        assert main(["models", "approve", "churn/1", "--reason", "checked"]) == 0
        assert main(["models", "promote", "churn@1", "champion"]) == 0
        assert main(["monitor", "models:/churn@champion", "--data", "new.csv", *ONLY_QUALITY]) == 3
    return tree


@pytest.fixture
def tree(champion, folder):
    shutil.copytree(champion, folder, dirs_exist_ok=True)
    return folder


def churn():
    return find_model(Path("registry"), "churn")


def runs():
    return sorted(path.parent.name for path in Path("outputs").glob("*/*/run.json"))


def test_a_request_is_worked_on_and_the_version_waits_for_approval(tree, runtree):
    [request] = read_requests(MonitorFolder(tree / "monitoring/churn"))
    assert request.content["triggers"] == ["quality_drop"] and "held-out rows" in request.cause
    # the same look again makes no other
    again = runtree("monitor", "models:/churn@champion", "--data", "new.csv", *ONLY_QUALITY)
    assert f"request {request.id} is open" in again.out
    # what is mistyped does not bind the request to rows that are not there
    assert runtree("retrain", "churn", "--data", "none.csv").code == 2
    # nor is a config that has changed since taken for the champion's
    option = Path("conf/algorithm/logistic.yaml")
    option.parent.mkdir(parents=True)
    option.write_text("_target_: sklearn.linear_model.LogisticRegression\nname: logistic\nC: 7.0\n")
    changed = runtree("retrain", "churn", "--data", "later.csv")
    assert changed.code == 2 and "the config has changed: algorithm." in changed.err
    shutil.rmtree("conf")
    # those whom the model's policy names approve, whatever the policy of the request
    assert runtree("models", "policy", "churn", "approvers=[anna]").code == 0
    said = runtree("retrain", "churn", "--data", "later.csv", "--policy", "train_and_promote", "--json")
    found = json.loads(said.out)
    assert (said.code, found["outcome"], found["request"]) == (0, "pending", request.id)
    assert found["reasons"] == ["policy may not approve versions of churn"] and churn().aliases == {"champion": 1}
    assert (
        found["gate"]["change"]["low"] > 0 and "rows of the window that was watched" in found["gate"]["change"]["rows"]
    )
    # the old rows speak for the old rule; that is told, and decides nothing
    assert found["old"]["value"] < 0 and "old run held out" in found["old"]["rows"]
    version = churn().version(2)
    assert version.tags == {"parent": "1", "request": request.id} and version.state == "pending"
    # what was measured counts when somebody promotes it: the two share no rows
    runtree("models", "approve", "churn/2", "--reason", "looked at", "--by", "anna")
    assert runtree("models", "promote", "churn@2", "champion").code == 0
    assert churn().aliases == {"champion": 2}
    assert runtree("models", "verify").code == 0
    idle = runtree("retrain", "churn")
    assert idle.code == 0 and "none of churn is open" in idle.out
    closed = runtree("retrain", "churn", "--request", request.id)
    assert closed.code == 2 and "is closed: pending" in closed.err


def test_the_champion_stays_on_a_tie_and_rows_that_it_knows_are_left_out(tree, runtree):
    shutil.rmtree("monitoring")
    # the very same rows are not worth a version
    said = runtree("retrain", "churn", "--data", "data.path=old.csv")
    assert said.code == 3 and "the rows are those of version 1" in said.err and churn().latest == 1
    # the table has grown: the champion was made with its first rows
    pd.concat([pd.read_csv("old.csv"), rows(200, 5)]).to_csv("old.csv", index=False)
    said = runtree("retrain", "churn", "--data", "old.csv")
    assert said.code == 3 and "champion of churn stays as it is: change.low is" in said.err
    assert "known ones" in said.out and "made with is not known" not in said.err
    assert churn().aliases == {"champion": 1} and churn().version(2).state == "pending"
    for words, says in ((["seed=3"], "only keys of data"), (["none.csv"], "no file none.csv")):
        assert says in runtree("retrain", "churn", "--data", *words).err
    # a key that is refused is no request; a run that failed is one
    outcomes = [one.outcome for one in read_requests(MonitorFolder(tree / "monitoring/churn"))]
    assert outcomes == ["refused", "refused", "failed"]


def test_a_watcher_has_the_watched_rows_with_labels_learnt_from(tree, monkeypatch):
    [request] = read_requests(MonitorFolder(tree / "monitoring/churn"))
    results, started, lines, errors = [1, None], [], [], []

    class Process:
        """Ends at once, with a code of the test or as the command does."""

        pid = 7

        def __init__(self, words, start_new_session, stdout, **kwargs):
            assert start_new_session and words[1:5] == ["-P", "-m", "runtree", "retrain"]
            started.append(words[5:])
            code = results.pop(0)
            if code is not None:
                stdout.write(b"error: no memory\n")
            self.returncode = main(words[4:]) if code is None else code

        def poll(self):
            return self.returncode

    monkeypatch.setattr(watch.subprocess, "Popen", Process)
    trainer = RetrainProcess(0.0, lines.append, errors.append)
    watched = MonitorRequest(read_record(RunFolder(churn().version(1).folder)), "models:/churn@champion")
    with request.held():  # a person works on it
        trainer.start_if_due(watched)
    for policy in ("suggest", "train_and_promote"):
        write_json(request.folder.request, {**request.content, "policy": policy})
        trainer.start_if_due(watched)
    [words] = started
    assert words == ["churn@champion", "--request", request.id, "-o", "monitoring", "--registry", "registry"]
    # a training that has failed is tried again; there is one process at a time
    trainer.start_if_due(watched)
    assert f"{request.id}: the training failed with exit code 1: no memory; again in 0 s" in errors[0]
    trainer.leave()
    assert len(started) == 2 and lines[-1] == f"request {request.id}: promoted: met: change.low > 0"
    assert churn().aliases == {"champion": 2}
    # only rows with labels, their inputs and the target; a column that was dropped is not there
    kept = pd.read_parquet(request.folder.rows)
    assert list(kept.columns) == ["age", "size", "y"] and len(kept) == 300
    [gate] = [one["gate"] for one in churn().entries if one.get("request")]
    assert 20 <= int(gate["change"]["rows"].split()[0]) < 100  # those that the new run has held out
    # nothing is left to do, and the reference has moved
    trainer.start_if_due(watched)
    assert len(started) == 2 and main(["retrain", "churn"]) == 0
    assert main(["monitor", "models:/churn@champion", "--data", "later.csv", *ONLY_QUALITY]) == 0


def test_what_cannot_be_learnt_from_is_told_and_the_request_stays_open(tree, runtree):
    watched = MonitorFolder(tree / "monitoring/churn")
    [request] = read_requests(watched)
    pd.read_csv("new.csv").drop(columns="y").to_csv("new.csv", index=False)
    said = runtree("retrain", "churn")
    assert said.code == 2 and "is as it was, and 0 of the rows that were watched have a label" in said.err
    assert runtree("retrain", "churn", "--decline").code == 2
    closed = runtree("retrain", "churn", "--decline", "--reason", "a test", "--by", "ann")
    assert closed.code == 0 and "declined by ann: a test" in closed.out
    assert find_request(watched, request.id).outcome == "refused" and churn().latest == 1
    assert '"act": "decline", "by": "ann"' in Path("registry/audit.jsonl").read_text().replace('":"', '": "').replace(
        '","', '", "'
    )
    assert runtree("models", "verify").code == 0


def test_another_file_is_read_as_the_table_was(folder):
    own = {"name": "sql", "query": "select", "target": "y", "drop": ["id", "note"], "types": {"zip": "category", "n": "number"},
           "split": "predefined", "split_column": "part", "join": [{"path": "b.csv"}], "time": "day", "sample": 10}  # fmt: skip
    columns = {"drop": ["id"], "types": ["zip"]}
    words = file_words(App(), own, "rows.parquet", columns)
    assert words == ["data=file", "data.path='rows.parquet'", "data.target=y", "data.drop=[id]", "data.sample=null",
                     "data.split=auto", "data.time=day", "data.split_column=null", "data.types={zip: category}",
                     "data.join=[]"]  # fmt: skip


KILLED_IN_FIT = """
import os, signal
from sklearn.linear_model import LogisticRegression
from runtree.cli.main import main
LogisticRegression.fit = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
main(["retrain", "churn", "--data", "later.csv", "--policy", "train_and_promote"])
"""


class Killed(BaseException):
    """Stands for the end of the process: no handler of the code catches it."""


def test_a_process_that_is_killed_at_any_step_is_continued_without_doing_one_twice(tree):
    before, reached = len(runs()), []
    order = RetrainOrder("churn", data=("later.csv",), policy="train_and_promote")

    def work():
        try:
            return retrain(App(), Path("registry"), order)
        except Killed as end:
            reached.append(str(end))

    def killed_in(owner, name, when):
        original = getattr(owner, name)

        def instead(*args, **kwargs):
            if when == "after":
                original(*args, **kwargs)
            raise Killed(f"{when} {name}")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, instead)
            work()

    # the first note is that of the folder of the run, the last that of the outcome
    for when in ("before", "after"):
        killed_in(RetrainRequest, "note", when)
    # no handler and no cleanup runs: as by the kernel that is out of memory
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_FIT], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    [request] = read_requests(MonitorFolder(tree / "monitoring/churn"))
    assert Path(request.state["run"]).is_dir() and request.outcome is None
    for name in ("register", "judge", "decide", "move_alias"):
        for when in ("before", "after"):
            killed_in(Registry, name, when)
    for when in ("before", "after"):
        killed_in(RetrainRequest, "note", when)
    steps = ("register", "judge", "decide", "move_alias")
    expected = ["before note", "after note", *(f"{w} {n}" for n in steps for w in ("before", "after"))]
    assert reached == [*expected, "before note", "after note"]
    model = churn()
    assert model.aliases == {"champion": 2} and model.latest == 2
    acts = [(entry["act"], entry["by"] == "policy") for entry in model.entries if entry["act"] != "gate"]
    assert acts[3:] == [("register", False), ("approve", True), ("alias", True)]
    assert len([entry for entry in model.entries if entry.get("request")]) == 1  # compared once
    assert len(runs()) == before + 1
    [request] = read_requests(MonitorFolder(tree / "monitoring/churn"))
    assert request.outcome == "promoted"


def test_from_python_frames_are_watched_and_learnt(tree):
    seen = rt.monitor("models:/churn@champion", rows(100, 7, rule=-1.0), monitor="quality_only")
    [window] = seen["windows"]
    assert window["state"] == "alarm" and window["labelled"] == 100 and seen["request"] is None
    shutil.rmtree("monitoring")
    found = rt.retrain("churn", rows(200, 8, rule=-1.0), policy="train_and_promote", by="ben", progress=False)
    assert found["outcome"] == "promoted" and churn().aliases == {"champion": found["version"]}
    assert [entry["by"] for entry in churn().entries][-5:] == ["ben", "ben", "policy", "policy", "policy"]
    with pytest.raises(RequestError, match="mode"):
        rt.retrain("churn", rows(200, 8), mode="again")


def test_the_search_of_the_champion_is_repeated_from_what_it_found(folder, runtree):
    rows(150, 0).to_csv("old.csv", index=False)
    rows(150, 1, rule=-1.0).to_csv("new.csv", index=False)
    table = ["data=csv", "data.path=old.csv", "data.target=y", "data.drop=[id]", "algorithm=logistic"]
    quick = ["tuner.stop.max_runs=2", "compute.engine=in_process", "tuner.report=false", "tuner.plots=false"]
    assert runtree("tune", *table, *quick, *UNEXAMINED).code == 0
    assert runtree("models", "register", "best", "churn").code == 0
    assert runtree("models", "approve", "churn/1", "--reason", "checked").code == 0
    assert runtree("models", "promote", "churn@1", "champion").code == 0
    said = runtree("retrain", "churn", "--data", "new.csv", "--mode", "retune")
    assert said.code == 0 and "passed the gate" in said.out, said
    first, second = (Path("outputs/default", churn().version(number).run.partition("/")[0]) for number in (1, 2))
    assert {first, second} == {*Path("outputs/default").glob("*-sweep")}
    warmed = [line for line in (second / "ledger.jsonl").read_text().splitlines() if '"warmed"' in line]
    assert len(warmed) == 1 and first.name in warmed[0]
