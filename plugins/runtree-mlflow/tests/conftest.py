"""A tracking store in a file, a real server on loopback, and what MLflow's own client reads back from them."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import chdir, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from runtree import Stage, hookimpl
from runtree.app import App, train
from runtree.config.hydra_engine import parse_flags
from runtree.testing import write_table

QUICK = [
    "evaluator.intervals.resamples=0",
    *(f"evaluator.{name}=none" for name in ("baselines", "diagnose", "explain")),
]
STARTS = 120  # seconds that a server may take to start, on a busy machine


@pytest.fixture(autouse=True)
def _nobody_is_told_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever tests out of it."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train_in(place: Path, *overrides: str, extra: tuple[tuple[str, object], ...] = ()) -> Any:
    """Do what a command line asks for, on a tiny table, and spare what is examined afterwards."""
    from runtree.plugins import installed_plugins_with

    words = [*write_table(place), "compute=cpu", "compute.threads=1", "algorithm=sgd", *QUICK, *overrides]
    return train(App(installed_plugins_with(*extra)), parse_flags(words))


@pytest.fixture
def run(folder: Path) -> Callable[..., Any]:
    """Return a function that trains in the empty folder."""
    return partial(train_in, folder)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree that holds one run, which nobody was told of."""
    place = tmp_path_factory.mktemp("trained")
    with chdir(place):
        train_in(place, "fit.max_iterations=4", "algorithm.alpha=0.25", "evaluator.report=true", "trackers=[]")
    return place


@pytest.fixture
def one(folder: Path, trained: Path) -> Path:
    """Return the folder of a run that has ended, in a tree of this test's own."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return next((folder / "outputs" / "default").iterdir())


class Server:
    """`mlflow server` on a free port, with its store below a folder. It may be stopped and started again."""

    def __init__(self, place: Path) -> None:
        self.place = place
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.store = f"sqlite:///{place}/store.db"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", self.store]
        words += ["--artifacts-destination", str(self.place / "artifacts")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # no further processes
        log = (self.place / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self.place,
            env=environment,
        )
        log.close()
        for _ in range(2 * STARTS):
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.5)
        self.stop()
        raise AssertionError((self.place / "server.log").read_text())

    def stop(self) -> None:
        """Kill it, and what it started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty store's database: to make its tables takes seconds."""
    file = tmp_path_factory.mktemp("stored") / "store.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Iterator[Server]:
    """Return the session's server."""
    place = tmp_path_factory.mktemp("server")
    shutil.copy(stored, place)
    one = Server(place)
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture
def server(started: Server) -> Server:
    """Return a server that runs; each test has an experiment of its own there."""
    if started.process is None:
        started.start()
    return started


@pytest.fixture
def store(folder: Path, stored: Path) -> str:
    """Return the URI of a store in a file."""
    shutil.copy(stored, folder)
    return f"sqlite:///{folder}/store.db"


class Seen:
    """What MLflow's client reads back."""

    def __init__(self, uri: str) -> None:
        self.client = MlflowClient(uri)

    def runs(self, experiment: str = "default") -> list[Any]:
        """Return the runs of an experiment, the oldest first."""
        found = self.client.get_experiment_by_name(experiment)
        return [] if found is None else self.client.search_runs([found.experiment_id], order_by=["start_time"])

    def one(self, experiment: str = "default") -> Any:
        """Return the only run."""
        [found] = self.runs(experiment)
        return found

    def history(self, run: Any, metric: str) -> list[tuple[int, float, int]]:
        """Return step, value and time of each point."""
        points = self.client.get_metric_history(run.info.run_id, metric)
        return [(one.step, one.value, one.timestamp) for one in points]

    def files(self, run: Any, path: str | None = None) -> set[str]:
        """Return the artifacts of a run."""
        return {one.path for one in self.client.list_artifacts(run.info.run_id, path)}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings that were logged."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def stage(function: Callable[[Any], None]) -> tuple[tuple[str, object], ...]:
    """Return a plugin that does something after the fit."""
    stages = staticmethod(hookimpl(lambda: [Stage("meanwhile", function, after="fit")]))
    return (("probe", type("Probe", (), {"register_stages": stages})),)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let MLflow's own store use what SQLAlchemy calls deprecated: warnings are errors here, and this is not ours."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"))
