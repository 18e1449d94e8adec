"""What a process does that fits folds: one after the other, until it is told to end or its parent is gone."""

import os
import pickle
import signal
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from typing import Any

from runtree.contract.answers import Answers
from runtree.contract.errors import RunFailedError, RuntreeError, first_line
from runtree.contract.folds import Fold
from runtree.lifecycle.folding.bench import fit_and_answer
from runtree.lifecycle.folding.kit import read_kit

GLANCE = 0.5  # seconds between two looks at whether the parent is there


@dataclass(frozen=True)
class Task:
    """A fold, with an algorithm and a plan of its own where these are not those of the kit."""

    fold: Fold
    own: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Done:
    """What came of a task: answers or an error, and what libraries warned of."""

    answers: Answers | None
    seconds: float
    warned: tuple[warnings.WarningMessage, ...] = ()
    error: Exception | None = None


def begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(GLANCE)
    os._exit(1)


def work(place: str, task: Task) -> Done:
    """Fit a fold with the kit that lies in a folder."""
    bench = read_kit(place)
    if task.own is not None:
        bench = bench.with_algorithm(*task.own)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found, seconds = fit_and_answer(bench, task.fold)
        except Exception as error:
            return Done(None, 0.0, _plain(warned), _crossing(error))
    return Done(found, seconds, _plain(warned))


def _plain(warned: list[warnings.WarningMessage]) -> tuple[warnings.WarningMessage, ...]:
    return tuple(warnings.WarningMessage(str(one.message), one.category, one.filename, one.lineno) for one in warned)


def _crossing(error: Exception) -> Exception:
    """Return an error that can be read on the other side, with the traceback of this one."""
    trace = "".join(traceback.format_exception(error))
    try:
        told = pickle.loads(pickle.dumps(error))
    except Exception:
        told = RunFailedError(f"{type(error).__name__}: {first_line(error)}")
    if not isinstance(told, RuntreeError):
        told.__cause__ = RuntimeError(f"in the process of the fold:\n{trace}")
    return told if isinstance(told, Exception) else error
