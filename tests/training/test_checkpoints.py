"""Checkpoints are whole or not there, and belong to one fit."""

import signal
import subprocess
import sys

import pytest

from runtree.training.checkpoints import STATE, Checkpoints, retarget_checkpoints


def write(place, step, text="state", asked="a"):
    return Checkpoints(place, asked).write(step, lambda folder: (folder / "weights").write_text(text), {"seconds": 1.0})


def steps(place, asked="a"):
    return [kept.step for kept in Checkpoints(place, asked).complete()]


def test_the_latest_comes_first(tmp_path):
    for step in (3, 20, 100):
        write(tmp_path, step)
    assert steps(tmp_path) == [100, 20, 3]


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "weights").write_text("statf"),
        lambda path: (path / "weights").unlink(),
        lambda path: (path / STATE).write_text('{"step": 7, '),
        lambda path: (path / STATE).write_bytes(b"\0" * 40),
        lambda path: (path / STATE).unlink(),
    ],
    ids=["flipped", "lost", "torn", "zeros", "unfinished"],
)
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path, harm, caplog):
    write(tmp_path, 1)
    harm(write(tmp_path, 2))
    assert steps(tmp_path) == [1]
    assert "00000002" in caplog.text


def test_another_fits_is_not_used(tmp_path):
    write(tmp_path, 1, asked="config:data:split")
    assert steps(tmp_path, "config:other:split") == []


def test_a_copy_may_be_adopted_by_a_config_that_trains_longer(tmp_path):
    write(tmp_path, 1, asked="before:data:split")
    retarget_checkpoints(tmp_path, "before", "now")
    assert steps(tmp_path, "now:data:split") == [1]


def test_a_save_that_fails_leaves_what_was_there(tmp_path):
    write(tmp_path, 1)

    def broken(folder):
        (folder / "weights").write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        Checkpoints(tmp_path, "a").write(2, broken, {})
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]


def test_a_process_that_dies_while_it_writes_leaves_the_one_before(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from runtree.training.checkpoints import Checkpoints
kept = Checkpoints(Path({str(tmp_path)!r}), "a")
kept.write(1, lambda folder: (folder / "weights").write_text("one"), {{}})
kept.write(2, lambda folder: ((folder / "weights").write_text("two"), os.kill(os.getpid(), signal.SIGKILL)), {{}})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert steps(tmp_path) == [1]
    assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
    Checkpoints(tmp_path, "a").prune({tmp_path / "00000001"})
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]


def test_a_state_that_is_written_again_replaces_the_old_one(tmp_path):
    write(tmp_path, 5, "old")
    write(tmp_path, 5, "new")
    (found,) = Checkpoints(tmp_path, "a").complete()
    assert (found.folder / "weights").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["00000005"]
