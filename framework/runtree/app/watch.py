"""`runtree monitor --watch`: one look at a model after the other, until a signal comes; and it is trained again.

Training takes hours and gigabytes, and may die of them. So it is `runtree retrain` as a process of its own: the looks
and alerts go on beside it, and it goes on where the watcher ends.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runtree.app.application import App
from runtree.app.monitor import MonitorResult, model_name, monitor_run
from runtree.app.monitored_rows import MonitorRequest
from runtree.app.retrain_request import open_requests
from runtree.contract.commands import display_path
from runtree.contract.errors import (
    ConfigError,
    MissingError,
    RequestError,
    RuntreeError,
    describe_error,
    raise_if_ours,
)
from runtree.records.layout import MonitorFolder, RunFolder, hold_alone, not_writable_error
from runtree.records.model_versions import find_model, registered_in
from runtree.records.reader import read_json
from runtree.records.retrain_requests import RetrainRequest

# of the first look these end it: what was typed is wrong, and a person is there to read it
OF_THE_REQUEST = (ConfigError, MissingError, RequestError)
POLL_SECONDS = 0.5  # between two looks at a process
MAX_WAIT_SECONDS = 24 * 3600.0  # before a request that failed is tried again
LOG_TAIL = 4096  # bytes


def watch_model(
    make_request: Callable[[], MonitorRequest],
    every: float,
    on_look: Callable[[MonitorResult], None],
    on_error: Callable[[str], None],
    on_training: Callable[[str], None],
) -> None:
    """Look at a model again and again; return after SIGTERM, at the end of the look that is in progress.

    A request of a trigger is worked on at once, by a process of its own, unless its policy is to suggest.

    Parameters
    ----------
    make_request
        Returns what to look at now: an alias may mean another version by then.
    every
        Seconds from the start of a look to that of the next one.
    on_error
        Gets one line on a look, or a training, that failed. The next one may succeed.
    on_training
        Gets one line as a training begins and as it ends.

    Raises
    ------
    RequestError
        Another process watches the model.
    RuntreeError
        The first request is wrong.
    """
    request = make_request()
    folder = MonitorFolder(request.output / model_name(request.record))
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable_error(folder.path, error) from None

    def busy(holder: str) -> RequestError:
        return RequestError(
            f"{folder.path.name} is watched by another process: {holder}", f"its results: {folder.path}"
        )

    with hold_alone(folder.watch_lock, busy), end_on_signal() as ended:
        is_first, trainer = True, RetrainProcess(every, on_training, on_error)
        while not ended.is_set():
            due = time.monotonic() + every
            try:
                request = request if is_first else make_request()
                on_look(monitor_run(App(), request))
                trainer.start_if_due(request)
            except Exception as error:
                raise_if_ours(error)
                if (is_first and isinstance(error, OF_THE_REQUEST)) or isinstance(error, BrokenPipeError):
                    raise
                on_error(" ".join(str(error).split()) if isinstance(error, RuntreeError) else describe_error(error))
            is_first = False
            while not ended.is_set() and (left := due - time.monotonic()) > 0:
                ended.wait(min(left, POLL_SECONDS) if trainer.process else left)
                trainer.report()
        trainer.leave()


@contextmanager
def end_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets. Ctrl-C interrupts as everywhere: records and alerts bear a kill, too."""
    ended = threading.Event()
    former = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, former)


@dataclass
class RetrainProcess:
    """The process that trains a model again beside its watcher; one at a time.

    `every` seconds after a failure the request is tried again, and each further failure doubles that.
    """

    every: float
    on_training: Callable[[str], None]
    on_error: Callable[[str], None]
    process: "subprocess.Popen[bytes] | None" = None
    request: RetrainRequest | None = None
    failures: dict[str, int] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)

    def start_if_due(self, watched: MonitorRequest) -> None:
        """Start the work on the open request, if there is one for it and no other process works on it."""
        self.report()
        registered = registered_in(watched.record.folder)
        if registered is None or self.process is not None:
            return
        folder, root = MonitorFolder(watched.output / registered.name), registered.path.parent
        version = find_model(root, registered.name).version(int(watched.record.folder.name))
        for request in open_requests(folder, version):
            is_due = self.due.get(request.id, 0.0) <= time.monotonic()
            if not request.content["triggers"] or request.content["policy"] == "suggest" or not is_due:
                continue
            if RunFolder(request.folder.path).is_held():  # by a person, or by a process of a watcher that has ended
                continue
            model = f"{registered.name}@{request.content['alias']}"
            words = [model, "--request", request.id, "-o", str(watched.output), "--registry", str(root)]
            words += [word for name in watched.trusted for word in ("--trust", name)]
            # without the current folder among the places of modules, as the command `runtree` itself
            program = [sys.executable, "-P", "-m", "runtree", "retrain", *words]
            with request.folder.log.open("ab") as log:
                # a session of its own: what ends the watcher, Ctrl-C in its terminal too, does not end a training
                self.process = subprocess.Popen(
                    program, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            self.request = request
            self.on_training(f"request {request.id}: training as process {self.process.pid}, {self._log}")
            return

    def report(self) -> None:
        """Say how the process ended, once it has."""
        if self.process is None or self.request is None or self.process.poll() is None:
            return
        code, request = self.process.returncode, self.request
        self.process = None
        state = read_json(request.folder.state)[0]
        if state.get("outcome"):
            reasons = "; ".join(map(str, state.get("reasons") or ()))
            self.on_training(f"request {request.id}: {state['outcome']}: {reasons}")
            return
        self.failures[request.id] = failed = self.failures.get(request.id, 0) + 1
        wait = min(self.every * 2.0 ** (failed - 1), MAX_WAIT_SECONDS)
        self.due[request.id] = time.monotonic() + wait
        ended = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
        why = self._last_error()
        self.on_error(
            f"request {request.id}: the training {ended}{f': {why}' if why else ''}; again in {wait:.0f} s, {self._log}"
        )

    def leave(self) -> None:
        """Say what goes on without the watcher."""
        self.report()
        if self.process is not None and self.request is not None:
            self.on_training(f"request {self.request.id}: process {self.process.pid} goes on, {self._log}")

    @property
    def _log(self) -> str:
        assert self.request is not None
        return f"log {display_path(self.request.folder.log)}"

    def _last_error(self) -> str:
        assert self.request is not None
        with self.request.folder.log.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LOG_TAIL))
            lines = log.read().decode(errors="replace").splitlines()
        return next((text.removeprefix("error: ") for text in reversed(lines) if text.startswith("error: ")), "")
