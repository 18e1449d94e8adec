"""What every test may use: a folder of its own, and the command line in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from exhaustive import EXHAUSTIVE
from postgresql import postgresql_server  # noqa: F401
from runtree.cli.main import main
from runtree.contract import redaction
from runtree.plugins import rest_idle_threads

rest_idle_threads()
# no test asserts how long something takes; each run draws other examples, so that fewer do
settings.register_profile("runtree", deadline=None, max_examples=100 if EXHAUSTIVE else 40)
settings.load_profile("runtree")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the exhaustive tests out unless they are asked for, and begin with the slow ones.

    Slow tests at the end would leave one of two processes idle while the other finishes.
    """
    if not EXHAUSTIVE:
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
    # the secrets of one test would be hidden in the output of the next
    monkeypatch.setattr(redaction, "_KNOWN", redaction._KnownValues())
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
