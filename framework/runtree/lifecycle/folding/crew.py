"""The processes that fit folds: started anew, not forked, so that no library's threads are missed in them."""

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runtree.contract.errors import RunFailedError
from runtree.lifecycle.folding.bench import Bench
from runtree.lifecycle.folding.kit import write_kit
from runtree.lifecycle.folding.worker import Done, Task, begin, work

log = logging.getLogger(__name__)

LIMITS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")  # libraries that read <NAME>_NUM_THREADS as they are loaded


class Crew:
    """Processes that outlive a call, so that a search pays once for what they import.

    Parameters
    ----------
    threads
        How many native threads each has; None: what the environment says.
    """

    def __init__(self, bench: Bench, slots: int, threads: int | None) -> None:
        self._slots = slots
        self._env = {} if threads is None else {f"{name}_NUM_THREADS": str(threads) for name in LIMITS}
        self._env |= {} if threads is None else {"LOKY_MAX_CPU_COUNT": str(threads)}  # what n_jobs=-1 means
        self._folder = tempfile.TemporaryDirectory(prefix="runtree-folds-")
        write_kit(bench, Path(self._folder.name))
        self._open()

    def _open(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(self._slots, initializer=begin, initargs=(os.getpid(),), env=self._env)

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Done]:
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

    def _submit(self, task: Task) -> Any:
        return self._pool.submit(work, self._folder.name, task)

    def _is_whole(self, future: Any) -> bool:
        from joblib.externals.loky import BrokenProcessPool

        return not isinstance(future.exception(), BrokenProcessPool)

    def _once_more(self, pending: dict[int, Any], deaths: dict[int, int], tasks: Sequence[Task]) -> None:
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


def _told(done: Done) -> Done:
    """Warn here of what was warned of there."""
    for one in done.warned:
        warnings.warn_explicit(str(one.message), one.category, one.filename, one.lineno)
    return done
