"""The test part is scored once a run, once a sweep; each time is counted and shown."""

import json
from pathlib import Path

from real_sweeps import UNEXAMINED

TINY = ("data=iris", "algorithm=naive_bayes", *UNEXAMINED)


def looks(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "outputs/test_looks.jsonl").read_text().splitlines()]


def last(folder: Path, pattern: str) -> dict:
    return json.loads(sorted(folder.glob(pattern))[-1].read_text())


def test_each_run_is_a_look_at_its_test_rows(runtree, folder):
    assert "test set used once\n" in runtree("train", *TINY).out
    assert "test set used 2 times by 1 configuration\n" in runtree("train", *TINY).out
    assert (
        "test set used 3 times by 2 configurations\n" in runtree("train", "data=iris", "algorithm=knn", *UNEXAMINED).out
    )
    assert "test set used once\n" in runtree("train", *TINY, "seed=1").out  # other rows
    assert "test set used once when this run was scored" in runtree("show", "latest").out
    rows = last(folder, "outputs/default/*/run.json")["fingerprints"]["test"]
    assert [look["rows"] for look in looks(folder)].count(rows) in (1, 3)


def test_a_search_looks_once_whatever_it_tries(runtree, folder):
    words = ("train", "-m", "data=iris", "algorithm=knn", "compute.slots=1", *UNEXAMINED)
    said = runtree(*words, "tuner=random", "tuner.stop.max_runs=4")
    assert "test set used once, after selection)" in " ".join(said.out.split())
    assert len(looks(folder)) == 1
    again = runtree(*words, "algorithm.n_neighbors=1,2", "tuner.keep=best")
    assert "after selection; test set used 2 times by 2 configurations)" in " ".join(again.out.split())
    whole = runtree(*words, "algorithm.n_neighbors=1,3,5")  # a grid keeps every run
    assert "(test set used 5 times by " in " ".join(whole.out.split())


def test_runs_that_are_removed_were_looked_at_all_the_same(runtree, folder):
    runtree("train", *TINY)
    for file in folder.glob("outputs/default/*/run.json"):
        file.unlink()
    assert "test set used 2 times" in runtree("train", *TINY).out
