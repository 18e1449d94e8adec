"""A saved model is scored on labelled rows as its run would have scored them, and what is odd in the rows is told."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as scores
from sklearn.datasets import load_iris

from runtree.cli.main import main
from runtree.evaluation.new_rows import difference
from runtree.lifecycle.labelled_rows import encode_known, row_keys
from runtree.records.layout import RunFolder
from runtree.testing.fixtures import UNEXAMINED

WRITTEN = {"sep": ";", "decimal": ",", "index": False}
CSV = ["data=csv", "data.decimal=','", "data.missing=[auto,n/d]"]


def rows(count, seed, cities="abc"):
    rng = np.random.default_rng(seed)
    x, city = rng.normal(size=count), rng.choice(list(cities), count)
    known = x + (city == "a") + rng.normal(size=count) > 0.3
    return pd.DataFrame(
        {
            "x": x,
            "city": city,
            "code": rng.integers(1, 4, count),
            "y": np.where(known, "yes", "no"),
            "z": x + rng.normal(size=count),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a classification and a regression."""
    tree = tmp_path_factory.mktemp("trained")
    rows(300, 0).to_csv(tree / "train.csv", **WRITTEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree)
        for name, target, algorithm in (("c", "y", "logistic"), ("r", "z", "ridge")):
            drop = f"data.drop=[{'z' if target == 'y' else 'y'}]"
            words = [f"algorithm={algorithm}", f"data.target={target}", "data.path=train.csv", drop, *CSV, *UNEXAMINED]
            assert main(["train", f"hydra.run.dir={name}", *words]) == 0
    return tree


@pytest.fixture
def tree(trained, folder):
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def evaluate(tree, runtree):
    """Return a function that types `runtree evaluate … --json` and returns the document."""

    def type_it(*words, code=0):
        said = runtree("evaluate", *words, "--json")
        assert said.code == code, said
        return json.loads(said.out)

    return type_it


def hashes(folder):
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("run", ["c", "r"])
def test_the_test_rows_of_a_run_get_the_scores_of_the_run_and_its_files_stay(tree, evaluate, run):
    before = hashes(tree / run)
    table = pd.read_parquet(tree / run / "predictions.parquet")
    test = table[table["part"] == "test"]
    pd.read_csv(tree / "train.csv", sep=";", decimal=",").iloc[test["row"]].to_csv(tree / "same.csv", **WRITTEN)
    told = evaluate(run, "same.csv")
    own = json.loads((tree / run / "metrics.json").read_text())["test"]
    assert told["metrics"] == own == told["run_metrics"]
    assert {change["value"] for change in told["differences"].values()} == {0.0}
    assert told["found"]["train"] == told["found"]["validation"] == 0 and "without_seen" not in told
    limits = json.loads((tree / run / "evaluation.json").read_text()).get("intervals")
    assert told.get("intervals", {}).get("test") == (limits or {}).get("test")
    # the record of it is a folder of its own; manifest and all else are as they were
    assert {file: text for file, text in hashes(tree / run).items() if "evaluations" not in file.parts} == before
    [made] = (tree / run / "evaluations").iterdir()
    kept = pd.read_parquet(made / "predictions.parquet")
    assert kept["y_pred"].tolist() == test["y_pred"].tolist()
    assert json.loads((made / "scores.json").read_text())["metrics"] == own
    assert [file for file in RunFolder(tree / run).files() if "evaluations" in file.parts] == []


def test_scores_are_those_of_scikit_learn(tree, evaluate, runtree):
    new = rows(120, 1)
    new.to_csv(tree / "new.csv", **WRITTEN)
    assert runtree("predict", "c", "new.csv", "-o", "p.csv").code == 0
    predicted = pd.read_csv("p.csv")
    told = evaluate("c", "data.path=new.csv")["metrics"]
    assert told["balanced_accuracy"] == pytest.approx(scores.balanced_accuracy_score(new["y"], predicted["prediction"]))
    assert told["roc_auc"] == pytest.approx(scores.roc_auc_score(new["y"] == "yes", predicted["p_yes"]))
    assert told["log_loss"] == pytest.approx(scores.log_loss(new["y"], predicted[["p_no", "p_yes"]]))
    assert runtree("predict", "r", "new.csv", "-o", "q.csv").code == 0
    told = evaluate("r", "new.csv")
    assert told["metrics"]["rmse"] == pytest.approx(
        scores.root_mean_squared_error(new["z"], pd.read_csv("q.csv")["prediction"])
    )
    train = pd.read_parquet("r/predictions.parquet").query("part == 'train'")["y_true"]
    constant = np.full(len(new), train.mean())
    assert told["baselines"][0]["metrics"]["test"]["rmse"] == pytest.approx(
        scores.root_mean_squared_error(new["z"], constant)
    )


def test_what_is_odd_in_the_rows_is_counted_and_told(tree, evaluate, runtree):
    new = rows(100, 2, "abcd").astype({"y": object})
    new.loc[[0, 1], "y"] = [None, "maybe"]
    seen = pd.read_csv(tree / "train.csv", sep=";", decimal=",")
    new = pd.concat([new, seen, new.iloc[[50, 50]]])
    new.to_csv(tree / "new.csv", **WRITTEN)
    told = evaluate("c", "new.csv")
    found = told["found"]
    assert (found["without_target"], found["unknown_classes"]) == (1, {"maybe": 1})
    assert (found["train"], found["validation"], told["without_seen"]["rows"]) == (180, 60, told["rows"] - 240)
    assert found["unseen"] == {"city": int((new.iloc[2:]["city"] == "d").sum())} and told["rows"] == 400
    text = " ".join(told["notes"])
    assert "240 of 400 rows are rows that the model was made with" in text and "2 of 400 rows repeat" in text
    assert "whether rows" not in text
    shown = runtree("evaluate", "c", "new.csv", "--no-trained").out
    assert "made with" not in shown and "test of the run" in shown and "vs baselines" in shown
    assert "on the same 400 rows of new.csv" in shown


def test_what_the_rows_do_not_determine_is_told_and_no_number(tree, evaluate, runtree):
    new = rows(30, 9)
    new[new["y"] == "yes"].to_csv(tree / "new.csv", **WRITTEN)
    told = evaluate("c", "new.csv")
    assert "roc_auc" not in told["metrics"] and told["undefined"]["roc_auc"] == "no row of class 'no'"
    shown = runtree("evaluate", "c", "new.csv").out
    assert "nan" not in shown and "no row of class 'no'" in shown


def test_values_that_do_not_fit_are_refused_or_counted(tree, evaluate, runtree):
    new = rows(60, 3)
    new["x"] = [str(value).replace(".", ",") for value in new["x"]]
    new.loc[4, "x"] = "heavy"
    new.drop(columns="code").to_csv(tree / "new.csv", **WRITTEN)
    said = runtree("evaluate", "c", "new.csv")
    assert said.code == 2 and "lacks 1 of the 3 columns" in said.err and "--unreadable missing" in said.err
    found = evaluate("c", "new.csv", "--unreadable", "missing")["found"]
    assert found["unreadable"] == {"x": 1} and found["missing_columns"] == ["code"]


def test_a_table_that_cannot_be_read_again_is_told_and_no_error(tree, evaluate):
    rows(50, 4).to_csv(tree / "new.csv", **WRITTEN)
    (tree / "train.csv").rename("gone.csv")
    told = evaluate("c", "new.csv")
    assert any("is not known" in note for note in told["notes"]) and "train" not in told["found"]


def test_another_format_another_target_and_another_place(tree, evaluate, runtree):
    new = rows(80, 5)
    new.rename(columns={"y": "outcome"}).to_parquet(tree / "new.parquet")
    words = ["c", "data=parquet", "data.path=new.parquet", "data.target=outcome", "-o", "there"]
    told = evaluate(*words)
    assert told["target"] == "outcome" and any("trained for 'y'" in note for note in told["notes"])
    assert told["metrics"] == evaluate("c", "new.parquet", "data.target=outcome")["metrics"]
    assert (tree / "there" / "scores.json").is_file()
    said = runtree("evaluate", *words)
    assert said.code == 2 and "already holds an evaluation" in said.err


def test_a_gate_fails_on_these_rows_with_exit_code_3(tree, evaluate, runtree):
    rows(80, 6).to_csv(tree / "new.csv", **WRITTEN)
    told = evaluate("c", "new.csv", "evaluator.benchmark.metrics=['test.f1 >= 0.99','test.f1.low > 0.1']", code=3)
    assert [condition["passed"] for condition in told["benchmark"]["conditions"]] == [False, True]
    assert "test.f1 is" in told["failed"][0]
    # what is about the training cannot be checked on other rows
    told = evaluate(
        "c", "new.csv", "evaluator.benchmark.metrics=['gain.dummy > -1','fit_seconds < 9','gain.linear > 0']"
    )
    assert told["benchmark"]["passed"] and any("fit_seconds < 9, gain.linear > 0" in note for note in told["notes"])
    told = evaluate("c", "new.csv", "evaluator.benchmark.metrics=['fit_seconds < 9']", "evaluator.benchmark.run=latest")
    assert "benchmark" not in told and told["failed"] == []
    said = runtree("evaluate", "c", "new.csv", "evaluator.benchmark.metrics=['test.rmse < 1']")
    assert said.code == 2 and "rmse" in said.err


@pytest.mark.parametrize(
    "words, says",
    [
        ((), "which rows?"),
        (("new.csv", "algorithm.C=3"), "the model is trained"),
        (("new.csv", "evaluator=cross_validation"), "the model is trained"),
        (("new.csv", "evaluator.benchmark.metrics=['test.mcc >= 2','test.rmse < 1']"), "rmse"),
        (("new.csv", "data.targt=y"), "did you mean: data.target"),
        (("new.csv", "data.target=nope"), "unknown column at data.target: 'nope'"),
        (("nope.csv",), "nope.csv"),
        (("new.csv", "other.csv"), "one file at a time"),
        (("data=nope", "data.path=new.csv"), "unknown option of data 'nope'"),
        (("new.csv", "evaluator.metrics=[nope]"), "evaluator.metrics: 'nope'"),
        (("new.csv", "data.target=x"), "no row of column 'x' is of a class that the model knows"),
    ],
)
def test_mistakes_are_answered_and_leave_no_folder(tree, runtree, words, says):
    rows(20, 7).to_csv(tree / "new.csv", **WRITTEN)
    said = runtree("evaluate", "c", *words)
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) <= 5, said.err
    assert not list((tree / "c").glob("evaluations/*"))


def test_a_source_that_a_record_names_is_no_licence_to_run_it(tree, runtree):
    rows(20, 8).to_csv(tree / "new.csv", **WRITTEN)
    config = tree / "c" / "config.yaml"
    config.write_text(config.read_text().replace("runtree.data.files.TableFile", "os.system"))
    said = runtree("evaluate", "c", "new.csv")
    assert said.code == 2 and "'os.system' is not code that a file or a record may name" in said.err


def test_the_best_of_a_sweep_is_scored_on_a_bundled_table(copied, runtree):
    best = max(copied.runs.glob("*/model")).parent
    said = runtree("evaluate", str(best), "data=iris", "--json")
    told = json.loads(said.out)
    assert said.code == 0 and told["rows"] == 150 and told["found"]["train"] > 0
    # the table of the run was no file: one is read by its suffix
    pd.DataFrame(load_iris(as_frame=True).frame).assign(target="setosa").to_csv("iris.csv", index=False)
    said = runtree("evaluate", str(best), "data.path=iris.csv")
    assert said.code == 0 and "150 rows" in said.out, said


def test_fairness_is_measured_where_it_is_bounded(tree, evaluate):
    pytest.importorskip("fairlearn")
    rows(90, 10).to_csv(tree / "new.csv", **WRITTEN)
    bounded = ["evaluator.fairness.columns=[city]", "evaluator.fairness.max_gap=0.0001"]
    told = evaluate("c", "new.csv", *bounded, code=3)
    assert told["fairness"][0]["column"] == "city" and "max_gap" in told["failed"][0]
    # of another target the column may be missing: a gate that could not be measured is no passed one
    told = evaluate("c", "new.csv", "evaluator.fairness.columns=[town]", "evaluator.fairness.max_gap=1", code=3)
    assert any("fairness is not measured" in note for note in told["notes"])


@pytest.mark.parametrize(
    "classes, labels, codes",
    [
        ((0, 1), ["1", "0", "1.0", "x"], [1, 0, 1, -1]),
        ((0.0, 1.0), [1, 0, 2, None], [1, 0, -1, -1]),
        ((False, True), ["TRUE", "false", True, 1], [1, 0, 1, 1]),
        (("1", "2"), [2, 1, 1.0, 3], [1, 0, 0, -1]),
        (("no", "yes"), ["yes", "Yes", "no ", None], [1, -1, -1, -1]),
    ],
)
def test_a_label_is_found_in_whatever_type_a_file_has_it(classes, labels, codes):
    assert encode_known(pd.Series(labels, dtype=object), classes).tolist() == codes


def test_rows_are_equal_whatever_types_hold_them():
    one = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    other = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": pd.Series(["x", None, "z"], dtype="category")})
    y = np.array([0, 1, 0])
    assert (row_keys(one, y) == row_keys(other, y)).tolist() == [True, True, False]
    assert not (row_keys(one, y) == row_keys(one, 1 - y)).any()


def test_the_interval_of_a_difference_is_that_of_two_independent_scores():
    # of two normal means with standard errors 3 and 4 the difference has the standard error 5
    limits = {"m": {"low": 10 - 3 * 1.96, "high": 10 + 3 * 1.96}}, {"m": {"low": 2 - 4 * 1.96, "high": 2 + 4 * 1.96}}
    found = difference({"m": 10.0}, limits[0], {"m": 2.0}, limits[1], "m")
    assert found == {"value": 8.0, "low": pytest.approx(8 - 5 * 1.96), "high": pytest.approx(8 + 5 * 1.96)}
    assert difference({"m": 10.0}, {}, {"m": 2.0}, limits[1], "m") == {"value": 8.0, "low": None, "high": None}
