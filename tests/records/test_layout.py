import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtree.contract.errors import RequestError
from runtree.records import layout as folders
from runtree.records.layout import (
    RunFolder,
    SweepFolder,
    join_folders,
    make_run_folder,
    make_unique_folder,
    use_run_folder,
)


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "folder_time", lambda: "20260101-000000")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_run_folder(tmp_path, "abcdef0123").path, range(40)))
    assert len(set(made)) == 40
    assert tmp_path / "20260101-000000-abcdef01" in made


def test_a_sweeps_ending_stays_at_the_end(tmp_path):
    assert make_unique_folder(tmp_path, "t", "-sweep").name == "t-sweep"
    assert make_unique_folder(tmp_path, "t", "-sweep").name == "t-2-sweep"


def test_the_latest_of_the_sweeps_of_one_second_is_the_one_that_was_made_last(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "folder_time", lambda: "20261122-031728")
    made = [folders.make_sweep_folder(tmp_path / experiment) for experiment in "ab" for _ in range(11)]
    for folder in made:
        (folder / "ledger.jsonl").touch()
    assert [sweep.path.name for sweep in folders.sweep_folders(tmp_path)][::2] == [folder.name for folder in made[:11]]
    assert folders.find_sweep(tmp_path, "latest").path.name == "20261122-031728-11-sweep"


def test_a_folder_that_holds_a_run_is_not_taken(tmp_path):
    use_run_folder(tmp_path / "mine")
    with pytest.raises(RequestError, match="already contains a run"):
        use_run_folder(tmp_path / "mine")


def test_a_held_folder_is_refused_to_others_and_free_afterwards(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_held()
    with folder.held():
        assert folder.is_held()
        with pytest.raises(RequestError, match="another process works in this folder"), folder.held():
            pass
    assert not folder.is_held()


def test_the_lock_dies_with_its_holder(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from runtree.records.layout import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).held(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert RunFolder(tmp_path).is_held()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not RunFolder(tmp_path).is_held()


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


@pytest.mark.parametrize("kind", [RunFolder, SweepFolder])
def test_to_look_whether_somebody_holds_a_folder_does_not_keep_its_owner_out(tmp_path, kind):
    """Whoever looks has the lock for an instant, here of 30 ms; who has it for longer holds it."""
    looker = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looker, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        looked = pool.submit(lambda: (time.sleep(0.03), os.close(looker)))
        with kind(tmp_path).held():
            assert looked.done()
            with pytest.raises(RequestError), kind(tmp_path).held():
                pass


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
