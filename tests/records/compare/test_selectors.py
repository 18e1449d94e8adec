"""What words mean: `latest`, `best`, paths, experiments, sweeps, beginnings of ids."""

from pathlib import Path

import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import NotFoundError, RequestError
from runtree.records.find import find_rows, find_run
from runtree.records.index import open_index
from runtree.registry.store import Registry

SWEEP = "20260101-000000-sweep"
IDS = ["20260101-000000-aaaa0000", "20260102-000000-bbbb0000"]


@pytest.fixture
def tree(write):
    for number in range(3):
        write(f"{SWEEP}/000{number}", place=f"outputs/churn/{SWEEP}/runs", experiment="churn")
    write(IDS[0], place="outputs/churn", experiment="churn")
    write(IDS[1], place="outputs/loans", experiment="loans")
    return open_index(Path("outputs"))


def ids(runs, *words):
    return [runs.column("id")[row] for row in find_rows(runs, words)]


OF_SWEEP = [f"{SWEEP}/000{number}" for number in range(3)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["latest"], [IDS[1]]),
        (["churn/latest"], [OF_SWEEP[2]]),
        ([f"{SWEEP}/latest"], [OF_SWEEP[2]]),
        ([f"outputs/churn/{SWEEP}/latest", "0001"], OF_SWEEP[1:]),
        (["churn"], [*OF_SWEEP, IDS[0]]),
        ([SWEEP], OF_SWEEP),
        (["20260101-000000-s"], OF_SWEEP),
        ([f"{SWEEP}/0001"], [OF_SWEEP[1]]),
        ([f"outputs/churn/{SWEEP}"], OF_SWEEP),
        ([f"outputs/churn/{SWEEP}/runs/0002"], [OF_SWEEP[2]]),
        ([f"outputs/loans/{IDS[1]}/"], [IDS[1]]),
        (["outputs/loans"], [IDS[1]]),
        (["20260102"], [IDS[1]]),
        (["0001"], [OF_SWEEP[1]]),
        ([f"f{IDS[0]}"], [IDS[0]]),
        (["loans", "latest", f"{SWEEP}/0001"], [IDS[1], OF_SWEEP[1]]),
        ([], [*OF_SWEEP, *IDS]),
    ],
)
def test_a_word_means_runs(tree, words, expected):
    assert sorted(ids(tree, *words)) == sorted(expected)
    assert len(ids(tree, *words)) == len(expected)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("chrun", "no run, sweep or experiment 'chrun' in outputs\n  did you mean: churn"),
        ("2026", "names 5 runs"),
        ("20260101", "names 4 runs"),
    ],
)
def test_a_word_that_means_nothing_or_too_much_is_refused(tree, word, message):
    with pytest.raises(NotFoundError, match=message):
        ids(tree, word)


def test_a_registered_version_stands_for_its_run(tree, folder, monkeypatch):
    monkeypatch.setenv("RUNTREE_REGISTRY", str(folder / "registry"))
    registry = Registry(folder / "registry", QuietHooks(), "anna")
    for name in (IDS[1], "gone"):
        registry.register("loans", write_run(folder / "runs" / name), {})
    assert ids(tree, "models:/loans/1", "churn/latest") == [IDS[1], OF_SWEEP[2]]
    with pytest.raises(NotFoundError, match="models:/loans/2: its run gone is not in outputs"):
        ids(tree, "models:/loans/2")


def test_a_run_of_another_tree_is_told_of(tree, write):
    path = write("20260103-000000-cccc0000", place="elsewhere/e")
    with pytest.raises(NotFoundError, match="lies outside outputs"):
        ids(tree, str(path))


def test_nothing_to_compare_is_told(folder):
    with pytest.raises(NotFoundError, match="no runs in outputs"):
        find_rows(open_index(Path("outputs")), ["latest"])


@pytest.fixture
def scored(write):
    """Write four completed runs of one table, of which the third is the best, and a later one that failed."""
    for number, score in enumerate((0.5, 0.7, 0.9, 0.6)):
        write(f"2026010{number + 1}-000000-aaaa0000", score=score, config={"algorithm.alpha": number})
    write("20260109-000000-bbbb0000", config={"algorithm.alpha": 9}, state="failed", metrics={})
    return Path("outputs")


def test_best_is_the_run_that_the_verb_selects_wherever_latest_is_taken(scored, runtree):
    best, latest = "20260103-000000-aaaa0000", "20260109-000000-bbbb0000"
    assert find_run(scored, "best").id == best
    assert find_run(scored, "latest").id == latest
    assert f"best     {best}" in runtree("best").out
    assert best in runtree("show", "best").out
    said = runtree("diff", "best", "latest").out
    assert best in said and latest in said
    assert best in runtree("compare", "best", "20260101").out
    assert best in runtree("rerun", "best").err + runtree("report", "best").out


def test_what_a_verb_needs_decides_among_the_latest_and_the_best_and_is_told(scored, caplog):
    for name in ("20260101-000000-aaaa0000", "20260103-000000-aaaa0000"):
        [folder] = scored.glob(f"*/{name}")
        (folder / "model").mkdir()
        (folder / "model" / "model.json").write_text("{}")
    assert find_run(scored, "best", "model").id == "20260103-000000-aaaa0000"
    assert caplog.text == ""
    assert find_run(scored, "latest", "model").id == "20260103-000000-aaaa0000"
    assert "20260109-000000-bbbb0000, which began later, is failed" in caplog.text
    others = find_run(scored, "latest", "model", lambda folder: not folder.name.startswith("20260103"))
    assert others.id == "20260101-000000-aaaa0000"


def test_no_best_among_runs_that_are_not_comparable(scored, write):
    write("20260108-000000-cccc0000", place="outputs/loans", experiment="loans", fingerprints={"data": "other"})
    with pytest.raises(RequestError, match=r"best: these runs are not comparable"):
        find_run(scored, "best")
    assert find_run(scored, "loans/best").id == "20260108-000000-cccc0000"
