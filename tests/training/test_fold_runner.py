"""Folds fitted by workers: same scores and order as in this process, with crashes, limits, Ctrl-C and a killed driver."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import psutil
import pytest

from runtree.contract.errors import DataError, RunFailedError
from runtree.contract.folds import Fold
from runtree.testing.fixtures import UNEXAMINED, train, write_table
from runtree.training import fold_runner
from runtree.training.fold_context import make_fold_context, set_values
from runtree.training.fold_runner import PipelineFoldRunner

ALGORITHM = """
import os, signal, time, warnings
import numpy as np
from pathlib import Path
from sklearn.base import BaseEstimator, ClassifierMixin
from runtree.contract.errors import DataError

class Faulty(ClassifierMixin, BaseEstimator):
    '''Has a fault in every process but the main one.'''

    def __init__(self, fault="", main=0, marks="", n_jobs=None):
        self.fault, self.main, self.marks, self.n_jobs = fault, main, marks, n_jobs

    def fit(self, X, y):
        self.classes_, self.draw_ = np.unique(y), float(np.random.random())
        if os.getpid() != self.main:
            print("fitted by a worker", flush=True)
            getattr(self, self.fault or "no_fault")(len(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.full((len(X), 2), [self.draw_, 1 - self.draw_])

    def no_fault(self, rows):
        pass

    def dies(self, rows):
        os.kill(os.getpid(), signal.SIGKILL)

    def dies_once(self, rows):
        mark = Path(self.marks) / "died"
        if rows == 20 and not mark.exists():
            mark.touch()
            self.dies(rows)

    def waits_for_the_next(self, rows):
        mark = Path(self.marks) / "next"
        if rows != 20:
            mark.touch()
        while not mark.exists():
            time.sleep(0.05)

    def hangs(self, rows):
        (Path(self.marks) / f"hangs {os.getpid()}").touch()
        time.sleep(600)

    def grows(self, rows):
        kept = [b"x" * 10_000_000 for _ in range(60) if not time.sleep(0.01)]
        time.sleep(600)  # until somebody has looked how much it holds

    def complains(self, rows):
        warnings.warn("said by a worker", UserWarning)
        raise DataError(f"{rows} rows are too few", "take more")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train once, in this process; two slots would serve the folds."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty_algorithm.py").write_text(ALGORITHM)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        overrides = ["algorithm=import", "algorithm.path=faulty_algorithm:Faulty", "compute.memory=400MB"]
        overrides += [f"+algorithm.params.main={os.getpid()}", f"+algorithm.params.marks='{folder}'"]
        run = train(*write_table(folder), *overrides, *UNEXAMINED, "compute.slots=2", folder=folder)
        run.options = replace(run.options, slots=2)
        yield run


@pytest.fixture
def make_runner(run, monkeypatch):
    """Return a function that makes a runner whose folds go to workers however little time that saves."""
    monkeypatch.setattr(fold_runner, "MIN_SECONDS_SAVED", -1.0)
    runners = []

    def make(fault=""):
        run.estimator.set_params(fault=fault)
        runners.append(PipelineFoldRunner(run))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()
    assert not [child for child in psutil.Process().children() if "fork_server" in " ".join(child.cmdline())]


def folds(*sizes):
    return [Fold(np.arange(size), np.arange(60, 66), number) for number, size in enumerate(sizes)]


@pytest.mark.slow
def test_results_are_in_the_order_of_the_folds(make_runner):
    results = list(make_runner("waits_for_the_next")(folds(20, 30, 40)))
    assert [result.fold.number for result in results] == [0, 1, 2]
    assert all(result.seconds > 0 for result in results)


@pytest.mark.slow
def test_every_fold_starts_with_the_seed_of_the_run_wherever_it_is_fitted(make_runner, run, monkeypatch):
    on_workers = [result.predictions.score[0, 0] for result in make_runner()(folds(20, 30, 40))]
    assert "fitted by a worker" in (run.folder / "log.txt").read_text()
    monkeypatch.setattr(fold_runner, "MIN_SECONDS_SAVED", np.inf)
    here = [result.predictions.score[0, 0] for result in make_runner()(folds(20, 30, 40))]
    assert on_workers == here
    assert len(set(here)) == 1


@pytest.mark.slow
def test_a_fold_whose_worker_was_killed_is_fitted_once_more(make_runner, caplog):
    assert len(list(make_runner("dies_once")(folds(20, 30, 40)))) == 3
    assert "fold 0: its process was killed by SIGKILL" in caplog.text
    assert "fold 1" not in caplog.text  # the others lose nothing


@pytest.mark.slow
def test_a_fold_whose_worker_is_killed_twice_is_an_error(make_runner):
    with pytest.raises(
        RunFailedError, match=r"fold 0: its process was killed by SIGKILL.*, 2 times\n.*compute.slots=1"
    ):
        list(make_runner("dies")(folds(20, 30, 40)))


@pytest.mark.slow
def test_a_fold_that_exceeds_the_memory_limit_is_an_error(make_runner):
    with pytest.raises(RunFailedError, match=r"fold 0: its worker held \d+ MiB, more than compute.memory allows"):
        list(make_runner("grows")(folds(20, 30)))


@pytest.mark.slow
def test_errors_and_warnings_of_a_fold_arrive_here_and_its_workers_fit_the_next(make_runner, run):
    runner = make_runner("complains")
    with (
        warnings.catch_warnings(record=True) as shown,
        pytest.raises(DataError, match="20 rows are too few\n  take more"),
    ):
        warnings.simplefilter("always")
        list(runner(folds(20, 30, 40, 50)))
    assert "said by a worker" in [str(warning.message) for warning in shown]
    executor = runner._executor
    run.estimator.set_params(fault="")
    runner.reset_algorithm()  # as after a search
    assert len(list(runner(folds(20, 30)))) == 2
    assert runner._executor is executor


@pytest.mark.slow
def test_ctrl_c_ends_the_folds(make_runner, run, tmp_path):
    runner = make_runner("hangs")
    run.estimator.set_params(marks=str(tmp_path))
    interrupt = threading.Thread(target=lambda: (_wait_for(tmp_path, 2), os.kill(os.getpid(), signal.SIGINT)))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        list(runner(folds(20, 30, 40)))
    runner.close()
    interrupt.join()
    assert not _living(tmp_path)


@pytest.mark.slow
def test_no_worker_outlives_a_killed_driver(run, tmp_path):
    code = f"""
import os
from runtree.testing.fixtures import UNEXAMINED, train
from runtree.training import fold_runner
fold_runner.MIN_SECONDS_SAVED = -1.0
table = ["data=csv", "data.path='{run.config.data.path}'", "data.target={run.config.data.target}"]
algorithm = ["algorithm=import", "algorithm.path=faulty_algorithm:Faulty", "+algorithm.params.fault=hangs"]
algorithm += [f"+algorithm.params.main={{os.getpid()}}", "+algorithm.params.marks='{tmp_path}'"]
train(*table, *algorithm, *UNEXAMINED, "evaluator=cross_validation", "compute.slots=2", folder={str(tmp_path)!r})
"""
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}) as driver:
        try:
            _wait_for(tmp_path, 2)
        finally:
            driver.kill()
    assert not _living(tmp_path)


def _living(folder):
    """Return the processes that still live after a minute at most."""
    deadline = time.monotonic() + 60
    while (alive := [pid for pid in _pids(folder) if psutil.pid_exists(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _pids(folder):
    return [int(mark.name.split()[1]) for mark in folder.glob("hangs *")]


def _wait_for(folder, count):
    deadline = time.monotonic() + 180
    while len(_pids(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_are_started_only_where_they_save_time(run):
    runner = PipelineFoldRunner(run)
    runner.expected_seconds = 0.001
    assert len(list(runner(folds(20, 30, 40)))) == 3
    assert runner._executor is None
    runner.expected_seconds = 10 * fold_runner.MIN_SECONDS_SAVED
    assert runner._saves_time(2)
    assert not runner._saves_time(1)


def test_threads_are_shared_out_among_the_slots(run):
    run.estimator.set_params(n_jobs=-1)
    context = make_fold_context(run)
    run.estimator.set_params(n_jobs=None)
    assert context.compute.threads == max(1, context.compute.describe()["cores"] // 2)
    assert context.run.estimator.n_jobs == context.compute.threads


def test_values_are_set_on_a_copy():
    config = {"algorithm": {"alpha": 1.0, "params": {"a": 1}}, "seed": 0}
    changed = set_values(config, {"algorithm.params.a": 2, "algorithm.beta": [1]})
    assert changed == {"algorithm": {"alpha": 1.0, "params": {"a": 2}, "beta": [1]}, "seed": 0}
    assert config["algorithm"] == {"alpha": 1.0, "params": {"a": 1}}
