import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtree.cli.plan import format_stop
from runtree.testing.fixtures import UNEXAMINED

SWEEP = ("algorithm=knn,naive_bayes", "data=iris", "compute.engine=in_process")
TUNED = (
    "algorithm=knn,logistic", "algorithm.C=tag(log,interval(0.1,10))", "data=iris", "tuner=tpe", "tuner.stop.max_runs=6",
    "tuner.stop.patience.runs=3", "compute.engine=in_process",
)  # fmt: skip


def test_a_tuned_sweep_is_told_and_nothing_is_written(runtree, folder):
    said = runtree("plan", *TUNED)
    assert said.code == 0, said.err
    for text in (
        "plan     tpe over knn, logistic: 6 runs (search space: continuous), 1 in parallel",
        "data     iris: 150 rows (classification)",
        "metric   validation.balanced_accuracy (maximize); the best run is scored on the test set once",
        "logistic   algorithm.C            continuous  tag(log, interval(0.1, 10.0))",
        "algorithm.C does not exist for knn",
        "stop     max_runs=6, or patience.runs=3; running jobs then finish",
        "time     no estimate, since there is no earlier run",
        "after    one more fit of the best, on train and validation rows (tuner.refit)\n",
        "folder   outputs/default/<time>-sweep, with a folder runs/0000 … for each run",
        "nothing was run",
        "next     runtree train -m algorithm=knn,logistic",
    ):
        assert text in said.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("stop", "reached", "told"),
    [
        ({"max_runs": 5}, True, "max_runs=5; running jobs then finish"),
        ({"max_seconds": 60}, True, "max_seconds=60; running jobs then finish, but after max_seconds they are ended"),
        ({"max_seconds": 60}, True, " ended within 10 s"),
        ({"max_seconds": 60, "running": "finish"}, True, "max_seconds=60; running jobs then finish"),
        ({"max_seconds": 60, "running": "terminate"}, True, "max_seconds=60; running jobs are then terminated"),
        ({"max_seconds": 60}, False, "running jobs then finish; max_seconds cannot end a run there"),
    ],
)
def test_what_happens_to_running_jobs_is_told(stop, reached, told):
    options = SimpleNamespace(stop=stop, grace=10.0)
    text = format_stop(SimpleNamespace(options=options, size=None, reaches_runs=reached))
    assert told in text
    assert ("within" in text) is (reached and stop == {"max_seconds": 60})


def test_a_grid_is_counted(runtree):
    said = runtree("plan", "-m", *SWEEP, "seed=1,2,3")
    assert (
        "plan     grid over knn, naive_bayes: 6 runs (search space: 2 configurations, each with 3 seeds), " in said.out
    )
    assert "each run is scored on the test set" in said.out


def test_as_many_work_at_once_as_the_engine_can(runtree):
    assert ", 2 in parallel" in runtree("plan", "-m", "algorithm=knn,dummy", "data=iris", "compute.slots=2").out
    assert ", 1 in parallel" in runtree("plan", "-m", *SWEEP, "compute.slots=2").out, "in_process has one slot"


def test_one_run_is_one_run(runtree, folder):
    said = runtree("plan", "algorithm=dummy", "data=iris")
    assert said.code == 0, said.err
    assert "plan     one run of dummy\n" in said.out
    assert "folder   outputs/default/<time>-" in said.out
    assert said.out.endswith("next     runtree train algorithm=dummy data=iris\n")
    told = json.loads(runtree("plan", "algorithm=dummy", "data=iris", *UNEXAMINED, "--json").out)["plan"]
    assert (told["sweep"], told["most_runs"], told["tuner"]) == (False, 1, None)
    fingerprint = told["folder"].rpartition("-")[2]
    assert runtree("train", "algorithm=dummy", "data=iris", *UNEXAMINED).code == 0
    assert [path.name for path in folder.glob(f"outputs/default/*-{fingerprint}")]


def test_the_plan_as_json(runtree):
    told = json.loads(runtree("plan", "--json", *SWEEP).out)["plan"]
    assert (told["sweep"], told["tuner"], told["most_runs"], told["configurations"]) == (True, "grid", 2, 2)
    assert told["families"] == [
        {"name": None, "configurations": 2, "space": [
            {"path": "algorithm", "values": "2", "space": "choice(knn, naive_bayes)"}
        ]}
    ]  # fmt: skip
    forecast = told["forecast"]
    assert forecast.pop("seconds_after_search") is None
    assert forecast == {"seconds": None, "bytes": None, "judged_by": {}, "unknown": ["knn", "naive_bayes"]}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["algorithm=logistic", "tuner=tpe", "data=iris"], "this sweep would never end"),
        (["algorithm=knm"], "did you mean: knn"),
        (["--foo"], "unknown flag --foo"),
    ],
)
def test_what_is_wrong_is_told_as_train_tells_it(runtree, typed, says):
    said, trained = runtree("plan", *typed), runtree("train", "-m", *typed)
    assert (said.code, said.err) == (2, trained.err)
    assert says in said.err
    assert said.out == ""


def test_a_key_of_the_space_that_no_algorithm_has_is_refused_and_one_that_some_lack_is_told(runtree, folder):
    misspelt, lacking = "+algorithm.space.n_neighbours='choice(1,2)'", "+algorithm.space.metric='choice(l1,l2)'"
    said = runtree("plan", *TUNED, misspelt)
    assert said.code == 2
    assert said.err.startswith(
        "error: unknown key in algorithm.space of knn: 'n_neighbours'\n  did you mean: n_neighbors"
    )
    assert "algorithm.metric does not exist for logistic" in runtree("plan", *TUNED, lacking).out
    assert not Path("outputs").exists()
