from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtree.contract.errors import RequestError
from runtree.records import folder_claims
from runtree.records.folder_claims import (
    join_folders,
    make_run_folder,
    make_sweep_folder,
    make_unique_folder,
    use_run_folder,
)
from runtree.records.layout import SweepFolder, find_sweep, sweep_folders


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_claims, "folder_time", lambda: "20260101-000000")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_run_folder(tmp_path, "abcdef0123").path, range(40)))
    assert len(set(made)) == 40
    assert tmp_path / "20260101-000000-abcdef01" in made


def test_a_sweeps_ending_stays_at_the_end(tmp_path):
    assert make_unique_folder(tmp_path, "t", "-sweep").name == "t-sweep"
    assert make_unique_folder(tmp_path, "t", "-sweep").name == "t-2-sweep"


def test_the_latest_of_the_sweeps_of_one_second_is_the_one_that_was_made_last(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_claims, "folder_time", lambda: "20261122-031728")
    made = [make_sweep_folder(tmp_path / experiment) for experiment in "ab" for _ in range(11)]
    for folder in made:
        (folder / "ledger.jsonl").touch()
    assert [sweep.path.name for sweep in sweep_folders(tmp_path)][::2] == [folder.name for folder in made[:11]]
    assert find_sweep(tmp_path, "latest").path.name == "20261122-031728-11-sweep"


def test_a_folder_that_holds_a_run_is_not_taken(tmp_path):
    use_run_folder(tmp_path / "mine")
    with pytest.raises(RequestError, match="already contains a run"):
        use_run_folder(tmp_path / "mine")


def test_a_place_that_is_a_file_is_named(tmp_path):
    (tmp_path / "outputs").write_text("")
    with pytest.raises(RequestError, match="outputs: cannot write to"):
        make_run_folder(tmp_path / "outputs" / "x", "abc")


def test_a_place_without_permission_is_named(tmp_path, monkeypatch):
    def forbidden(*arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)  # a chmod would not stop root, whom CI may run as
    with pytest.raises(RequestError, match="Permission denied"):
        make_run_folder(tmp_path, "abc")


def test_hydras_folder_of_a_run_becomes_that_of_the_run(tmp_path):
    sweep = SweepFolder(tmp_path)
    named = tmp_path / "lr=1" / "3"
    sweep.run(3).path.mkdir(parents=True)
    named.mkdir(parents=True)
    (named / "job.log").write_text("x")
    assert join_folders(sweep, 3, named) == sweep.run(3)
    assert named.is_symlink() and named.resolve() == sweep.run(3).path.resolve()
    assert (sweep.run(3).path / "job.log").read_text() == "x"
    assert join_folders(sweep, 3, named) == sweep.run(3)  # of another attempt


@pytest.mark.parametrize("place", ["runs/0003", "..", "."])
def test_a_folder_that_is_not_of_one_run_of_the_sweep_stays(tmp_path, place):
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.run(3).path.mkdir(parents=True)
    assert join_folders(sweep, 3, (sweep.path / place).resolve()) == sweep.run(3)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
