"""What a sweep does with what it learns: warm starts, repeats, bounds, several objectives, pruning; and what it refuses."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from real_sweeps import UNEXAMINED

from runtree.records.layout import sweep_folders
from runtree.records.ledger import read_ledger

QUICK = [
    *("data=iris", "compute.engine=in_process", "tuner.plots=false", "evaluator.metrics=[accuracy,log_loss]"),
    *UNEXAMINED,
]
KNN = ["algorithm=knn", "tuner=tpe", "tuner.stop.max_runs=8", "objective.metric=log_loss"]


@pytest.fixture
def tuned(runtree, folder):
    """Return a function that runs a sweep and returns its folder."""

    def run(*words, code=0):
        said = runtree("train", "-m", *QUICK, *words)
        assert said.code == code, said.err + said.out
        return sweep_folders(folder / "outputs")[-1].path

    return run


def events(sweep, kind):
    return [event for event in read_ledger(sweep / "ledger.jsonl") if event["event"] == kind]


class TestWarmStart:
    def test_runs_of_an_identical_sweep_are_learnt_from(self, tuned):
        first = tuned(*KNN)
        second = tuned(*KNN, "tuner.warm_start.from=latest")
        [warm] = events(second, "warmed")
        assert (
            len(warm["observations"]) == 8 and not warm["queue"] and "8 runs are passed to the tuner" in warm["says"][0]
        )
        told = sorted(objectives[0] for _, _, objectives in warm["observations"])
        assert told == sorted(event["objectives"][0] for event in events(first, "ended"))
        trials = [event["trial"] for event in events(second, "ended")]
        assert trials[0] == 8 and len(trials) == 8 and trials == sorted(trials)  # one that was known is not run again

    def test_of_another_only_the_best_are_tried_again_and_first(self, tuned):
        first = tuned(*KNN)
        second = tuned(*KNN, "seed=4", "tuner.warm_start.from=latest", "tuner.warm_start.requeue_best=3")
        [warm] = events(second, "warmed")
        assert not warm["observations"] and "tried again" in warm["says"][0] and "split differs" in warm["says"][0]
        best = sorted(events(first, "ended"), key=lambda event: event["objectives"][0])[:3]
        assert [event["values"] for event in events(second, "ended")][:3] == [event["values"] for event in best]

    def test_one_that_is_not_identical_is_refused_where_that_was_asked_for(self, runtree, tuned):
        tuned(*KNN)
        sweeps = sorted(Path("outputs/default").iterdir())
        said = runtree("train", "-m", *QUICK, *KNN, "seed=4", "tuner.warm_start={from:[latest],kind:identical}")
        assert said.code == 2 and "the split differs" in said.err
        assert sorted(Path("outputs/default").iterdir()) == sweeps  # it left nothing behind

    def test_what_it_starts_with_is_printed_by_plan_and_at_the_end(self, runtree, tuned):
        first = tuned(*KNN)
        typed = [*QUICK, *KNN, "seed=4", "tuner.warm_start.from=latest"]
        told = f"start    warm start from {first.name}: its best 5 configurations are tried again, as the split differs"
        for verb in (["plan"], ["train", "-m"]):
            said = runtree(*verb, *typed)
            assert told in said.out.replace("\n         ", " "), said.out
        assert told.removeprefix("start    ") in said.err

    def test_what_lies_outside_the_space_is_dropped(self, tuned):
        tuned(*KNN, "algorithm.n_neighbors=range(1,30)")
        second = tuned(*KNN, "algorithm.n_neighbors=range(1,4)", "tuner.warm_start.from=latest")
        [warm] = events(second, "warmed")
        assert all(values["algorithm.n_neighbors"] < 4 for _, values, _ in warm["observations"])
        assert "lie outside" in warm["says"][0]


def test_repeats_have_seeds_of_their_own_and_count_once(tuned):
    sweep = tuned("algorithm=knn", "tuner=random", "tuner.repeats=3", "tuner.stop.max_runs=6", "seed=10")
    seeds = [yaml.safe_load(path.read_text())["seed"] for path in sorted(sweep.glob("runs/*/config.yaml"))]
    assert seeds == [10, 11, 12, 10, 11, 12]
    rows = list(csv.DictReader((sweep / "leaderboard.csv").read_text().splitlines()))
    assert sorted(row["runs"] for row in rows) == ["0000 0001 0002", "0003 0004 0005"]


def test_the_best_keeps_the_bounds(tuned):
    sweep = tuned(*KNN, "objective.metric=accuracy", "tuner.constraints=['validation.log_loss <= 0.2']")
    [kept] = events(sweep, "kept")
    assert kept["metrics"]["validation"]["log_loss"] <= 0.2
    assert "test" in kept["metrics"]


def test_several_objectives_have_a_front(tuned):
    sweep = tuned("algorithm=knn", "tuner=nsga", "tuner.stop.max_runs=10", "objective.metric=[accuracy,fit_seconds]")
    points = [tuple(event["objectives"]) for event in events(sweep, "ended")]
    kept = {event["run"] for event in events(sweep, "kept")}
    for number, (accuracy, seconds) in enumerate(points):
        beaten = any(a >= accuracy and s <= seconds and (a, s) != (accuracy, seconds) for a, s in points)
        assert (number in kept) != beaten


def test_folds_are_steps_by_which_runs_are_given_up(tuned):
    words = [
        "algorithm=knn",
        "algorithm.n_neighbors=range(1,80)",
        "evaluator=cross_validation",
        "objective.metric=accuracy",
    ]
    sweep = tuned(
        *words, "tuner=asha", "tuner.stop.max_runs=25", "tuner.pruner.min_resource=1", "tuner.pruner.reduction_factor=2"
    )
    ended = events(sweep, "ended")
    states = [event["state"] for event in ended]
    assert states.count("pruned") > 2 and states.count("completed") > 2
    pruned = next(event for event in ended if event["state"] == "pruned")
    assert len(pruned["reports"]) < 5 and pruned["reason"] == "pruned"
    record = json.loads((sweep / "runs" / f"{pruned['run']:04d}" / "run.json").read_text())
    assert record["state"] == "pruned"


REFUSED = {
    "a pruner without reports": (
        ["algorithm=knn", "tuner=hyperband", "tuner.stop.max_runs=5"],
        "reports nothing to prune by",
    ),
    "no end": (["algorithm=logistic", "tuner=random"], "never end"),
    "data under a tuner": (["data=iris,wine", "algorithm=knn", "tuner=tpe", "tuner.stop.max_runs=5"], "tuner=grid"),
    "a tuner as a range": (["tuner=tpe,random", "algorithm=knn"], "cannot be swept over"),
    "bounds that the algorithm refuses": (
        ["algorithm=knn", "tuner=random", "algorithm.n_neighbors=range(-3,4)", "tuner.stop.max_runs=5"],
        "n_neighbors=-3 in the space",
    ),
    "an infinite grid": (["algorithm=logistic", "algorithm.C=interval(0,1)"], "algorithm.C"),
    "a key that nobody has": (
        ["algorithm=knn,logistic", "algorithm.depht=1,2"],
        "unknown config key 'algorithm.depht'",
    ),
    "nothing to tune": (["algorithm=dummy", "tuner=tpe", "tuner.stop.max_runs=5"], "nothing to tune"),
    "a bound on the test part": ([*KNN, "tuner.constraints=['test.accuracy >= 0.9']"], "test"),
    "patience with two objectives": (
        [
            "algorithm=knn",
            "tuner=nsga",
            "objective.metric=[accuracy,log_loss]",
            "tuner.stop.patience.runs=5",
            "tuner.stop.max_runs=9",
        ],
        "needs a single objective",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_work_is_told_before_the_first_run(runtree, folder, mistake):
    words, said = REFUSED[mistake]
    answer = runtree(
        "train",
        "-m",
        *(word for word in QUICK if word != "data=iris" or not any(w.startswith("data=") for w in words)),
        *words,
    )
    assert answer.code == 2, answer.out
    assert said in answer.err and answer.err.count("\n") <= 5
    assert not list(folder.glob("outputs/*/*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["algorithm=knn", "tuner.shares={knn:1}", "tuner=grid"], "tuner.shares divides the runs among several"),
        (
            ["algorithm=knn,ridge", "tuner=tpe", "tuner.shares={knn:1,rigde:2}"],
            "unknown algorithm at tuner.shares: 'rigde'",
        ),
        (["algorithm=knn,logistic", "tuner=tpe", "tuner.shares={knn:1}"], "tuner.shares: logistic has no share"),
        (["algorithm=knn", "tuner=grid", "tuner.warm_start.from=latest"], "tuner=grid tries every configuration"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(runtree, folder, words, told):
    said = runtree("train", "-m", *QUICK, "tuner.stop.max_runs=8", *words)
    assert (said.code, told in said.err) == (2, True), said.err
