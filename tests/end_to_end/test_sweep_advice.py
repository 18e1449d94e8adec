"""The winner of a sweep is judged once more, by folds, and what the search says of itself is printed."""

import json

import pytest

from runtree.testing.fixtures import UNEXAMINED

WORDS = (
    "train",
    "-m",
    "data=iris",
    "algorithm=knn",
    "tuner=random",
    "compute.engine=in_process",
    "tuner.stop.max_runs=3",
)
WORDS += UNEXAMINED


def advice(folder):
    [file] = folder.glob("outputs/default/*-sweep/advice.json")
    return json.loads(file.read_text())


def test_the_best_few_are_judged_by_folds_as_scikit_learn_would(runtree, folder):
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    said = runtree(*WORDS, "tuner.recheck=2")
    assert said.code == 0, said.err
    rechecked = advice(folder)["optimism"]["rechecked"]
    assert len(rechecked) == 2
    [place] = folder.glob(f"outputs/default/*-sweep/rechecked/{rechecked[0]['run']:04d}")
    config = json.loads((place / "run.json").read_text())["config"]
    assert config["evaluator.name"] == "cross_validation"
    assert rechecked[0]["mean"] == pytest.approx(by_hand(config, cross_val_score, StratifiedKFold), abs=1e-12)
    assert len((folder / "outputs/test_looks.jsonl").read_text().splitlines()) == 1  # no look at the test part


def by_hand(config, cross_val_score, splitter):
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_iris(return_X_y=True)
    rows, _ = train_test_split(range(len(y)), test_size=0.2, stratify=y, random_state=0)
    rows = sorted(rows)
    keys = {key: config[f"algorithm.{key}"] for key in ("n_neighbors", "weights", "p")}
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(**keys))
    folds = splitter(5, shuffle=True, random_state=0)
    return cross_val_score(model, x[rows], y[rows], cv=folds, scoring="balanced_accuracy").mean()


def test_a_resumed_sweep_reads_what_was_judged_before(runtree, folder):
    runtree(*WORDS, "tuner.recheck=1")
    [file] = folder.glob("outputs/default/*-sweep/rechecked/*/metrics.json")
    before, told = file.stat().st_mtime_ns, advice(folder)["optimism"]["rechecked"]
    assert runtree("resume", "latest").code == 0
    assert (file.stat().st_mtime_ns, advice(folder)["optimism"]["rechecked"]) == (before, told)


def test_where_the_evaluator_has_folds_the_bias_of_the_best_is_told(runtree, folder, caplog):
    said = runtree(*WORDS, "evaluator=cross_validation")
    assert said.code == 0
    found = advice(folder)["optimism"]
    assert "rechecked" not in found
    assert found["selection_bias"] >= 0
    assert "expect" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluator=cross_validation"], "evaluator=cross_validation scores each run by folds"),
        (["evaluator=nested_cross_validation", "tuner=grid", "seed=1,2"], "evaluator=nested_cross_validation scores"),
        (
            ["objective.metric=[accuracy,fit_seconds]", "tuner=nsga"],
            "tuner.recheck needs a single objective to rank by",
        ),
    ],
)
def test_a_recheck_that_would_do_nothing_is_refused_before_the_first_run(runtree, folder, words, told):
    said = runtree(*WORDS, *words, "tuner.recheck=2")
    assert (said.code, told in said.err) == (2, True), said.err
    assert list(folder.iterdir()) == []


def test_without_models_the_best_are_rechecked_all_the_same(runtree, folder):
    assert runtree(*WORDS, "tuner.recheck=1", "tuner.keep=none").code == 0
    assert len(advice(folder)["optimism"]["rechecked"]) == 1


def test_a_number_of_rechecks_that_cannot_be_is_refused(runtree, folder):
    said = runtree(*WORDS, "tuner.recheck=-1")
    assert said.code == 2
    assert "tuner.recheck: -1 is less than 0" in said.err


def test_a_record_that_is_made_anew_remembers_the_gate_and_the_test_rows(runtree, folder):
    asked = "evaluator.benchmark.metrics=['test.accuracy > 1']"
    assert runtree(*WORDS, asked).code == 3
    [ledger] = folder.glob("outputs/default/*-sweep/ledger.jsonl")
    [kept] = [json.loads(line) for line in ledger.read_text().splitlines() if '"event":"kept"' in line]
    file = ledger.parent / "runs" / f"{kept['run']:04d}" / "run.json"
    before = json.loads(file.read_text())
    file.write_text(file.read_text()[:100])
    runtree("resume", "latest", "tuner.stop.max_runs=4")
    after = json.loads(file.read_text())
    assert after["missed"] == before["missed"] != []
    assert after["fingerprints"]["test"] == before["fingerprints"]["test"]
