"""Workers that do what the module `jobs` holds, and the certainty that none of them is left."""

import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest
from observing import Driver, until

from runtree.workers.process_executor import ProcessExecutor

MARK = "RUNTREE_TEST_FAMILY"


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except psutil.Error:
        return False


@pytest.fixture
def family(monkeypatch) -> Iterator[Callable[[], list[psutil.Process]]]:
    """Find every process that a test started, wherever it hides; two seconds after the test there is none."""
    mark, before = uuid.uuid4().hex, {child.pid for child in psutil.Process().children()}
    monkeypatch.setenv(MARK, mark)

    def members() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _bears(process, mark)]

    yield members
    assert until(lambda: not members(), 2), members()
    assert {child.pid for child in psutil.Process().children()} <= before  # no zombie either


@pytest.fixture
def driver(family) -> Iterator[Callable[..., Driver]]:
    """Return a function that makes an executor."""
    made = []

    def make(slots: int = 1, factory: str = "jobs:make_function", argument: object = None, **options: object) -> Driver:
        made.append(Driver(ProcessExecutor(slots, factory, argument, **{"grace": 0.3, **options})))
        return made[-1]

    yield make
    for each in made:
        each.executor.close()
