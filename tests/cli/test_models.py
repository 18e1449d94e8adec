"""`runtree models` from the command line: what is printed, the exit codes, and a real model behind an alias."""

import json

import pandas as pd
import pytest
import sklearn.datasets

from registered_runs import write_run
from runtree.testing.fixtures import UNEXAMINED


@pytest.fixture
def registered(runtree, folder):
    record = write_run(folder / "r1")
    assert runtree("models", "register", str(record.folder), "churn", "--by", "anna").code == 0
    return record


def test_an_empty_registry_says_how_to_fill_it(runtree):
    said = runtree("models")
    assert (said.code, said.out.splitlines()[0]) == (0, "no registered models in registry")
    assert "runtree models register latest NAME" in said.out
    assert runtree("models", "show", "churn").code == 5


def test_what_was_done_is_listed_for_people_and_for_programs(runtree, registered):
    for words in (
        ["approve", "churn/1", "--reason", "ok"],
        ["promote", "churn@1", "champion"],
        ["tag", "churn/1", "a=b"],
    ):
        assert runtree("models", *words, "--by", "ben").code == 0
    listed = json.loads(runtree("models", "--json").out)["models"]
    assert [(model["name"], model["aliases"], len(model["versions"])) for model in listed] == [
        ("churn", {"champion": 1}, 1)
    ]
    version = json.loads(runtree("models", "show", "churn@champion", "--json").out)
    assert (version["reference"], version["state"], version["tags"]) == ("models:/churn/1", "approved", {"a": "b"})
    acts = [entry["act"] for entry in json.loads(runtree("models", "history", "churn", "--json").out)["entries"]]
    assert acts == ["register", "approve", "gate", "alias", "tag"]
    assert "accuracy" in runtree("models", "show", "churn").out
    assert runtree("models", "show", "churn/1", "--card").out.startswith("# churn, version 1")
    assert "1 model, 1 version, 5 lines of history" in runtree("models", "verify").out


def test_a_run_in_the_registry_is_shown_like_any_other(runtree, registered):
    said = runtree("show", "models:/churn/1")
    assert (said.code, "registry/churn/versions/1" in said.out) == (0, True)
    said = runtree("show", "churn@champion")
    assert (said.code, "did you mean the registered model: models:/churn@champion" in said.err) == (5, True)
    assert "models:/" not in runtree("show", "chrun").err
    said = runtree("models", "verify", "--registry", "registry")
    assert "runtree models verify --registry registry --head" in said.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["promote", "churn@1", "champion"], 2, "models:/churn/1 is pending, and champion is protected"),
        (["approve", "churn/1"], 2, "approve: a reason is needed"),
        (["approve", "churn/2", "--reason", "x"], 5, "churn has no version 2"),
        (["show", "chrun"], 5, "did you mean: churn?"),
        (["show", "churn@"], 2, "possible: models:/NAME@ALIAS"),
        (["show", "models:/churn@champ"], 5, "unknown alias of churn 'champ'"),
        (["rollback", "churn", "champion"], 5, "unknown alias of churn 'champion'"),
        (["policy", "churn", "requires=[]"], 2, "did you mean: require?"),
        (["policy", "churn", "require=[test.f1]"], 2, "policy.require: 'test.f1' is not a bound"),
        (["tag", "churn/1", "a"], 2, "tag 'a' is not KEY=VALUE"),
        (["at", "churn", "soon"], 2, "'soon' is not a date"),
        (["verify", "--head", "abc"], 3, "audit.jsonl: has no line with the seal abc"),
        (["verify", "chrun"], 5, "did you mean: churn?"),
    ],
)
def test_a_mistake_is_answered_with_the_way_out(runtree, registered, words, code, message):
    said = runtree("models", *words)
    assert (said.code, message in said.err) == (code, True), said.err
    assert len(said.err.splitlines()) <= 5


def test_a_changed_file_is_found_with_exit_code_3(runtree, registered, folder):
    (folder / "registry/churn/versions/1/card.md").write_text("better")
    said = runtree("models", "verify", "churn")
    assert (said.code, "card.md: was changed" in said.err) == (3, True)


def test_a_real_model_predicts_by_its_alias_once_it_was_quick_enough(runtree, folder, monkeypatch):
    monkeypatch.setenv("RUNTREE_REGISTRY", str(folder / "elsewhere"))
    assert runtree("train", "data=iris", "algorithm=naive_bayes", *UNEXAMINED).code == 0
    assert runtree("models", "register", "latest", "iris").code == 0
    assert runtree("models", "policy", "iris", "require=[latency_ms < 1e4]").code == 0
    assert runtree("models", "approve", "iris/1", "--reason", "ok").code == 0
    said = runtree("models", "promote", "iris/1", "champion")
    assert (said.code, "gate     latency_ms < 1e4: " in said.out) == (0, True), said.err
    for run in (folder / "outputs").glob("*/*"):
        (run / "model/model.json").unlink()
    columns = json.loads((folder / "elsewhere/iris/versions/1/model/model.json").read_text())["columns"]
    pd.DataFrame([{column["name"]: column["typical"] for column in columns}]).to_csv(folder / "rows.csv", index=False)
    said = runtree("predict", "models:/iris@champion", "rows.csv", "-o", "out.csv")
    assert said.code == 0, said.err
    assert pd.read_csv(folder / "out.csv")["prediction"].tolist() == ["versicolor"]
    assert all(column["low"] <= column["typical"] <= column["high"] for column in columns)


def test_a_version_of_another_table_is_compared_on_labelled_rows(runtree, folder):
    frame = sklearn.datasets.load_iris(as_frame=True).frame.assign(plant=[n // 2 for n in range(150)])
    frame.to_csv(folder / "all.csv", index=False)
    words = [
        "algorithm=naive_bayes",
        "data=csv",
        "data.target=target",
        "data.group=plant",
        "objective.metric=accuracy",
        *UNEXAMINED,
    ]
    for number, seed in ((1, 1), (2, 2)):
        frame.sample(90, random_state=seed).to_csv(folder / f"{number}.csv", index=False)
        assert runtree("train", *words, f"data.path={number}.csv").code == 0
        assert runtree("models", "register", "latest", "iris").code == 0
        assert runtree("models", "approve", f"iris/{number}", "--reason", "ok").code == 0
    assert runtree("models", "promote", "iris/1", "champion").code == 0
    refused = runtree("models", "promote", "iris/2", "champion")
    assert (refused.code, "scored on other data" in refused.err) == (3, True)
    assert "--data FILE" in refused.err
    said = runtree("models", "promote", "iris/2", "champion", "--data", "all.csv")
    assert said.code == 0, said.err
    change = json.loads(runtree("models", "history", "iris", "--json").out)["entries"][-2]["gate"]["change"]
    assert change["rows"] == "the 150 rows of all.csv" and "McNemar" not in change["method"]
    scores = [
        json.loads(runtree("evaluate", f"models:/iris/{number}", "all.csv", "--json", "--no-trained").out)
        for number in (1, 2)
    ]
    name = change["metric"]
    assert change["value"] == pytest.approx(scores[1]["metrics"][name] - scores[0]["metrics"][name])
    assert scores[1]["folder"].startswith("registry/iris/evaluations/")
    assert runtree("models", "verify").code == 0
    said = runtree("models", "promote", "iris/1", "challenger", "--data", "all.csv")
    assert (said.code, "is not protected" in said.err) == (2, True)


def test_the_gap_between_groups_is_that_of_the_labelled_rows(runtree, folder):
    pytest.importorskip("fairlearn")
    frame = pd.DataFrame({"x": range(200), "site": ["a", "b"] * 100})
    frame["y"] = ["no" if x < 100 else "yes" for x in frame["x"]]
    frame.to_csv(folder / "fair.csv", index=False)
    # of the newer rows those of one site have the other label
    swapped = {"no": "yes", "yes": "no"}
    newer = frame.assign(
        y=[swapped[y] if site == "b" else y for y, site in zip(frame["y"], frame["site"], strict=True)]
    )
    newer.to_csv(folder / "newer.csv", index=False)
    newer.drop(columns="site").to_csv(folder / "without.csv", index=False)
    words = ["data=csv", "data.path=fair.csv", "data.target=y", "data.drop=[site]", *UNEXAMINED]
    for number in (1, 2):
        own = [f"seed={number}", "algorithm=decision_tree", "evaluator.fairness.columns=[site]"]
        assert runtree("train", *words, *own).code == 0
        assert runtree("models", "register", "latest", "fair").code == 0
        assert runtree("models", "approve", f"fair/{number}", "--reason", "ok").code == 0
    assert runtree("models", "promote", "fair/1", "champion").code == 0
    assert runtree("models", "policy", "fair", 'require=["fairness_gap < 0.2","change > -1"]').code == 0
    said = runtree("models", "promote", "fair/2", "champion", "--data", "newer.csv")
    assert (said.code, "fairness_gap is 1, required < 0.2" in said.err) == (3, True), said.err
    said = runtree("models", "promote", "fair/2", "champion", "--data", "without.csv")
    assert (said.code, "fairness is not measured: unknown column" in said.err) == (3, True), said.err
    assert runtree("models", "promote", "fair/2", "champion", "--data", "fair.csv").code == 0
