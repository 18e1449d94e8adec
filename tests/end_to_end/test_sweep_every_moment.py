"""Faults F4 and F5 at many moments: killed between two system calls that write, and full at any page of the disk.

Each moment costs a fork of a process that has imported everything. Every run of the suite kills once before each third kind of
call (the system call and the function that makes it), and test_kill_storm.py at random; RUNTREE_TESTS=all kills before every single one.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_sweeps import (
    EXHAUSTIVE,
    IN_PROCESS,
    assert_every_run_is_there_once,
    assert_the_best_is_kept,
    ended,
    lay_out,
    mounted,
    sweep_of,
    words,
)

FORKS = """
import json, os, signal, sys
from runtree.plugins import rest_idle_threads
from runtree.cli.main import main

rest_idle_threads()
import runtree.app.sweep, runtree.app.sweep_worker, runtree.app.resume, runtree.lifecycle.execute, runtree.sweeps.finish
import optuna, sklearn.pipeline, sklearn.metrics, sklearn.model_selection

# what the first sweep of a process loads and makes, no fork has to: that takes longer than the sweep itself
shown = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
assert main([*json.loads(sys.argv[1]), "outputs=first"]) == 0
sys.stdout.flush()
os.dup2(shown, 1)

WRITING = ("write", "fsync", "fdatasync", "ftruncate", "replace", "rename", "mkdir", "unlink", "rmdir")
calls = []


def kind(name):
    # the system call, and the nearest function of runtree that makes it
    frame = sys._getframe(2)
    while frame and "/runtree/" not in frame.f_code.co_filename:
        frame = frame.f_back
    return name + (f" in {frame.f_code.co_filename}:{frame.f_code.co_name}" if frame else "")


def armed(name, at):
    real = getattr(os, name)
    def call(*arguments, **named):
        calls.append(kind(name))
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call


def child(typed, at, said):
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    sys.stdin = open(os.devnull)
    for name in WRITING:
        setattr(os, name, armed(name, at))
    code = main(typed)
    sys.stdout.flush(), sys.stderr.flush()
    print("calls", json.dumps(calls), flush=True)
    os._exit(code)


for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
        child(**asked)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
RESUME = ["resume", "latest", "--trust", "told.Told", IN_PROCESS]
SWEEP = words("random", 4, IN_PROCESS, "tuner.report=false")


class Forks:
    """Runs command lines, each in a fork of a warm process that may be killed at its nth call that writes."""

    def __init__(self, folder: Path) -> None:
        self.said = folder / "said.txt"
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", FORKS, json.dumps(SWEEP)], cwd=folder, **piped)

    def __call__(self, typed: list[str], at: int = 0) -> int:
        print(json.dumps({"typed": typed, "at": at, "said": str(self.said)}), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    @property
    def calls(self) -> list[str]:
        """Return the kind of each call that writes, in the order of the last command."""
        return list(json.loads(self.said.read_text().rpartition("calls ")[2]))


@pytest.fixture
def forks(folder) -> Iterator[Forks]:
    lay_out(folder)
    one = Forks(folder)
    yield one
    one.process.stdin.close()
    one.process.wait()
    one.process.stdout.close()


def assert_whole(folder: Path) -> None:
    assert_every_run_is_there_once(folder, 4)
    assert_the_best_is_kept(folder)
    sweep = sweep_of(folder)
    assert json.loads(sweep.stop.read_text())["criterion"] == "max_runs"
    assert len(sweep.leaderboard.read_text().splitlines()) == 5
    assert not [path for path in sweep.path.rglob(".*.part") if "attempts" not in path.parts]


def moments(calls: list[str]) -> list[int]:
    """Return the calls, counted from 1, before which to kill: of each kind its last, or all of them."""
    last_of_kind = {kind: number for number, kind in enumerate(calls, 1)}
    return list(range(1, len(calls) + 1)) if EXHAUSTIVE else sorted(last_of_kind.values())


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.exhaustive) for part in (1, 2))])
def test_a_sweep_killed_between_two_calls_that_write_resumes_to_the_same_end(folder, forks, part):
    assert forks(SWEEP) == 0, forks.said.read_text()
    values = {event["run"]: event["objectives"] for event in ended(folder)}
    for at in moments(forks.calls)[part::3]:
        shutil.rmtree(folder / "outputs")
        assert forks(SWEEP, at) == -9
        known = {event["run"]: event["objectives"] for event in ended(folder)}
        begun = bool(list((folder / "outputs").glob("*/*-sweep/ledger.jsonl")))
        code = forks(RESUME if begun else SWEEP)
        assert code == 0, (at, forks.said.read_text())
        if begun:
            assert_whole(folder)
            after = {event["run"]: event["objectives"] for event in ended(folder)}
            assert after == values and known.items() <= after.items(), at


@pytest.fixture
def small_disk(folder) -> Iterator[Path]:
    with mounted(folder / "outputs", "2m") as place:
        yield place


def empty(disk: Path) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.slow
def test_full_at_any_page_a_disk_loses_no_run_that_was_counted(folder, small_disk, forks):
    assert forks(SWEEP) == 0, forks.said.read_text()
    now = os.statvfs(small_disk)
    used, total = (now.f_blocks - now.f_bavail) * now.f_frsize, now.f_blocks * now.f_frsize
    sizes = used // (50 if EXHAUSTIVE else 6)
    for free in range(0, used, max(4096, sizes // 4096 * 4096)):
        empty(small_disk)
        (small_disk / "ballast").write_bytes(b"x" * (total - free))
        code, said = forks(SWEEP), forks.said.read_text()
        if code == 0:  # room enough: `used` holds what was there for a time, too
            assert free > used // 2
            break
        assert code in (1, 2) and "Traceback" not in said and "for the traceback: runtree" not in said, (free, said)
        known = [(event["run"], event["objectives"]) for event in ended(folder)]
        (small_disk / "ballast").unlink()
        begun = list(small_disk.glob("*/*-sweep/ledger.jsonl"))
        code = forks(RESUME) if begun else 0
        assert code == 0, (free, forks.said.read_text())
        if begun:
            assert [(event["run"], event["objectives"]) for event in ended(folder)][: len(known)] == known
            assert_whole(folder)
