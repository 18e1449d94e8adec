"""A request that is refused is no run: it leaves no folder, whenever it turns out that it cannot be done."""

import json
from pathlib import Path

import pytest
import yaml

from runtree.contract.errors import ConfigError
from runtree.testing.fixtures import UNEXAMINED

IRIS = ("train", "data=iris", *UNEXAMINED)


@pytest.mark.parametrize(
    "words",
    [
        ("algorithm=logistic", "algorithm.C=-1"),  # found by the estimator, in its fit
        ("algorithm=dummy", "evaluator.metrics=[nosuch]"),
        ("algorithm=dummy", "fit.history=[x]"),
        ("algorithm=dummy", "data.positive=nosuch"),
        ("algorithm=dummy", "evaluator.benchmark.run=nosuch"),
        ("algorithm=dummy", "data=csv", "data.path=nosuch.csv", "data.target=y"),
    ],
    ids=lambda words: words[-1],
)
def test_a_refused_request_leaves_no_run(runtree, folder, words):
    said = runtree(*IRIS, *words)
    assert said.code in (2, 5), said.err
    assert not list(folder.glob("outputs/*/*")) and not list(folder.rglob("run.json"))


def test_the_folder_that_the_user_named_keeps_what_was_in_it(runtree, folder):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    said = runtree(*IRIS, "algorithm=logistic", "algorithm.C=-1", "hydra.run.dir=mine")
    assert said.code == 2, said.err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert runtree(*IRIS, "algorithm=dummy", "hydra.run.dir=mine").code == 0  # nothing is in the way


def test_a_run_that_has_fitted_something_stays_though_the_rest_is_refused(runtree, folder, monkeypatch):
    def refuse(run):
        raise ConfigError("evaluator.planted: it cannot be done after all")

    monkeypatch.setattr("runtree.lifecycle.stages.save", refuse)
    said = runtree(*IRIS, "algorithm=dummy")
    assert said.code == 2, said.err
    [record] = folder.glob("outputs/*/*/run.json")
    assert json.loads(record.read_text())["state"] == "failed"


def test_the_champion_of_a_sweep_is_chosen_once_for_all_of_its_runs(runtree, folder):
    assert runtree(*IRIS, "algorithm=dummy").code == 0
    [champion] = [path.parent.name for path in folder.glob("outputs/*/*/run.json")]
    swept = ("-m", "algorithm=dummy", "seed=1,2", "tuner.keep=all", "compute.engine=in_process", "tuner.plots=false")
    assert runtree(*IRIS, *swept, "evaluator.benchmark.run=latest").code in (0, 1, 3)
    [sweep] = folder.glob("outputs/*/*-sweep")
    assert yaml.safe_load((sweep / "sweep.yaml").read_text())["champion"] == champion
    configs = [yaml.safe_load(file.read_text()) for file in sweep.glob("runs/*/config.yaml")]
    assert [config["evaluator"]["benchmark"]["run"] for config in configs] == [champion, champion]
