"""What every test may use: a folder of its own, and the command line in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from runtree.app import rest_idle_threads
from runtree.cli.main import main

rest_idle_threads()
settings.register_profile("runtree", deadline=None)  # no test asserts how long something takes
settings.load_profile("runtree")


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the settings of one test from the next."""
    for name in ("RUNTREE_BLOCK", "RUNTREE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runtree(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that types a command line in the empty folder."""

    def type_it(*words: str) -> Said:
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return type_it
