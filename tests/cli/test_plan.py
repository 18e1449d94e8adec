import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtree.cli.format import format_bytes
from runtree.cli.plan import AlgorithmCost, CostForecast, forecast_cost, format_stop, with_later_fits
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


def keep(name: str, algorithm: str, seconds: float, size: int, heavy: bool = False, **changes) -> None:
    """Write what a forecast reads of an earlier run."""
    path = Path("outputs/e", name)
    (path / "model" if heavy else path).mkdir(parents=True)
    record = {
        "id": name, "experiment": "e", "state": "completed", "started": name, "seconds": seconds,
        "config": {"data.name": "iris", "algorithm.name": algorithm},
    }  # fmt: skip
    (path / "run.json").write_text(json.dumps(record | changes))
    (path / "log.txt").write_bytes(b"x" * (size - (path / "run.json").stat().st_size))


def test_time_and_disk_are_judged_by_earlier_runs(folder):
    for number, seconds in enumerate((1.0, 3.0, 2.0)):
        keep(f"{number}", "knn", seconds, 1000)
    keep("3", "ridge", 6.0, 1000), keep("4", "ridge", 6.0, 5000, heavy=True)
    keep("5", "knn", 99.0, 1000, state="failed"), keep("6", "knn", 99.0, 1000, config={"data.name": "wine"})
    found = forecast_cost(folder / "outputs", ["iris"], ["knn", "ridge", "lasso"], 10, 2, "best")
    assert {name: (one.runs, one.seconds) for name, one in found.costs.items()} == {"knn": (3, 2.0), "ridge": (2, 6.0)}
    assert found.unknown == ("lasso",)
    assert found.seconds == 10 * 4.0 / 2
    assert found.bytes == 9 * 1000 + (1000 + 5000) / 2
    assert forecast_cost(folder / "outputs", ["iris"], ["ridge"], 10, 2, "all").bytes == 10 * 5000
    assert forecast_cost(folder / "outputs", ["iris"], ["ridge"], None, 2, "all").seconds is None
    assert forecast_cost(folder / "nowhere", ["iris"], ["ridge"], 10, 2, "all").costs == {}


@pytest.mark.parametrize(
    ("keep", "refit", "folds", "recheck", "seconds"),
    [
        ("best", True, False, 0, 3.0),
        ("best", True, True, 0, 0.0),
        ("best", False, False, 2, 30.0),
        ("all", True, False, 0, 0.0),
    ],
)
def test_what_is_fitted_after_the_search_is_counted(keep, refit, folds, recheck, seconds):
    base = SimpleNamespace(frozen=SimpleNamespace(config={"fit": {"refit": refit}}))
    plan = SimpleNamespace(
        options=SimpleNamespace(keep=keep, recheck=recheck),
        overrides=SimpleNamespace(composed={}),
        composer=SimpleNamespace(base=lambda options: base),
        preflight=SimpleNamespace(has_folds=folds),
    )
    forecast = with_later_fits(plan, CostForecast({"knn": AlgorithmCost(1, 3.0, None, None)}))
    assert forecast.after == seconds


def test_sizes():
    assert [format_bytes(size) for size in (820, 4500, 45000, 1.2e6, 3e13)] == [
        "820 B",
        "4.5 kB",
        "45 kB",
        "1.2 MB",
        "30 TB",
    ]


def test_a_key_of_the_space_that_no_algorithm_has_is_refused_and_one_that_some_lack_is_told(runtree, folder):
    misspelt, lacking = "+algorithm.space.n_neighbours='choice(1,2)'", "+algorithm.space.metric='choice(l1,l2)'"
    said = runtree("plan", *TUNED, misspelt)
    assert said.code == 2
    assert said.err.startswith(
        "error: unknown key in algorithm.space of knn: 'n_neighbours'\n  did you mean: n_neighbors"
    )
    assert "algorithm.metric does not exist for logistic" in runtree("plan", *TUNED, lacking).out
    assert not Path("outputs").exists()
