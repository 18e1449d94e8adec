"""What Hydra's own words mean under runtree's sweeper: the same as under Hydra's."""

import json
import logging
import pickle
import sys
from types import ModuleType

import pytest
import yaml
from omegaconf import OmegaConf
from real_sweeps import UNEXAMINED

from runtree.app.engines import launcher_batch_size
from runtree.records.ledger import read_ledger

QUICK = ["data=iris", "compute.engine=in_process", "evaluator.metrics=[accuracy]", *UNEXAMINED]
CALLBACK = """
from hydra.experimental.callback import Callback


class Listener(Callback):
    def say(self, text):
        with open("said.txt", "a") as file:
            file.write(text + "\\n")

    def on_multirun_start(self, config, **more):
        self.say("multirun")

    def on_job_start(self, config, **more):
        self.say(f"job {config.hydra.job.num}")

    def on_job_end(self, config, job_return, **more):
        self.say(f"{job_return.status.name} {job_return.return_value:.1f}")

    def on_multirun_end(self, config, **more):
        self.say("end")
"""


def ledger(sweep):
    return [event for event in read_ledger(sweep / "ledger.jsonl") if event["event"] == "ended"]


def the_sweep(folder):
    [found] = folder.glob("outputs/*/*-sweep")
    return found


def test_a_plain_grid_is_hydras_in_hydras_order(runtree, folder):
    said = runtree("train", "-m", "algorithm=dummy,knn", "seed=range(0,3)", *QUICK)
    assert said.code == 0, said.err
    tried = [(event["values"]["algorithm"], event["repeat"]) for event in ledger(the_sweep(folder))]
    assert tried == [(algorithm, seed) for algorithm in ("dummy", "knn") for seed in range(3)]
    for number, (algorithm, seed) in enumerate(tried):
        config = yaml.safe_load((the_sweep(folder) / "runs" / f"{number:04d}" / "config.yaml").read_text())
        assert (config["algorithm"]["name"], config["seed"]) == (algorithm, seed)


def test_the_folder_is_where_hydra_is_told_to_put_it(runtree, folder):
    assert runtree("train", "-m", "seed=1,2", "algorithm=dummy", "hydra.sweep.dir=mine", *QUICK).code == 0
    assert sorted(path.name for path in (folder / "mine" / "runs").iterdir()) == ["0000", "0001"]
    again = runtree("train", "-m", "seed=1,2", "algorithm=dummy", "hydra.sweep.dir=mine", *QUICK)
    assert again.code == 2 and "runtree resume mine" in again.err


def test_params_in_a_config_are_words_of_the_sweep_and_the_command_line_wins(runtree, folder):
    params = "+hydra.sweeper.params={algorithm: 'dummy,knn', seed: '1,2'}"
    assert runtree("train", "-m", params, "seed=5", *QUICK).code == 0
    assert [event["values"] for event in ledger(the_sweep(folder))] == [{"algorithm": "dummy"}, {"algorithm": "knn"}]
    assert json.loads((the_sweep(folder) / "runs/0000/run.json").read_text())["config"]["seed"] == 5


def test_callbacks_stand_around_each_run(runtree, folder):
    (folder / "listening.py").write_text(CALLBACK)
    said = runtree("train", "-m", "algorithm=dummy,knn", "+hydra.callbacks.mine._target_=listening.Listener", *QUICK)
    assert said.code == 0, said.err
    heard = (folder / "said.txt").read_text().split("\n")[:-1]
    assert heard == ["multirun", "job 0", "COMPLETED 0.3", "job 1", "COMPLETED 1.0", "end"]


@pytest.mark.parametrize("tuner", [[], ["tuner=random", "algorithm.n_neighbors=range(1,30)", "tuner.own_space=false"]])
def test_a_launcher_of_hydras_works_on_the_runs(runtree, folder, tuner):
    asked = tuner or ["algorithm=dummy,knn,naive_bayes"]
    bound = ["algorithm=knn", "tuner.stop.max_runs=3"] if tuner else []
    said = runtree("train", "-m", "hydra/launcher=basic", "compute.slots=2", *asked, *bound, *QUICK)
    assert said.code == 0, said.err
    assert [event["state"] for event in ledger(the_sweep(folder))] == ["completed"] * 3
    assert len(list(the_sweep(folder).glob("runs/*/metrics.json"))) == 3


@pytest.mark.parametrize(
    ("launcher", "tuner", "slots", "batch"),
    [
        ({"n_jobs": 3}, {}, 1, 3),
        ({"n_jobs": 3}, {"sampler": {}}, 1, 3),
        ({"n_jobs": 3}, {}, 2, 2),
        ({"n_jobs": 1}, {}, 1, 1),
        ({"array_parallelism": 256}, {}, 1, 256),
        ({"array_parallelism": 256}, {"sampler": {}}, 1, 1),
        ({"array_parallelism": 256}, {"sampler": {}}, 4, 4),
        ({}, {}, 1, 1),
    ],
)
def test_a_launchers_batch_is_what_was_asked_for_or_what_it_can_take(launcher, tuner, slots, batch):
    own = {"_target_": "runtree.tuners.grid.Grid", **tuner}  # of another's tuner it is not known whether it learns
    config = OmegaConf.create({"hydra": {"launcher": {"_target_": "any", **launcher}}, "tuner": own})
    assert launcher_batch_size(config, slots) == batch


@pytest.mark.parametrize(("keep", "scored"), [("best", 1), ("none", 0), ("all", 3)])
def test_under_a_launcher_of_hydras_too_the_test_part_is_scored_of_what_is_kept(runtree, folder, keep, scored):
    words = ["algorithm=knn", "tuner=random", "tuner.stop.max_runs=3", f"tuner.keep={keep}", "tuner.report=false"]
    said = runtree("train", "-m", "hydra/launcher=basic", *words, *QUICK)
    assert said.code == 0, said.err
    metrics = {path.parent: json.loads(path.read_text()) for path in the_sweep(folder).glob("runs/*/metrics.json")}
    with_test = {path for path, found in metrics.items() if "test" in found}
    assert (len(metrics), len(with_test)) == (3, scored)
    assert {path for path in metrics if (path / "model").exists()} == with_test
    assert said.out.count("\ntest   ") == (scored > 0)


def test_job_logging_and_subdir_are_hydras(runtree, folder):
    words = ["hydra/job_logging=default", "hydra.sweep.subdir=number-${hydra.job.num}", "hydra.sweep.dir=mine"]
    before = list(logging.getLogger().handlers)
    said = runtree("train", "-m", "algorithm=dummy", "seed=1,2", *words, *QUICK)
    assert said.code == 0, said.err
    assert sorted(path.name for path in (folder / "mine").glob("number-*")) == ["number-0", "number-1"]
    assert list((folder / "mine").glob("number-*/*.log"))
    assert logging.getLogger().handlers == before, "what Hydra sets up for its jobs ends with them"
    assert sorted(path.parent.name for path in (folder / "mine").glob("runs/*/metrics.json")) == ["0000", "0001"]
    assert runtree("show", "mine/runs/0001").code == 0


@pytest.mark.parametrize("sweeper", ["runtree", "basic"])
def test_runs_that_would_share_a_folder_are_refused_before_the_first(runtree, folder, sweeper):
    words = ["algorithm=knn", "algorithm.n_neighbors=1,15", f"hydra/sweeper={sweeper}", "hydra.sweep.subdir=same"]
    said = runtree("train", "-m", *words, *QUICK)
    assert said.code == 2
    assert said.err.startswith("error: hydra.sweep.subdir: every run of this sweep")
    assert not (folder / "outputs").exists()


def test_runs_on_one_folder_of_hydras_keep_results_of_their_own(runtree, folder):
    words = ["algorithm=dummy,knn", "hydra.sweep.subdir=${data.name}", "tuner.report=false"]
    assert runtree("train", "-m", *words, *QUICK).code == 0
    for event in ledger(the_sweep(folder)):
        record = json.loads((the_sweep(folder) / f"runs/{event['run']:04d}/run.json").read_text())
        assert (record["number"], record["config"]["algorithm.name"]) == (event["run"], event["values"]["algorithm"])
        assert record["metrics"]["validation"] == event["metrics"]["validation"]


def test_a_resumed_sweep_keeps_hydras_words(runtree, folder):
    (folder / "listening.py").write_text(CALLBACK)
    mine = ["+hydra.callbacks.mine._target_=listening.Listener", "hydra.sweep.subdir=number-${hydra.job.num}"]
    words = ["algorithm=dummy,knn", "tuner.stop.max_runs=1", "tuner.report=false", *mine]
    assert runtree("train", "-m", *words, *QUICK).code == 0
    (folder / "said.txt").unlink()
    said = runtree("resume", "latest", "tuner.stop.max_runs=2", "--trust", "listening.Listener")
    assert said.code == 0, said.err
    assert "job 1" in (folder / "said.txt").read_text()
    assert (the_sweep(folder) / "number-1").is_dir()


@pytest.fixture
def elsewhere(monkeypatch):
    """Return what chooses a launcher whose jobs know nothing of this process but what is pickled."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    import hydra_plugins

    class PicklingLauncher(BasicLauncher):
        def launch(self, job_overrides, initial_job_idx):
            own, self.task_function = self.task_function, pickle.loads(pickle.dumps(self.task_function))
            returned = super().launch(job_overrides, initial_job_idx)
            self.task_function = own
            return returned

    name = "hydra_plugins.elsewhere.PicklingLauncher"
    PicklingLauncher.__module__, PicklingLauncher.__qualname__ = name.rsplit(".", 1)
    module = ModuleType("hydra_plugins.elsewhere")
    module.PicklingLauncher = PicklingLauncher
    monkeypatch.setitem(sys.modules, "hydra_plugins.elsewhere", module)
    monkeypatch.setattr(hydra_plugins, "elsewhere", module, raising=False)
    monkeypatch.setitem(Plugins.instance().class_name_to_class, name, PicklingLauncher)
    ConfigStore.instance().store(group="hydra/launcher", name="elsewhere", node={"_target_": name})
    yield "hydra/launcher=elsewhere"
    del ConfigStore.instance().repo["hydra"]["launcher"]["elsewhere.yaml"]


def test_a_launcher_elsewhere_loses_neither_runs_nor_failures(runtree, folder, elsewhere):
    words = ["algorithm=knn", "algorithm.n_neighbors=3,-1,5", "hydra/sweeper=basic", elsewhere]
    said = runtree("train", "-m", *words, *QUICK)
    assert said.code == 1
    assert [line.split()[:2] for line in said.out.splitlines() if line.startswith("000")] == [
        ["0000", "algorithm.n_neighbors=3"],
        ["0002", "algorithm.n_neighbors=5"],
    ]
    assert "failed: algorithm=knn algorithm.n_neighbors=-1" in said.err


def test_a_launcher_elsewhere_is_told_which_attempt_it_runs(runtree, folder, elsewhere):
    words = ["algorithm=dummy,knn", elsewhere, "tuner.report=false"]
    said = runtree("train", "-m", *words, *QUICK)
    assert said.code == 0, said.err
    records = [json.loads(path.read_text()) for path in sorted(the_sweep(folder).glob("runs/*/run.json"))]
    assert [(record["number"], record["attempt"]) for record in records] == [(0, "1.1"), (1, "1.1")]


def test_a_key_that_only_some_options_have_is_set_where_it_exists(runtree, folder):
    said = runtree("train", "-m", "algorithm=logistic,knn", "algorithm.n_neighbors=3,7", "algorithm.C=2", *QUICK)
    assert said.code == 0, said.err
    assert [event["values"] for event in ledger(the_sweep(folder))] == [
        {"algorithm": "logistic", "algorithm.C": 2},
        {"algorithm": "knn", "algorithm.n_neighbors": 3},
        {"algorithm": "knn", "algorithm.n_neighbors": 7},
    ]


def test_hydras_own_sweeper_may_be_chosen(runtree, folder):
    said = runtree("train", "-m", "algorithm=dummy,knn", "hydra/sweeper=basic", "hydra/launcher=basic", *QUICK)
    assert said.code == 0, said.err
    assert len(list(the_sweep(folder).glob("runs/*/run.json"))) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compute.max_seconds=5"], "compute.max_seconds"),
        (["compute.memory=2GiB"], "compute.memory"),
        (["tuner=hyperband", "tuner.stop.max_runs=3", "evaluator=cross_validation"], "prunes"),
    ],
)
def test_what_a_launcher_of_hydras_cannot_do_is_refused_before_there_is_a_folder(runtree, folder, words, said):
    typed = ["algorithm=knn", "algorithm.n_neighbors=1,2", "hydra/launcher=basic", *words, *QUICK]
    answer = runtree("train", "-m", *typed)
    assert answer.code == 2 and said in answer.err
    assert not list(folder.glob("outputs/*/*"))
