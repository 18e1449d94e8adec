import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from real_sweeps import RUNTREE, UNEXAMINED

FILES = {
    "config.yaml", "run.json", "metrics.json", "data.json", "profile.json", "environment.json", "predictions.parquet", "model", "log.txt",
    "manifest.json", "evaluation.json", ".lock",
}  # fmt: skip


def run_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("outputs/*/*") if path.is_dir())


def test_one_command_leaves_the_tree_of_the_manual(runtree, folder):
    said = runtree("train")
    assert said.code == 0, said.err
    [run] = run_folders(folder)
    assert {path.name for path in run.iterdir()} == FILES
    assert run.name in said.out
    assert "accuracy" in said.out
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["reason"], record["task"]) == ("completed", "max_iterations", "classification")
    assert record["metrics"] == json.loads((run / "metrics.json").read_text())
    assert record["objective"]["value"] == record["metrics"]["validation"]["balanced_accuracy"]
    assert run.name.endswith(record["fingerprints"]["config"][:8])
    assert set(record["stages"]) == {
        "load",
        "check",
        "validate_evaluation",
        "split",
        "validate_gate",
        "check_schema",
        "check_table",
        "fit",
        "score",
        "save",
        "evaluate",
        "report",
    }
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["algorithm"]["name"] == record["config"]["algorithm.name"] == "hist_gradient_boosting"


def test_the_metrics_equal_a_plain_scikit_learn_script(runtree, folder):
    """The script that anybody would write, to the last digit."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer(as_frame=True)
    x, y = data.data, data.target.map(dict(enumerate(data.target_names)))
    rest_x, test_x, rest_y, test_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=7)
    train_x, _, train_y, _ = train_test_split(rest_x, rest_y, test_size=114, stratify=rest_y, random_state=7)
    train_x, train_y = train_x.sort_index(), train_y.sort_index()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=1000, random_state=7)).fit(
        train_x, train_y
    )
    test_x, test_y = test_x.sort_index(), test_y.sort_index()
    chance = model.predict_proba(test_x)

    said = runtree("train", "algorithm=logistic", "algorithm.C=0.5", "algorithm.max_iter=1000", "seed=7")
    assert said.code == 0, said.err
    [run] = run_folders(folder)
    found = json.loads((run / "metrics.json").read_text())["test"]
    assert found["accuracy"] == accuracy_score(test_y, model.predict(test_x))
    assert found["log_loss"] == log_loss(test_y, chance)
    assert found["roc_auc"] == roc_auc_score(test_y, chance[:, 1])


def test_the_metrics_equal_scikit_learns_on_the_saved_predictions(runtree, folder):
    import sklearn.metrics as sk

    assert runtree("train", "algorithm=logistic", "data=wine").code == 0
    [run] = run_folders(folder)
    rows, metrics = pd.read_parquet(run / "predictions.parquet"), json.loads((run / "metrics.json").read_text())
    assert len(rows) == 178
    for part, found in metrics.items():
        mine = rows[rows["part"] == part]
        chance = mine[[name for name in rows if name.startswith("p_")]].to_numpy()
        assert found["f1"] == sk.f1_score(mine["y_true"], mine["y_pred"], average="macro")
        assert found["mcc"] == sk.matthews_corrcoef(mine["y_true"], mine["y_pred"])
        assert found["log_loss"] == sk.log_loss(mine["y_true"], chance)
        assert found["roc_auc"] == sk.roc_auc_score(mine["y_true"], chance, multi_class="ovr")


@pytest.mark.parametrize("algorithm", ["random_forest", "mlp", "hist_gradient_boosting", "sgd"])
def test_the_same_seed_gives_the_same_bytes(runtree, folder, algorithm):
    for _ in range(2):
        assert runtree("train", f"algorithm={algorithm}", "data=iris", "seed=3", *UNEXAMINED).code == 0
    one, two = run_folders(folder)
    for name in ("metrics.json", "predictions.parquet", "data.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_another_seed_gives_another_split(runtree, folder):
    for seed in (0, 1):
        assert runtree("train", "algorithm=dummy", "data=iris", f"seed={seed}", *UNEXAMINED).code == 0
    one, two = (json.loads((run / "run.json").read_text())["fingerprints"] for run in run_folders(folder))
    assert one["data"] == two["data"]
    assert one["split"] != two["split"]


def test_cross_validation_scores_equal_scikit_learns(runtree, folder):
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold, cross_val_score, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    said = runtree("train", "algorithm=ridge", "data=diabetes", "evaluator=cross_validation", "evaluator.metrics=[r2]")
    assert said.code == 0, said.err
    [run] = run_folders(folder)
    found = json.loads((run / "metrics.json").read_text())
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x, _, y, _ = train_test_split(x, y, test_size=89, random_state=0)
    x, y = x.sort_index(), y.sort_index()
    folds = KFold(5, shuffle=True, random_state=0)
    expected = cross_val_score(make_pipeline(StandardScaler(), Ridge()), x, y, cv=folds, scoring="r2")
    assert [fold["r2"] for fold in found["folds"]] == pytest.approx(expected.tolist(), rel=1e-12)
    assert found["validation"]["r2"] == pytest.approx(expected.mean(), rel=1e-12)
    rows = pd.read_parquet(run / "predictions.parquet")
    assert (rows["part"] == "validation").sum() == len(x)


def test_multirun_makes_a_sweep_with_a_run_for_each_combination(runtree, folder):
    said = runtree("train", "-m", "algorithm=dummy,naive_bayes", "seed=1,2", "data=iris", *UNEXAMINED)
    assert said.code == 0, said.err
    [sweep] = run_folders(folder)
    assert sweep.name.endswith("-sweep")
    records = [json.loads(path.read_text()) for path in sorted(sweep.glob("runs/*/run.json"))]
    assert [tuple(record["overrides"][:2]) for record in records] == [
        (f"algorithm={algorithm}", f"seed={seed}") for algorithm in ("dummy", "naive_bayes") for seed in (1, 2)
    ]
    ranked = [line.split() for line in said.out.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert [words[1] for words in ranked] == ["0002-0003", "0000-0001"], "a line for each configuration, not each run"
    assert "\ncommand  runtree train algorithm=naive_bayes seed=1 data=iris" in said.out
    best = json.loads(runtree("status", "--json").out)["sweep"]["best"]
    assert best["overrides"] == records[2]["overrides"] and best["sd"] is not None
    rows = json.loads(runtree("compare", "--json").out)["lines"]
    assert [row["overrides"][:2] for row in rows] == [list(records[first]["overrides"][:2]) for first in (2, 0)]
    assert json.loads(runtree("runs", "--json").out)["runs"][0]["state"] == "completed"


def test_a_failed_run_of_a_multirun_is_told_and_the_others_go_on(runtree, folder):
    said = runtree("train", "-m", "algorithm=lasso,dummy", "data=iris")
    assert said.code == 1
    assert "lasso supports regression" in said.err
    states = [json.loads(path.read_text())["state"] for path in sorted(folder.glob("outputs/*/*/runs/*/run.json"))]
    assert states == ["failed", "completed"]


def test_hydras_own_flags_keep_working(runtree, folder):
    config = yaml.safe_load(runtree("train", "algorithm=ridge", "--cfg", "job", "--resolve").out)
    assert config["algorithm"]["random_state"] == 0
    assert "algorithm: ridge" in runtree("train", "algorithm=ridge", "--info", "defaults-tree").out
    assert "n_estimators" in runtree("train", "algorithm=bagging", "--cfg", "job", "--package", "algorithm").out
    assert runtree("train", "--hydra-help").code == 0
    assert run_folders(folder) == []


def test_hydra_run_dir_is_the_runs_folder_and_is_taken_once(runtree, folder):
    assert runtree("train", "algorithm=dummy", "data=iris", "hydra.run.dir=mine").code == 0
    assert (folder / "mine" / "run.json").is_file()
    again = runtree("train", "algorithm=dummy", "data=iris", "hydra.run.dir=mine")
    assert (again.code, "already contains a run" in again.err) == (2, True)


def test_a_conf_beside_the_user_adds_to_the_shipped_one_and_wins(runtree, folder):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "experiment").mkdir()
    (folder / "conf" / "algorithm" / "tiny.yaml").write_text(
        "name: tiny\n_target_: {classification: sklearn.tree.DecisionTreeClassifier}\nmax_depth: 1\nrandom_state: ${seed}\n"
    )
    (folder / "conf" / "algorithm" / "dummy.yaml").write_text(
        "name: mine\n_target_: {classification: sklearn.dummy.DummyClassifier}\nstrategy: uniform\nrandom_state: ${seed}\n"
    )
    (folder / "conf" / "experiment" / "x.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /algorithm: tiny\n  - override /data: iris\nexperiment: {name: x}\n"
    )
    assert runtree("train", "experiment=x").code == 0
    assert runtree("train", "algorithm=dummy", "data=iris").code == 0
    names = {json.loads(p.read_text())["config"]["algorithm.name"] for p in folder.glob("outputs/*/*/run.json")}
    assert names == {"tiny", "mine"}
    assert (folder / "outputs" / "x").is_dir()


def test_ones_own_estimator_trains_and_predicts(runtree, folder):
    (folder / "mymodels.py").write_text(
        "import numpy as np\nfrom sklearn.base import BaseEstimator, ClassifierMixin\n"
        "class First(ClassifierMixin, BaseEstimator):\n"
        "    def __init__(self, bias=0.0):\n        self.bias = bias\n"
        "    def fit(self, X, y):\n        self.classes_ = np.unique(y)\n        return self\n"
        "    def predict(self, X):\n        return self.classes_[(X[:, 0] > self.bias).astype(int)]\n"
    )
    typed = ["algorithm=import", "algorithm.path=mymodels:First", "algorithm.params.bias=0.5"]
    assert runtree("train", *typed).code == 0
    [run] = run_folders(folder)
    assert "roc_auc" not in json.loads((run / "metrics.json").read_text())["test"]
    from sklearn.datasets import load_breast_cancer

    load_breast_cancer(as_frame=True).data.head(5).to_csv(folder / "rows.csv", index=False)
    refused = runtree("predict", "latest", "rows.csv")
    assert (refused.code, "--trust mymodels.First" in refused.err) == (2, True)
    assert runtree("predict", "latest", "rows.csv", "-o", "o.csv", "--trust", "mymodels.First").code == 0
    assert len(pd.read_csv(folder / "o.csv")) == 5


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([*RUNTREE, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, pattern: str) -> Path:
    for _ in range(1800):
        if found := sorted(folder.glob(pattern)):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no {pattern}")


def test_two_runs_started_at_once_get_two_folders(folder):
    both = [start(folder, "train", "algorithm=dummy", "data=iris") for _ in range(2)]
    outs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    assert len(run_folders(folder)) == 2


SLOW = ("train", "algorithm=import", "algorithm.path=slow:Slow")


@pytest.fixture
def slow(folder):
    (folder / "slow.py").write_text(
        "import pathlib, time\nfrom sklearn.dummy import DummyClassifier\n"
        "class Slow(DummyClassifier):\n"
        "    def fit(self, X, y):\n        pathlib.Path('fitting').touch()\n        time.sleep(600)\n        return super().fit(X, y)\n"
    )
    return folder


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_state_interrupted(slow, ending):
    process = start(slow, *SLOW)
    wait_for(slow, "fitting")
    process.send_signal(ending)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    [run] = run_folders(slow)
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["reason"], record["error"]) == ("interrupted", "interrupted", None)


def test_a_killed_run_is_shown_as_interrupted_and_its_config_is_there(slow, runtree):
    process = start(slow, *SLOW)
    wait_for(slow, "fitting")
    running = json.loads(runtree("runs", "--json").out)["runs"][0]
    assert running["state"] == "running"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    [run] = run_folders(slow)
    assert yaml.safe_load((run / "config.yaml").read_text())["seed"] == 0
    assert json.loads((run / "run.json").read_text())["state"] == "running"
    assert json.loads(runtree("runs", "--json").out)["runs"][0]["state"] == "interrupted"


def test_a_secret_reaches_no_file_and_no_word(runtree, folder, monkeypatch):
    monkeypatch.setenv("CANARY", "tweet.csv")
    (folder / "tweet.csv").write_text("\n".join(["x,y", *(f"{n},{'pq'[n % 2]}" for n in range(60))]))
    said = runtree("train", "data=csv", "data.path=${secret:CANARY}", "data.target=y", "algorithm=dummy")
    assert said.code == 0, said.err
    kept = b"".join(path.read_bytes() for path in folder.rglob("outputs/**/*") if path.is_file())
    assert b"tweet" not in kept
    assert b"secret:CANARY" in kept
    assert "tweet" not in said.out + said.err
