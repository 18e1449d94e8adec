"""Executors whose workers run the functions of `jobs.py`, and the check that no process of theirs is left."""

import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest
from process_helpers import ObservedExecutor, until

MARK = "RUNTREE_TEST_PROCESSES"


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except psutil.Error:
        return False


@pytest.fixture
def started(monkeypatch) -> Iterator[Callable[[], list[psutil.Process]]]:
    """Return a function that lists every living process which the test started, whatever its parent or session.

    They are found by a variable of their environment. After the test there must be none.
    """
    mark, before = uuid.uuid4().hex, {child.pid for child in psutil.Process().children()}
    monkeypatch.setenv(MARK, mark)

    def marked() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if _has_mark(process, mark)]

    yield marked
    assert until(lambda: not marked()), marked()
    assert {child.pid for child in psutil.Process().children()} <= before  # no zombie either


@pytest.fixture
def start(started) -> Iterator[Callable[..., ObservedExecutor]]:
    """Return a function that starts an executor; it is closed after the test."""
    executors = []

    def make(
        slots: int = 1, factory: str = "jobs:make_function", argument: object = None, **options: object
    ) -> ObservedExecutor:
        executors.append(ObservedExecutor(slots, factory, argument, **{"grace": 0.3, **options}))
        return executors[-1]

    yield make
    for executor in executors:
        executor.close()
