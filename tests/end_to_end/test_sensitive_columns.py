"""Values of sensitive columns are in no file and in no line: a run and all that follows it are searched for them."""

import asyncio
import io
import json
import os
import re
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import runtree as rt
from runtree.cli.main import main
from runtree.records.layout import RunFolder

MARK, NUMBER = "Kanari", 471_100_000  # every value of a sensitive column holds one of them
SECRET = "this-key-is-for-tests-alone"
ROWS = 90
PEOPLE = pd.DataFrame(
    {
        "email": [f"{MARK}{n % 15}@mail.example" for n in range(ROWS)],
        "zip": [f"8{n % 3}{MARK}" for n in range(ROWS)],
        "account": [NUMBER + n % 30 for n in range(ROWS)],
        "name": [f"{MARK} {n}" for n in range(ROWS)],
        "age": [20.0 + n * 7 % 50 for n in range(ROWS)],
        "bought": np.where(np.arange(ROWS) % 15 < 8, "yes", "no"),
    }
)
SENSITIVE = (
    "data.sensitive={email: hash, zip: 'mask:2', account: hash, name: drop}",
    "data.hash_key=${secret:HASH_KEY}",
)
TRAIN = (
    "train", "data=csv", "data.path=in/people.csv", "data.target=bought", "data.group=account",
    "data.join=[{path: in/customers.csv, on: {email: mail}}]", *SENSITIVE, "algorithm=logistic",
    "evaluator.baselines=none", "evaluator.explain=none", "evaluator.diagnose=quick", "evaluator.report=true",
    "evaluator.fairness.columns=[zip,account]", "evaluator.fairness.metrics=[]", "evaluator.intervals.resamples=0",
)  # fmt: skip
VERBS = {
    "predict": ("predict", "{run}", "in/people.csv", "-o", "p.parquet", "--keep", "email", "--keep", "account"),
    "explain": ("explain", "{run}", "in/few.csv"),
    "evaluate": ("evaluate", "{run}", "in/people.csv"),
    "monitor": ("monitor", "{run}", "--data", "in/people.csv", "monitor.window.rows=45", "monitor.window.minimum=20"),
    "check": ("check", *TRAIN[1:]),
    "profile": ("data", "profile", *TRAIN[1:6], *SENSITIVE),
    "schema": ("data", "infer-schema", *TRAIN[1:6], *SENSITIVE),
    "versions": ("data", "versions", "people"),
    "show": ("show", "{run}", "--config"),
    "register": ("models", "register", "{run}", "people"),
    "onnx": ("export-model", "{run}", "--onnx", "-o", "m.onnx"),
    "failed": (*TRAIN, "algorithm.C=-1"),
}


def say(*words):
    """Return exit code and output of a command."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main(list(words))
    return code, out.getvalue()


def holds(text):
    """Return whether a text or bytes hold a value, or the key."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return MARK in text or str(NUMBER)[:5] in text or SECRET in text


def leaks(folder):
    """Return the files below a folder, but for the tables that are read, that hold a value; packed ones, too."""
    found = []
    for file in (file for file in folder.rglob("*") if file.is_file() and "in" not in file.relative_to(folder).parts):
        contents = [file.read_bytes()]
        if file.suffix == ".parquet":
            contents.append(pd.read_parquet(file).to_csv())
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
        found += [str(file.relative_to(folder))] if any(map(holds, contents)) else []
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a folder with a run of these people, and what was printed by its training."""
    folder, before = tmp_path_factory.mktemp("sensitive"), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HASH_KEY", SECRET)
        patch.setenv("RUNTREE_REGISTRY", str(folder / "registry"))
        os.chdir(folder)
        try:
            Path("in").mkdir()
            PEOPLE.to_csv("in/people.csv", index=False)
            mails = sorted(set(PEOPLE["email"]))
            customers = pd.DataFrame({"mail": mails, "city": ["a", "b", "c"] * 5})
            customers.to_csv("in/customers.csv", index=False)
            # those of the joined table beside it
            PEOPLE.merge(customers, left_on="email", right_on="mail").drop(columns="mail")[:3].to_csv(
                "in/few.csv", index=False
            )
            code, out = say(*TRAIN)
            assert code == 0, out
            yield folder, out
        finally:
            os.chdir(before)


@pytest.fixture(scope="module")
def run(tree):
    return next((tree[0] / "outputs" / "default").glob("*/run.json")).parent


def test_the_search_finds_values_in_packed_files(tmp_path):
    PEOPLE[["email"]].to_parquet(tmp_path / "a.parquet")
    PEOPLE[["account"]].to_parquet(tmp_path / "b.parquet")
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", MARK * 9)
    assert sorted(leaks(tmp_path)) == ["a.parquet", "b.parquet", "c.zip"]


def test_no_file_of_a_run_holds_a_value_and_its_hashes_are_there(tree, run):
    assert not holds(tree[1]), tree[1]
    assert leaks(tree[0]) == []
    # the writers that were at work, or the search would prove nothing
    assert {
        "report.html",
        "data.json",
        "profile.json",
        "evaluation.json",
        "predictions.parquet",
        "log.txt",
        "model",
    } <= {file.name for file in run.iterdir()}
    card = RunFolder(run).model / "model.json"
    assert '"secret":"HASH_KEY"' in card.read_text().replace(" ", "")
    for file in (card, run / "report.html", run / "evaluation.json"):
        assert "hash:" in file.read_text(), file
    assert "8***" not in card.read_text() and "81***" in card.read_text()


@pytest.mark.parametrize("name", VERBS)
def test_nothing_that_follows_says_or_writes_a_value(tree, run, name, monkeypatch):
    monkeypatch.chdir(tree[0])
    monkeypatch.setenv("HASH_KEY", SECRET)
    if name == "onnx":
        pytest.importorskip("skl2onnx", reason="a model in ONNX needs the extra onnx")
    code, out = say(*(str(run) if word == "{run}" else word for word in VERBS[name]))
    assert code in ((1, 2) if name == "failed" else (0, 3)), out
    assert not holds(out), out
    assert leaks(tree[0]) == []
    assert name != "onnx" or "takes hashes and masks" in out


def test_a_prediction_can_be_read_again_and_predicts_the_same(tree, run, monkeypatch):
    monkeypatch.chdir(tree[0])
    monkeypatch.setenv("HASH_KEY", SECRET)
    model = rt.load_run(str(run)).model
    rows = pd.read_csv("in/few.csv")
    first = model.predict(rows)
    marked = rows.assign(**{name: model.predictor.protection.frame(rows)[name] for name in ("email", "zip", "account")})
    monkeypatch.delenv("HASH_KEY")  # of hashes none is needed
    again = rt.load_run(str(run)).model.predict(marked.drop(columns="name"))
    assert list(again) == list(first)


def test_a_data_frame_is_kept_without_its_values(tree, monkeypatch):
    monkeypatch.chdir(tree[0])
    monkeypatch.setenv("HASH_KEY", SECRET)
    options = {"data.sensitive": {"email": "hash", "zip": "mask:2", "account": "hash", "name": "drop"}}
    made = rt.train(
        {**options, "data.hash_key": "${secret:HASH_KEY}"},
        "algorithm=logistic evaluator.explain=none "
        "evaluator.baselines=none evaluator.diagnose=none evaluator.report=false",
        data=PEOPLE,
        target="bought",
    )
    assert made.state == "completed"
    rt.evaluate(made, PEOPLE)
    rt.monitor(made, PEOPLE.drop(columns="name"), {"monitor.window.rows": 45, "monitor.window.minimum": 20})
    kept = [*Path("outputs/.frames").iterdir()]
    assert len(kept) == 2 and all("hash:" in pd.read_parquet(file).to_csv() for file in kept)
    assert leaks(tree[0]) == []


# --- The service.


@pytest.fixture
def answers(tree, run, monkeypatch):
    """Return what a service of the run answers to requests by route, with its log in the folder."""
    pytest.importorskip("fastapi", reason="serving needs the extra serve")
    from runtree.app.serve import ModelLoader, ServeRequest
    from runtree.serving.prediction_log import LogOptions
    from runtree.serving.settings import PolicyOptions, ServeSettings
    from serving_models import call

    monkeypatch.chdir(tree[0])
    monkeypatch.setenv("HASH_KEY", SECRET)

    def ask(*requests, **policy):
        settings = ServeSettings(reload=0, log=LogOptions(to="log"))
        request = ServeRequest(str(run), ModelLoader("outputs", PolicyOptions(**policy)), settings)
        service = request.load()

        async def work():
            app = request.open(service)
            await service.start()
            try:
                return [await call(app, path, document) for path, document in requests]
            finally:
                await service.stop()

        return asyncio.run(work())

    return ask


def test_a_service_answers_logs_and_quotes_no_value(tree, run, answers, monkeypatch):
    from runtree.records.prediction_reader import read_prediction_log

    row = {**PEOPLE.drop(columns=["name", "bought", "account"]).iloc[0].to_dict(), "city": "a"}
    strange = {**row, "email": f"{MARK}@elsewhere.example"}
    predict = {"rows": [row, strange, {**row, "zip": {"a": MARK}}]}
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64" if name == "age" else "BYTES", "data": [value]}
        for name, value in strange.items()
    ]
    found = answers(
        ("/predict", predict), ("/explain", {"row": strange}), ("/openapi.json", None), ("/", None),
        (f"/v2/models/{run.name}/infer", {"inputs": tensors}),
    )  # fmt: skip
    assert [one.status for one in found] == [422, 200, 200, 200, 200], found
    for one in found:
        assert not holds(str(one.content)), one.content
    expected = rt.load_run(str(run)).model.predict(pd.DataFrame([row]))
    first, second, _ = found[0].content["predictions"]
    assert first["prediction"] == next(iter(expected)) and "warnings" not in first
    assert "hash:" in second["warnings"][0]  # an address that training has not seen
    logged = [row for batch in read_prediction_log("log") for row in batch.to_pylist()]
    assert len(logged) == 4 and all(row["inputs.email"].startswith("hash:") for row in logged)
    assert leaks(tree[0]) == []
    document, refused = answers(
        ("/openapi.json", None), ("/predict", {"rows": [strange, *[row] * 24]}), unseen="refuse"
    )
    email, city = (
        re.search(rf'"{name}":(\{{.*?\}})', json.dumps(document.content, separators=(",", ":")))[1]
        for name in ("email", "city")
    )
    # a client that is held to the document may send an address
    assert "enum" in city and "enum" not in email and "kept as a hash" in email
    assert refused.status == 422 and not holds(str(refused.content)) and "hash:" in str(refused.content)
    # what a service logged is watched without the key
    monkeypatch.delenv("HASH_KEY")
    code, out = say("monitor", str(run), "monitor.window.rows=20", "monitor.window.minimum=20", "--log", "log")
    assert code in (0, 3), out
    assert "log" in out


@pytest.mark.parametrize("value", [None, "another-key-than-of-training"])
def test_a_service_does_not_start_without_its_key(answers, monkeypatch, value):
    from runtree.contract.errors import ConfigError

    monkeypatch.delenv("HASH_KEY") if value is None else monkeypatch.setenv("HASH_KEY", value)
    with pytest.raises(ConfigError, match="the secret HASH_KEY is not"):
        answers(("/predict", {"rows": []}))
