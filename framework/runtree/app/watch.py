"""`runtree monitor --watch`: one look at a model after the other, until a signal comes."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runtree.app.application import App
from runtree.app.monitor import MonitorResult, model_name, monitor_run
from runtree.app.monitored_rows import MonitorRequest
from runtree.contract.errors import (
    ConfigError,
    MissingError,
    RequestError,
    RuntreeError,
    describe_error,
    raise_if_ours,
)
from runtree.records.layout import MonitorFolder, hold_alone, not_writable_error

# of the first look these end it: what was typed is wrong, and a person is there to read it
OF_THE_REQUEST = (ConfigError, MissingError, RequestError)


def watch_model(
    make_request: Callable[[], MonitorRequest],
    every: float,
    on_look: Callable[[MonitorResult], None],
    on_error: Callable[[str], None],
) -> None:
    """Look at a model again and again; return after SIGTERM, at the end of the look that is in progress.

    Parameters
    ----------
    make_request
        Returns what to look at now: an alias may mean another version by then.
    every
        Seconds from the start of a look to that of the next one.
    on_error
        Gets one line on a look that failed. The next one may succeed.

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
        is_first = True
        while not ended.is_set():
            due = time.monotonic() + every
            try:
                on_look(monitor_run(App(), request if is_first else make_request()))
            except Exception as error:
                raise_if_ours(error)
                if (is_first and isinstance(error, OF_THE_REQUEST)) or isinstance(error, BrokenPipeError):
                    raise
                on_error(" ".join(str(error).split()) if isinstance(error, RuntreeError) else describe_error(error))
            is_first = False
            ended.wait(max(0.0, due - time.monotonic()))


@contextmanager
def end_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets. Ctrl-C interrupts as everywhere: records and alerts bear a kill, too."""
    ended = threading.Event()
    former = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, former)
