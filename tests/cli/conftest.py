"""Sweeps for tests of the command line: a small real one, made once, and ledgers written by hand."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from runtree.cli.main import main
from runtree.cli.sweep.ledger_reader import LedgerReader
from runtree.config.provenance import TypedWords
from runtree.records.layout import SweepFolder
from runtree.records.ledger import Ledger
from runtree.testing.fixtures import UNEXAMINED

TYPED = ["algorithm=knn", "data=iris", "tuner=tpe", "tuner.stop.max_runs=4", "compute.engine=in_process", *UNEXAMINED]


@pytest.fixture
def terminal(capsys, monkeypatch) -> Callable[[int], None]:
    """Return a function that makes the output one to a terminal so many columns wide, which knows no escape codes."""

    def set_width(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")

    return set_width


@contextmanager
def there(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def real_sweep(tmp_path_factory) -> SimpleNamespace:
    """Make a sweep of four runs; `tree` is the folder it was typed in, and what it said stands beside."""
    tree, out, err = tmp_path_factory.mktemp("swept"), StringIO(), StringIO()
    with there(tree), redirect_stdout(out), redirect_stderr(err):
        code = main(["train", "-m", *TYPED])
    [path] = tree.glob("outputs/default/*-sweep")
    return SimpleNamespace(tree=tree, path=path, name=path.name, code=code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture
def copied(folder: Path, real_sweep: SimpleNamespace) -> SweepFolder:
    """Put a copy of that sweep into the empty folder."""
    shutil.copytree(real_sweep.tree / "outputs", folder / "outputs")
    return SweepFolder(Path("outputs/default") / real_sweep.name)


Write = Callable[..., SweepFolder]


@pytest.fixture
def write_sweep(folder: Path) -> Write:
    """Return a function that writes a sweep's folder by hand."""

    def write(*events: dict[str, Any], name: str = "20260102-030405-sweep", **changes: Any) -> SweepFolder:
        made = SweepFolder(Path("outputs/default", name))
        made.runs.mkdir(parents=True, exist_ok=True)
        stop = changes.pop("stop", {"max_runs": 10})
        asked = {
            "schema": 1, "begun": "2026-01-02T03:04:05.000+00:00", "overrides": ["algorithm=a,b", "tuner=tpe"],
            "tuner": "tpe", "tuner_node": {"name": "tpe", "stop": stop, "repeats": 1, "grace": 7.0, **changes.pop("node", {})},
            "objectives": [["accuracy", "maximize"]], "size": None,
        }  # fmt: skip
        made.description.write_text(yaml.safe_dump(asked | changes))
        ledger = Ledger(made.ledger)
        ledger.append(*events)
        ledger.close()
        return made

    return write


def opened(at: float = 0.0) -> dict[str, Any]:
    return {"event": "opened", "pid": 7, "host": "here", "time": "2026-01-02T03:04:05.000+00:00", "at": at}


def asked(run: int, family: str = "a", trial: int | None = None, at: float = 0.0, **more: Any) -> dict[str, Any]:
    values = more.pop("values", {"algorithm.x": run / 10})
    event = {"event": "asked", "run": run, "family": family, "trial": run if trial is None else trial, "repeat": 0}
    return {**event, "of": 1, "values": values, "memo": {}, "same": f"s{run}", "at": at, **more}


def ended(run: int, value: Any = None, state: str = "completed", at: float = 1.0, **more: Any) -> dict[str, Any]:
    told = asked(run, more.pop("family", "a"), at=at, **{key: more.pop(key) for key in ("values", "of") if key in more})
    values = value if isinstance(value, list | type(None)) else [value]
    told |= {"event": "ended", "state": state, "reason": None, "objectives": values, "seconds": 0.5, "error": None}
    return told | {"fingerprints": {"data": "d", "split": "s"}, "metrics": {}, "stages": {}, "kept": False} | more


def stopped(criterion: str, explanation: str = "stopped after run 3: enough, best 0.9 at run 1") -> dict[str, Any]:
    return {"event": "stopped", "criterion": criterion, "explanation": explanation, "at": 9.0}


def failed(run: int, message: str) -> dict[str, Any]:
    return ended(run, state="failed", error={"type": "ValueError", "message": message})


def driver_of(folder: SweepFolder, **more: Any) -> SimpleNamespace:
    """Return what a report and a scene look at, as the ledger tells it."""
    seen = LedgerReader(folder).read()
    standing, options = seen.progress, SimpleNamespace(repeats=1, keep="best", stop={})
    told = {"stop_cause": None, "running": {}, "seconds": seen.sweep_state.seconds, "options": options, "signals": 0}
    return SimpleNamespace(
        state=seen.sweep_state,
        objectives=standing.objectives,
        front=standing.front,
        monitor=standing.monitor,
        **told | more,
    )


def plan_of(folder: SweepFolder, *families: str) -> SimpleNamespace:
    """Return what a report and a scene read of a plan."""
    return SimpleNamespace(
        node={"name": "tpe"}, spaces=[SimpleNamespace(name=name) for name in families], folder=folder, size=None,
        options=SimpleNamespace(keep="best", repeats=1), slots=2,
        config=SimpleNamespace(outputs="outputs"),
        request=SimpleNamespace(
            typed=TypedWords(), app=SimpleNamespace(allow_list=lambda: None)
        ),
    )  # fmt: skip


@pytest.fixture
def told() -> SimpleNamespace:
    """Return what writes events, and what stands for a driver and its plan."""
    return SimpleNamespace(
        opened=opened, asked=asked, ended=ended, stopped=stopped, failed=failed, driver=driver_of, plan=plan_of
    )
