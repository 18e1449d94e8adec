"""Rows of requests that wait at the same time are predicted together, in one thread; a bad row fails alone."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from runtree.contract.errors import describe_error
from runtree.serving.fast_path import few_rows
from runtree.serving.served_model import Output, ServedModel
from runtree.serving.settings import BatchOptions

log = logging.getLogger(__name__)

RETRY_SECONDS = 1


class OverloadedError(Exception):
    """Too many rows wait, or these have waited too long."""


@dataclass(eq=False)
class _Job:
    """The rows of one request, and who waits for them."""

    model: ServedModel
    rows: list[list[Any]]
    future: "asyncio.Future[list[Output]]"
    deadline: float
    outputs: list[Output] = field(default_factory=list)


class Batcher:
    """One thread that predicts whatever waits, as soon as it is free: under load the batches grow by themselves.

    All methods are called in the thread of the event loop.
    """

    def __init__(self, options: BatchOptions, on_batch: Callable[[int], None] = lambda rows: None) -> None:
        self._options = options
        self._on_batch = on_batch
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._open: set[_Job] = set()
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiting_rows = 0

    def start(self) -> None:
        """Start the thread; its results are delivered to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End the thread when it has predicted what waits now."""
        self._queue.put(None)

    @property
    def fault(self) -> str:
        """What is wrong with the thread; empty if it is in order."""
        busy = self._busy_since
        if self._loop is not None and not self._thread.is_alive():
            return "the thread that predicts has ended"
        if busy is not None and time.monotonic() - busy > self._options.stuck:
            return f"a batch has taken more than {self._options.stuck:g} s"
        return ""

    def submit(self, model: ServedModel, rows: list[list[Any]]) -> "asyncio.Future[list[Output]]":
        """Return the future outputs of checked rows, one each: a prediction, or ``{"error": …}``.

        Raises
        ------
        OverloadedError
            The queue is full.
        """
        if self.waiting_rows + len(rows) > self._options.queue_rows:
            raise OverloadedError(f"{self.waiting_rows:,} rows wait already")
        assert self._loop is not None
        job = _Job(model, rows, self._loop.create_future(), time.monotonic() + self._options.timeout)
        self.waiting_rows += len(rows)
        self._open.add(job)
        self._queue.put(job)
        return job.future

    def expire(self) -> None:
        """Fail the requests that have waited too long; called now and then."""
        now = time.monotonic()
        for job in [job for job in self._open if job.deadline < now]:
            self._close(job)
            if not job.future.done():
                job.future.set_exception(OverloadedError(f"no answer within {self._options.timeout:g} s"))

    def _close(self, job: _Job) -> None:
        if job in self._open:
            self._open.discard(job)
            self.waiting_rows -= len(job.rows)

    def _deliver(self, jobs: list[_Job]) -> None:
        for job in jobs:
            self._close(job)
            if not job.future.done():  # it has expired, or its client is gone
                job.future.set_result(job.outputs)

    # --- In the thread.

    def _run(self) -> None:
        assert self._loop is not None
        with few_rows():
            while True:
                jobs, is_last = self._take()
                self._busy_since = time.monotonic()
                if jobs:
                    self._predict_jobs(jobs)
                    try:
                        self._loop.call_soon_threadsafe(self._deliver, jobs)
                    except RuntimeError:  # the loop is closed, and nobody waits any more
                        return
                self._busy_since = None
                if is_last:
                    return

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a request; return it with those that wait behind it, and whether it is the end."""
        job = self._queue.get()
        jobs: list[_Job] = []
        rows = 0
        while job is not None:
            if not job.future.done():
                jobs.append(job)
                rows += len(job.rows)
            if rows >= self._options.max_rows:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs, False
        return jobs, True

    def _predict_jobs(self, jobs: list[_Job]) -> None:
        # a model that has been exchanged meanwhile answers the requests that came before
        by_model: dict[int, list[_Job]] = {}
        for job in jobs:
            by_model.setdefault(id(job.model), []).append(job)
        for own in by_model.values():
            rows = [row for job in own for row in job.rows]
            outputs: list[Output] = []
            # one request may have more rows than a batch
            for start in range(0, len(rows), self._options.max_rows):
                part = rows[start : start + self._options.max_rows]
                self._on_batch(len(part))
                outputs += predict_alone(own[0].model, part)
            ends = iter(outputs)
            for job in own:
                job.outputs = [next(ends) for _ in job.rows]


def predict_alone(model: ServedModel, rows: list[list[Any]]) -> list[Output]:
    """Return the output of each row; where the model fails, halves are tried, so that only bad rows get an error."""
    try:
        return model.predict(rows)
    except BaseException as error:  # of the model, which may be anyone's code: SystemExit must not end the thread
        if len(rows) == 1:
            log.warning("%s cannot predict a row: %s", model.reference, describe_error(error))
            return [{"error": f"the model cannot predict this row: {describe_error(error)}"}]
    half = len(rows) // 2
    return predict_alone(model, rows[:half]) + predict_alone(model, rows[half:])
