"""What words mean: `latest`, paths, experiments, sweeps, beginnings of ids."""

from pathlib import Path

import pytest

from runtree.contract.errors import NotFoundError
from runtree.records.index import open_index
from runtree.records.selectors import select_rows

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
    return [runs.column("id")[row] for row in select_rows(runs, words)]


OF_SWEEP = [f"{SWEEP}/000{number}" for number in range(3)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["latest"], [IDS[1]]),
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


def test_a_run_of_another_tree_is_told_of(tree, write):
    path = write("20260103-000000-cccc0000", place="elsewhere/e")
    with pytest.raises(NotFoundError, match="lies outside outputs"):
        ids(tree, str(path))


def test_nothing_to_compare_is_told(folder):
    with pytest.raises(NotFoundError, match="no runs in outputs"):
        select_rows(open_index(Path("outputs")), ["latest"])
