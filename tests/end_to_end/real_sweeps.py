"""Real sweeps, in processes of their own that one may kill, over an estimator that does as its parameters tell it.

The target is 2 in nearly every row and the prediction is `x` in all of them, so `median_ae` is 2 - x on any part: each
run's value can be checked against its own config.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from exhaustive import EXHAUSTIVE as EXHAUSTIVE
from runtree.records.layout import SweepFolder, find_sweep
from runtree.records.ledger import parse

RUNTREE = [sys.executable, "-c", "from runtree.cli.main import main; main()"]
MARK = "RUNTREE_TEST_SWEEP"
PATIENCE = 120.0  # seconds: how long a test waits for what has to come, on a machine that others use too
LINE = {"params.x": "interval(0, 1)"}
# A best that is kept is examined, for some seconds: that has tests of its own.
UNEXAMINED = ("evaluator.report=false", "evaluator.baselines=none", "evaluator.explain=none", "evaluator.diagnose=none")
ESTIMATOR = '''
import contextlib, ctypes, os, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

HERE = Path(__file__).parent


class Told(RegressorMixin, BaseEstimator):
    """Predicts x, after it has done what it was told."""

    def __init__(self, x=0.5, seconds=0.0, do="well"):
        self.x, self.seconds, self.do = x, seconds, do
        self.die_as_told("built")

    def die_as_told(self, when):
        """Die, as often as a file says so."""
        left = HERE / f"die_when_{when}"
        if left.exists() and int(left.read_text()):
            left.write_text(str(int(left.read_text()) - 1))
            os.kill(os.getpid(), signal.SIGKILL)

    def fit(self, X, y):
        with (HERE / "fits.txt").open("a") as file:
            file.write(f"{os.getpid()} {self.x!r} {self.do}\\n")
        time.sleep(self.seconds)
        getattr(self, self.do, lambda: None)()
        return self

    def predict(self, X):
        return np.full(len(X), {"nan": np.nan, "infinite": 1e200, "infinity": np.inf}.get(self.do, self.x))

    def uneven(self):
        """Let runs end in another order than they began in."""
        time.sleep(0.25 * (self.x * 997 % 1))

    def slow_while_told(self):
        """Wait while a file is there, but for the first fits, as many as it says."""
        slow = HERE / "slow"
        with contextlib.suppress(FileNotFoundError):
            if len((HERE / "fits.txt").read_text().splitlines()) > int(slow.read_text()):
                while slow.exists():
                    time.sleep(0.02)

    def __getstate__(self):
        self.die_as_told("saved")
        if (HERE / "slow_when_saved").exists():
            (HERE / "saving").touch()
            time.sleep(600)
        if self.do == "fill_when_saved" and (HERE / "fill").exists():
            ballast = (HERE / "fill").read_text()
            (HERE / "fill").unlink()
            with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        return super().__getstate__()

    def stop_me(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def loop_in_c(self):
        libc = ctypes.PyDLL(None)  # with the interpreter's lock held: no signal handler of Python's ever runs
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        libc.sleep(600)

    def deaf(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.litter()
        while True:
            time.sleep(60)

    def litter(self):
        """Leave children behind: one of the session, one that has left it."""
        for away in (False, True):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=away)

    def flood(self):
        print("the first line", flush=True)
        for _ in range(60):
            os.write(1, b"x" * 999_999 + b"\\n")
        while os.fstat(1).st_size > 10_000_000:  # what comes while the log is cut may be lost
            time.sleep(0.01)
        print("the last line", flush=True)

    def grow(self):
        held = []
        while len(held) < 30:
            held.append(np.ones(50_000_000 // 8))
            time.sleep(0.02)
        time.sleep(600)  # until somebody has looked how much it holds

    def hoard(self):
        np.ones(200_000_000_000 // 8)

    def complain(self):
        raise ValueError("as told")

    def mumble(self):
        raise ValueError("a name that is no UTF-8: \\udcff")

    def read_out(self):
        raise ValueError("x" * 5_000_000)

    def choke(self):
        class Choking(Exception):
            def __str__(self):
                raise RuntimeError("no words")

        raise Choking

    def give_up(self):
        raise KeyboardInterrupt

    def leave(self):
        os._exit(0)

    def exit(self):
        sys.exit(3)


class Reporting(Told):
    """Reports its progress, under a name that is too long for anything."""

    def fit(self, X, y, report=None):
        if self.do == "long_name":
            for step in range(1, 4):
                report(step, **{"m" * 100_000: 1.0})
        return super().fit(X, y)
'''


def lay_out(folder: Path, space: Mapping[str, Any] = LINE, params: Mapping[str, Any] | None = None) -> None:
    """Put an estimator, its option and a table into a folder."""
    sys.modules.pop("told", None)  # that of another test's folder, which ran in this very process
    (folder / "told.py").write_text(ESTIMATOR)
    (folder / "fits.txt").touch()
    (folder / "rows.csv").write_text("a,y\n" + "".join(f"{n},{3.5 if n % 9 == 0 else 2.0}\n" for n in range(60)))
    options = folder / "conf" / "algorithm"
    options.mkdir(parents=True, exist_ok=True)
    told = {"name": "told", "path": "???", "params": {"x": 0.5, "seconds": 0.0, "do": "well", **(params or {})}}
    (options / "told.yaml").write_text(yaml.safe_dump({**told, "space": dict(space)}))


def words(tuner: str, runs: int | None = None, *more: str, path: str = "told:Told") -> list[str]:
    """Return the command line of a sweep over `told`."""
    table = ["data=csv", "data.path=rows.csv", "data.target=y", "data.task=regression", "preprocess=none"]
    judged = ["evaluator.metrics=[median_ae]", "objective.metric=median_ae"]
    end = [] if runs is None else [f"tuner.stop.max_runs={runs}"]
    own = ["tuner.own_space=true"] if tuner == "grid" else []
    # the fits are counted: the best is not fitted once more, which has tests of its own
    loop = [f"tuner={tuner}", *own, *end, "tuner.plots=false", "tuner.backoff=0", "tuner.refit=false", *UNEXAMINED]
    return ["train", "-m", *table, *judged, "algorithm=told", f"algorithm.path={path}", *loop, *more]


IN_PROCESS = "compute.engine=in_process"  # a sweep that nobody kills needs no processes, and begins at once


class Session:
    """One process that drives a sweep."""

    def __init__(self, folder: Path, *typed: str, mark: str = "", **options: Any) -> None:
        self.mark, self.folder = mark or uuid.uuid4().hex, folder
        environment = {**os.environ, MARK: self.mark, "OMP_WAIT_POLICY": "PASSIVE", **options.pop("env", {})}
        command = [*options.pop("before", ()), *options.pop("program", RUNTREE), *typed]
        self._said = folder / f"said-{uuid.uuid4().hex[:8]}.txt"
        with self._said.open("wb") as said:
            told = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": subprocess.STDOUT, **options}
            self.process = subprocess.Popen(command, cwd=folder, env=environment, **told)

    @property
    def said(self) -> str:
        """Return what it has printed up to now."""
        return self._said.read_text(errors="replace")

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def end(self, seconds: float = PATIENCE) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {seconds} s:\n{self.said}") from None

    def kill(self) -> None:
        """Kill -9, with no word to anybody."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the driver alone."""
        self.process.send_signal(number)

    def family(self) -> list[psutil.Process]:
        """Return every process of this sweep that lives, wherever it hides."""
        return [process for process in psutil.process_iter() if _bears(process, self.mark)]

    def workers(self) -> list[psutil.Process]:
        """Return those that work on runs: each leads a session, below supervisor and fork server."""
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
            parents = [psutil.Process(guard.pid).children() for guard in psutil.Process(self.process.pid).children()]
        except psutil.Error:
            return []
        nurseries = {process.pid for children in parents for process in children}
        return [one for one in below if _parent(one) in nurseries]


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
    except psutil.Error:
        return False


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


@contextmanager
def session(folder: Path, *typed: str, **options: Any) -> Iterator[Session]:
    """Drive a sweep; whatever comes, after it no process of it is left."""
    one = Session(folder, *typed, **options)
    try:
        yield one
    finally:
        if not one.is_over:
            one.kill()
        left_nothing(one)


def left_nothing(one: Session) -> None:
    """Look for processes of a sweep that outlive its driver; end them, and say that they were there."""
    if until(lambda: not one.family(), 60):
        return
    found = one.family()
    told = [f"{process.pid} {' '.join(process.cmdline())[:80]}" for process in found if process.is_running()]
    for process in found:
        process.kill()
    raise AssertionError(f"a minute after the driver's end there are still {told}")


def drive(folder: Path, *typed: str, **options: Any) -> Session:
    """Let a session come to its end."""
    with session(folder, *typed, **options) as one:
        one.end()
    return one


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait for a condition; return whether it came."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(met)


def wait_for(one: Session, condition: Callable[[], object], what: str) -> None:
    """Wait for something to happen while a session works."""
    assert until(lambda: condition() or one.is_over), f"{what} did not come:\n{one.said}"
    assert condition(), f"the session ended with {one.process.returncode} before {what}:\n{one.said}"


def sweep_of(folder: Path, outputs: str = "outputs") -> SweepFolder:
    """Return the one sweep that there is."""
    return find_sweep(folder / outputs, "latest")


def events(folder: Path, kind: str | None = None, outputs: str = "outputs") -> list[dict[str, Any]]:
    """Return what the ledger says, in its order; nothing where there is no sweep yet, and no torn lines."""
    found = list((folder / outputs).glob("*/*-sweep/ledger.jsonl"))
    lines = found[0].read_bytes().split(b"\n") if found else []
    known = [event for event in map(parse, lines) if event is not None]
    return known if kind is None else [event for event in known if event["event"] == kind]


def ended(folder: Path, outputs: str = "outputs") -> list[dict[str, Any]]:
    """Return the lines by which runs ended."""
    return events(folder, "ended", outputs)


def record_of(folder: Path, number: int, outputs: str = "outputs") -> dict[str, Any]:
    """Return what a run's folder says of it."""
    found: dict[str, Any] = json.loads(sweep_of(folder, outputs).run(number).record.read_text())
    return found


def history(folder: Path) -> list[tuple[int, dict[str, Any], Any]]:
    """Return number, values and objectives of each run, in the order of the numbers."""
    return sorted((event["run"], event["values"], event["objectives"]) for event in ended(folder))


def asked_order(folder: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return number and values of each run in the order in which they were asked for."""
    return [(event["run"], event["values"]) for event in events(folder, "asked")]


def fits(folder: Path) -> Counter[str]:
    """Return how often each configuration was begun to be fitted."""
    return Counter(line.partition(" ")[2] for line in (folder / "fits.txt").read_text().splitlines())


def assert_every_run_is_there_once(folder: Path, runs: int, outputs: str = "outputs") -> None:
    """Compare tree and ledger: so many runs, each completed, counted once, and with the value of its own config."""
    sweep = sweep_of(folder, outputs)
    lines = ended(folder, outputs)
    assert sorted(event["run"] for event in lines) == list(range(runs))
    assert sorted(path.name for path in sweep.runs.iterdir()) == [f"{number:04d}" for number in range(runs)]
    for event in lines:
        record = record_of(folder, event["run"], outputs)
        metrics = json.loads(sweep.run(event["run"]).metrics.read_text())
        x = record["config"]["algorithm.params.x"]
        assert (record["state"], event["state"]) == ("completed", "completed"), record
        assert event["values"].get("algorithm.params.x", x) == x
        assert event["objectives"] == [record["objective"]["value"]] == [metrics["validation"]["median_ae"]]
        assert abs(record["objective"]["value"] - (2 - x)) < 1e-12, record


def assert_it_is_said_in_a_few_lines(said: str) -> None:
    """Hold an error to what the manual promises: at most five lines, no traceback."""
    assert "Traceback" not in said, said
    complaint = said[said.index("error: ") :].strip()
    assert len(complaint.splitlines()) <= 5, said


def assert_the_best_is_kept(folder: Path, best: Callable[..., Any] = max) -> int:
    """Look for the model of the best run and of no other, scored as the ledger says; return its number."""
    sweep = sweep_of(folder)
    lines = {event["run"]: event for event in ended(folder)}
    number = best(lines, key=lambda run: lines[run]["values"]["algorithm.params.x"])
    assert [path.parent.name for path in sorted(sweep.runs.glob("*/model"))] == [f"{number:04d}"]
    kept, record = events(folder, "kept")[-1], record_of(folder, number)
    assert kept["run"] == number
    assert kept["metrics"]["validation"] == lines[number]["metrics"]["validation"] == record["metrics"]["validation"]
    assert set(kept["metrics"]) == set(record["metrics"]) == {"train", "validation", "test"}
    return int(number)


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """Mount a disk of some size, "2m"; only root can."""
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mount.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
