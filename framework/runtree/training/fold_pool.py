"""The processes that fit folds: started anew, not forked, so that no library's threads are missed in them."""

import logging
import mmap
import os
import pickle
import re
import signal
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from runtree.contract.errors import RunFailedError, RuntreeError, first_line
from runtree.contract.folds import Fold
from runtree.contract.predictions import Predictions
from runtree.training.fold_context import FoldContext, fit_fold

log = logging.getLogger(__name__)

OBJECTS, ARRAYS, ENDS = "objects", "arrays", "ends"
ALIGNED = 64  # bytes: where an array may begin


def dump_context(bench: FoldContext, folder: Path) -> None:
    """Write a bench into an empty folder."""
    import cloudpickle  # a plugin's metric may be a lambda, which pickle does not take

    buffers: list[pickle.PickleBuffer] = []
    (folder / OBJECTS).write_bytes(cloudpickle.dumps(bench, protocol=5, buffer_callback=buffers.append))
    ends = [0]
    with (folder / ARRAYS).open("wb") as file:
        for buffer in buffers:
            content = buffer.raw()
            file.write(content)
            file.write(bytes(-content.nbytes % ALIGNED))
            ends += [ends[-1] + content.nbytes, file.tell()]
    (folder / ENDS).write_text(" ".join(map(str, ends)))


@lru_cache(maxsize=1)
def load_context(folder: str) -> FoldContext:
    """Return the bench in a folder; its arrays are those of the file, and cannot be written to."""
    place = Path(folder)
    ends = [int(end) for end in (place / ENDS).read_text().split()]
    whole = _mapped(place / ARRAYS) if ends[-1] else memoryview(b"")
    buffers = [whole[first:last] for first, last in list(pairwise(ends))[::2]]  # every other one is what aligns
    bench: FoldContext = pickle.loads((place / OBJECTS).read_bytes(), buffers=buffers)
    return bench


@lru_cache(maxsize=1)
def _mapped(file: Path) -> memoryview:
    with file.open("rb") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))


GLANCE = 0.5  # seconds between two looks at whether the parent is there


@dataclass(frozen=True)
class FoldTask:
    """A fold, with an algorithm and a plan of its own where these are not those of the kit."""

    fold: Fold
    own: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class FoldOutcome:
    """What came of a task: answers or an error, and what libraries warned of."""

    answers: Predictions | None
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


def work(place: str, task: FoldTask) -> FoldOutcome:
    """Fit a fold with the kit that lies in a folder."""
    bench = load_context(place)
    if task.own is not None:
        bench = bench.with_algorithm(*task.own)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found, seconds = fit_fold(bench, task.fold)
        except Exception as error:
            return FoldOutcome(None, 0.0, _plain(warned), _crossing(error))
    return FoldOutcome(found, seconds, _plain(warned))


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


LIMITS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")  # libraries that read <NAME>_NUM_THREADS as they are loaded


class FoldPool:
    """Processes that outlive a call, so that a search pays once for what they import.

    Parameters
    ----------
    threads
        How many native threads each has; None: what the environment says.
    """

    def __init__(self, bench: FoldContext, slots: int, threads: int | None) -> None:
        self._slots = slots
        self._env = {} if threads is None else {f"{name}_NUM_THREADS": str(threads) for name in LIMITS}
        self._env |= {} if threads is None else {"LOKY_MAX_CPU_COUNT": str(threads)}  # what n_jobs=-1 means
        self._folder = tempfile.TemporaryDirectory(prefix="runtree-folds-")
        dump_context(bench, Path(self._folder.name))
        self._open()

    def _open(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(self._slots, initializer=begin, initargs=(os.getpid(),), env=self._env)

    def __call__(self, tasks: Sequence[FoldTask]) -> Iterator[FoldOutcome]:
        """Yield what came of each task, in their order; a task whose process died is done once more."""
        pending = {number: self._submit(task) for number, task in enumerate(tasks)}
        deaths = dict.fromkeys(pending, 0)
        try:
            for number in list(pending):
                while not self._is_whole(pending[number]):
                    self._once_more(pending, deaths, tasks)
                yield _told(pending.pop(number).result())
        finally:
            for future in pending.values():
                future.cancel()

    def _submit(self, task: FoldTask) -> Any:
        return self._pool.submit(work, self._folder.name, task)

    def _is_whole(self, future: Any) -> bool:
        from joblib.externals.loky import BrokenProcessPool

        return not isinstance(future.exception(), BrokenProcessPool)

    def _once_more(self, pending: dict[int, Any], deaths: dict[int, int], tasks: Sequence[FoldTask]) -> None:
        """Open the processes anew for what is left: where one dies, the others are ended too."""
        lost = [number for number, future in pending.items() if not self._is_whole(future)]
        suspects = lost[: self._slots]
        names = ", ".join(str(tasks[number].fold.number) for number in suspects)
        why = _codes(pending[lost[0]].exception())
        self._end()
        self._open()
        for number in suspects:
            deaths[number] += 1
        if any(deaths[number] > 1 for number in suspects):
            raise RunFailedError(
                f"fold {names}: its process died, and died again when it was fitted once more{why}",
                "where memory is short, one fold at a time: compute.slots=1",
            )
        log.warning("a process died while fold %s was fitted%s: once more", names, why)
        pending.update({number: self._submit(tasks[number]) for number in lost})

    def _end(self) -> None:
        self._pool.shutdown(wait=True, kill_workers=True)

    def close(self) -> None:
        """End the processes at once, and remove what they were given."""
        self._end()
        self._folder.cleanup()


def _codes(error: BaseException) -> str:
    found = re.search(r"exit codes? of the workers (?:is|are) \{([^}]*)\}", str(error))
    return f" ({found[1]})" if found else ""


def _told(done: FoldOutcome) -> FoldOutcome:
    """Warn here of what was warned of there."""
    for one in done.warned:
        warnings.warn_explicit(str(one.message), one.category, one.filename, one.lineno)
    return done
