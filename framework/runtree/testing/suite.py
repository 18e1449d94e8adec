"""The base of the suites: their plugins, and finished runs that several tests share."""

import json
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtree.app import App
from runtree.plugins import Plugins, blocked_names, make_plugins
from runtree.records.layout import RunFolder

Plugin = tuple[str, object]

# On a table of a few dozen rows an algorithm need not converge.
TINY = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def plugins_with(extra: tuple[Plugin, ...], blocked: tuple[str, ...] = ()) -> Plugins:
    """Return the installed plugins and `extra` ones, without those that are blocked here or by RUNTREE_BLOCK."""
    return _make_plugins(extra, (*blocked, *blocked_names()))


# cached: finding entry points and importing plugins takes longer than most tests of a suite
@lru_cache(maxsize=8)
def _make_plugins(extra: tuple[Plugin, ...], blocked: tuple[str, ...]) -> Plugins:
    return make_plugins(extra=extra, blocked=blocked)


_SHARED: dict[Hashable, Any] = {}  # per test process: a suite spends most of its time in training


def shared(key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what `make` returned for an equal key earlier in this process, else call it. Tests must not change it."""
    if key not in _SHARED:
        _SHARED[key] = make()
    return _SHARED[key]


class Suite:
    """The base class of all suites.

    Attributes
    ----------
    plugins
        (name, plugin) pairs to be tested that are not installed through an entry point.
    overrides
        Overrides besides the option: ``["algorithm.n_estimators=10"]``.
    """

    plugins: ClassVar[Sequence[Plugin]] = ()
    overrides: ClassVar[Sequence[str]] = ()

    @classmethod
    def make_app(cls) -> App:
        """Return the application that the suite runs in."""
        return App(plugins_with(tuple(cls.plugins)))


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def folder_of(run: Any) -> RunFolder:
    """Return the folder of a run."""
    return RunFolder(run.folder)


def assert_same_science(first: Any, second: Any) -> None:
    """Check that metrics and predictions of two runs are equal byte by byte."""
    # files and not objects: values that differ only beyond the printed digits, or in type, differ in the bytes
    one, two = folder_of(first), folder_of(second)
    assert one.metrics.read_bytes() == two.metrics.read_bytes(), "the same seed gave other metrics"
    assert one.predictions.read_bytes() == two.predictions.read_bytes(), "the same seed gave other predictions"
