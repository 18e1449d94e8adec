"""From Python a run is the same run: equal bytes, equal errors; and what is returned reads the files."""

import importlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

import runtree as rt
from runtree.contract.errors import DataError, NotFoundError, RequestError
from runtree.testing.fixtures import UNEXAMINED

ROOT = Path(__file__).parents[2]
PLAIN = " ".join(UNEXAMINED)


def rows():
    """Return a table with numbers, categories and holes."""
    numbers = list(range(90))
    table = {"area": [40.5 + n % 30 for n in numbers], "side": [("north", "south", None)[n % 3] for n in numbers]}
    return pd.DataFrame({**table, "price": [100.0 * (n % 30) + n % 7 for n in numbers]})


# options, and where the rows come from: a CSV file, a data frame, or a bundled table
RUNS = [
    ({"algorithm": "ridge"}, "csv"),
    ({"algorithm": "decision_tree", "algorithm.max_depth": 3}, "frame"),
    ({"algorithm": "knn", "seed": 7, "data.test_size": 0.3}, "csv"),
    ({"algorithm": "lasso", "algorithm.alpha": 1e-05}, "frame"),
    ({"algorithm": "linear", "evaluator": "cross_validation", "evaluator.folds": 2}, "csv"),
    ({"algorithm": "sgd", "fit.max_iterations": 4, "objective.metric": "mae"}, "frame"),
    ({"algorithm": "dummy", "experiment.name": "other.one"}, "csv"),
    ({"algorithm": "logistic", "data": "wine", "seed": 2}, "bundled"),
    ({"algorithm": "naive_bayes", "data": "iris", "data.types": {"target": "category"}}, "bundled"),
    ({"algorithm": "lda", "data": "wine", "preprocess": "none"}, "bundled"),
]


@pytest.mark.parametrize(("values", "source"), RUNS)
def test_a_run_from_python_is_that_of_the_command_line(runtree, folder, values, source):
    rows().to_csv("rows.csv", index=False)
    data = {"csv": "rows.csv", "frame": pd.read_csv("rows.csv"), "bundled": None}[source]
    run = rt.train(PLAIN, values, data=data, target=None if data is None else "price", progress=False)
    # as a person would type it
    words = [f"{path}={json.dumps(value) if isinstance(value, dict) else value}" for path, value in values.items()]
    if source == "csv":
        words += ["data=csv", "data.path=rows.csv", "data.target=price"]
    if source == "frame":
        [kept] = Path("outputs/.frames").iterdir()
        words += ["data=parquet", f"data.path={kept}", "data.name=frame", "data.target=price"]
    assert runtree("train", *UNEXAMINED, *(re.sub(r'"(\w+)"', r"\1", word) for word in words)).code == 0
    typed = rt.load_run("latest")
    assert typed.id != run.id
    for name in ("config.yaml", "metrics.json", "predictions.parquet"):
        assert (typed.folder / name).read_bytes() == (run.folder / name).read_bytes()
    assert typed.record.fingerprints == run.record.fingerprints


def test_a_data_frame_is_the_table_of_its_file(folder):
    rows().to_csv("rows.csv", index=False)
    made = [
        rt.train(f"algorithm=ridge {PLAIN}", data=data, target="price", progress=False) for data in ("rows.csv", rows())
    ]
    fingerprints = [run.record.fingerprints for run in made]
    assert [print_["data"] for print_ in fingerprints] == [fingerprints[0]["data"]] * 2
    assert made[0].metrics == made[1].metrics
    assert made[0].predictions.equals(made[1].predictions)
    assert fingerprints[0]["config"] != fingerprints[1]["config"]  # which names another file


def test_what_is_returned_reads_the_files(folder):
    run = rt.train(f"algorithm=ridge {PLAIN}", data=rows(), target="price")
    assert run.state == "completed"
    assert run.metrics["test"]["rmse"] < 500
    assert run.config["algorithm"]["name"] == "ridge"
    assert set(run.predictions["part"]) == {"train", "validation", "test"}
    assert repr(run).startswith(f"<run {run.id}: completed, rmse train ")
    assert "<td>rmse</td>" in run._repr_html_()
    new = rows()[["side", "area"]].head(4).assign(more=1)
    predicted = run.model.predict(new)
    assert predicted.shape == (4,)
    model = rt.load_model("latest")
    assert (model.predict(new) == predicted).all()
    assert (model.predict(new.to_dict("records")) == predicted).all()
    for nameless in (new.to_numpy(), new.iloc[0], [[1.0, 2.0]], {"age": 1}):
        with pytest.raises(RequestError, match=r"rows: a .* has no columns with names"):
            model.predict(nameless)
    assert rt.load_run("latest").folder.resolve() == run.folder.resolve()
    scores = rt.evaluate(run, rows(), "evaluator.intervals.resamples=0")
    assert scores["rows"] == 90
    assert (
        rt.evaluate("latest", Path("outputs", ".frames", next(os.walk("outputs/.frames"))[2][0]))["metrics"]
        == scores["metrics"]
    )
    with pytest.raises(DataError, match="lacks 1 of the 2 columns"):
        run.model.predict(new[["area"]])
    with pytest.raises(RequestError, match="this model has no probabilities"):
        run.model.predict_proba(new)


def test_a_sweep_from_python_has_a_best_run_and_trials(folder):
    options = "compute.engine=in_process tuner.report=false"
    values = {"algorithm.alpha": "interval(0.1,10)"}
    sweep = rt.tune(f"{PLAIN} {options}", values, data=rows(), target="price", algorithm="ridge", max_runs=3)
    assert len(sweep.runs) == len(sweep.trials()) == 3
    assert sweep.stop["criterion"] == "max_runs"
    assert sweep.best.metrics["test"]
    assert rt.load_sweep("latest").folder.resolve() == sweep.folder.resolve()
    compared = rt.compare([sweep.folder.name])
    assert compared["rank"].tolist() == [1, 2, 3]
    assert compared["run"][0] == sweep.best.id


SPACE = """
def space(trial):
    if trial.suggest_categorical("kind", ["free", "fixed"]) == "fixed":
        return {"algorithm.alpha": 0.5}
    return {"algorithm.alpha": trial.suggest_float("alpha", 1e-2, 10, log=True)}
"""


def test_a_sweep_over_a_function_is_resumed_as_if_it_had_not_stopped(folder, runtree, monkeypatch):
    (folder / "spaces.py").write_text(SPACE)
    monkeypatch.syspath_prepend(folder)
    space = importlib.import_module("spaces").space
    options = f"algorithm=ridge {PLAIN} compute.engine=in_process tuner.report=false tuner.plots=false tuner.keep=none"
    asked = {"data": rows(), "target": "price", "space": space, "progress": False}
    whole = rt.tune(options, max_runs=5, **asked)
    began = rt.tune(options, max_runs=2, **asked)
    with pytest.raises(RequestError, match="this is not the function that the sweep began with, trial 0 differs"):
        rt.resume(began.folder, space=lambda trial: {"algorithm.alpha": trial.suggest_int("a", 1, 2)})
    rt.resume(began.folder, "tuner.stop.max_runs=3", space=space, progress=False)
    # where there is no function to pass, one of a module may be named
    resume = ("resume", began.folder.name, "tuner.stop.max_runs=5")
    refused = runtree(*resume)
    assert refused.code == 2
    assert f"runtree resume {began.folder} --trust spaces.space" in refused.err
    assert runtree(*resume, "--trust", "spaces.space").code == 0
    columns = ["runs", "algorithm.alpha", "validation.rmse"]
    pd.testing.assert_frame_equal(began.trials()[columns], whole.trials()[columns])


@pytest.mark.parametrize(
    ("arguments", "values", "message"),
    [
        (["algorithm=rigde"], {}, "did you mean: ridge?"),
        (["algorithm=ridge"], {"data": "no_such.csv", "target": "y"}, r"data\.path: no file no_such\.csv"),
        ([{"algorithm.alhpa": 1}], {"data": "diabetes", "algorithm": "ridge"}, "alhpa"),
        ([7], {}, "7 is no override"),
        ([], {"data": {"y": [1]}, "target": "y"}, r"data: a dict is neither .*\n.*pandas\.DataFrame"),
        (["-m"], {}, r"rt\.tune"),
        (["algorithm=ridge,lasso"], {}, "several"),
        ([], {"data": pd.DataFrame({"x": [1, "a"], "y": [1, 2]}), "target": "y"}, "cannot be kept as Parquet"),
        ([], {"data": pd.DataFrame({"x": [1.0], "y": [1.0]}), "target": "z"}, r"data\.target"),
        ([], {"data": rows(), "target": "price", "seed": object()}, "seed: .* cannot be written"),
    ],
)
def test_a_mistake_is_answered_as_on_the_command_line(folder, arguments, values, message):
    with pytest.raises(RequestError, match=message):
        rt.train(*arguments, **values)


MISTAKES = [
    "algorithm=rigde",
    "algorithm=ridge algorithm.alhpa=1",
    "algorithm=ridge algorithm.alpha=-1",
    "algorithm=ridge data=csv data.path=nowhere.csv data.target=y",
    "data=csv data.path=rows.csv data.target=cost",
    "data=csv data.path=rows.csv",
    "algorithm=ridge data.test_size=-1",
    "algoritm=ridge",
    "algorithm=ridge objective.metric=acuracy",
    "algorithm=logistic data=csv data.path=rows.csv data.target=price",
    "algorithm=ridge evaluator.folds=3",
    "algorithm=ridge seed=one",
]


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_in_the_words_of_the_command_line(runtree, folder, words):
    rows().to_csv("rows.csv", index=False)
    said = runtree("train", *words.split())
    with pytest.raises(RequestError) as caught:
        rt.train(words)
    lines = f"error: {caught.value}".splitlines()
    assert said.err.splitlines()[-len(lines) :] == lines
    assert said.code == caught.value.exit_code
    assert len(lines) <= 5


def test_an_algorithm_may_train_another_and_threads_work_one_after_another(folder):
    Path("nested.py").write_text(
        "import runtree as rt\nfrom sklearn.linear_model import Ridge\n\n\nclass Outer(Ridge):\n"
        "    def fit(self, X, y):\n"
        f"        self.inner_ = rt.train('algorithm=dummy data=diabetes {PLAIN}', progress=False).state\n"
        "        return super().fit(X, y)\n"
    )
    outer = {"algorithm": "ridge", "algorithm._target_": "nested.Outer", "data": "diabetes"}
    run = rt.train(outer, PLAIN, trust=["nested.Outer"])
    assert run.state == "completed"
    one = rt.train(f"algorithm=sgd data=diabetes {PLAIN}")
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda seed: rt.train(f"algorithm=sgd data=diabetes {PLAIN}", seed=seed), (0, 1, 0)))
    assert [run.metrics == one.metrics for run in made] == [True, False, True]
    assert len({run.id for run in made}) == 3


@pytest.mark.parametrize("search", [rt.tune, rt.resume])
def test_a_space_that_is_no_function_is_refused(folder, search):
    with pytest.raises(RequestError, match="space: a dict is no function of a trial"):
        search(space={"algorithm.alpha": [1, 2]})


def test_what_is_not_there_is_told(folder):
    for load in (rt.load_run, rt.load_sweep, rt.load_model):
        with pytest.raises(NotFoundError):
            load("latest")


def test_the_names_are_listed_and_importing_them_is_cheap():
    assert {"train", "tune", "load_model", "load_run", "load_runs", "load_sweep", "compare"} <= set(dir(rt))
    heavy = "[name for name in ('hydra', 'pandas', 'sklearn', 'torch') if name in sys.modules]"
    code = f"import sys, runtree as rt; dir(rt); rt.train; rt.load_model; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_examples_of_the_page_run(folder, capsys):
    space = {}
    for example in re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.MULTILINE | re.DOTALL
    ):
        exec(example, space)
    assert "('class_0', 'class_1', 'class_2') (2, 3)" in capsys.readouterr().out
