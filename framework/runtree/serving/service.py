"""The service: rows in, predictions out. It knows no HTTP; who speaks it is assembled by `make_app`."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from runtree.serving.batcher import Batcher, OverloadedError
from runtree.serving.row_schema import RowError
from runtree.serving.served_model import Output, ServedModel
from runtree.serving.settings import ServeSettings
from runtree.serving.telemetry import Telemetry
from runtree.serving.traffic import SHADOW, Target, Traffic

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5


@dataclass(frozen=True)
class ServedAnswer:
    """What became of the rows of a request: for each a prediction, or an error; in their order.

    Attributes
    ----------
    route
        Who answered: primary, canary or shadow.
    """

    request_id: str
    model: ServedModel
    route: str
    records: Sequence[Any]
    outputs: Sequence[Output]
    seconds: float

    @property
    def failed(self) -> int:
        """The number of rows without a prediction."""
        return sum("error" in output for output in self.outputs)


@dataclass
class Service:
    """A running service.

    Attributes
    ----------
    listeners
        Called with each answer, also those of shadows; they must neither block nor raise.
    closers
        Called when the last request is answered, such as what flushes a log.
    swap_listeners
        Called when a model was exchanged (True), or could not be; they must neither block nor raise.
    parent
        The process without which it ends; None for none.
    fault
        Why it is not ready for good and ends; empty while it is in order.
    """

    settings: ServeSettings
    traffic: Traffic
    telemetry: Telemetry = field(default_factory=Telemetry)
    listeners: list[Callable[[ServedAnswer], None]] = field(default_factory=list)
    closers: list[Callable[[], None]] = field(default_factory=list)
    swap_listeners: list[Callable[[Target, bool], None]] = field(default_factory=list)
    on_fault: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM)
    parent: int | None = None
    fault: str = ""
    is_draining: bool = False

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.settings.batch, self.telemetry.batch_rows.observe)
        self.traffic.on_swap = self._count_swap
        self._tasks: list[asyncio.Task[None]] = []
        self._shadows: set[asyncio.Task[None]] = set()

    @property
    def model(self) -> ServedModel:
        """The model that answers what no canary does."""
        return self.traffic.primary.model

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return bool(self._tasks) and not self.is_draining and not self.fault

    async def start(self) -> None:
        """Start the thread that predicts, its watchdog, and the look at aliases."""
        self.batcher.start()
        self._tasks.append(asyncio.create_task(self._watch()))
        if self.settings.reload:
            self._tasks.append(asyncio.create_task(self.traffic.follow(float(self.settings.reload))))
        self.telemetry.ready.set(1)

    def drain(self) -> None:
        """Be not ready any more; requests that come are answered all the same."""
        self.is_draining = True
        self.telemetry.ready.set(0)

    async def stop(self) -> None:
        """End the tasks and flush the logs; requests have been answered by now."""
        self.drain()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._shadows:
            await asyncio.wait(self._shadows, timeout=float(self.settings.drain))
        self.batcher.stop()
        for close in self.closers:
            await asyncio.to_thread(close)
        self.telemetry.close()

    async def answer(self, records: Sequence[Any], request_id: str, is_pinned: bool = False) -> ServedAnswer:
        """Return the predictions of records; one that does not fit fails alone. If it is pinned, no canary answers.

        Raises
        ------
        OverloadedError
            Too many rows wait, or these have waited too long.
        """
        target = self.traffic.primary if is_pinned else self.traffic.choose(request_id)
        answer = await self._predict(target.model, target.kind, records, request_id)
        for shadow in self.traffic.shadows:
            task = asyncio.create_task(self._ask_shadow(shadow, records, request_id))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return answer

    async def _predict(self, model: ServedModel, route: str, records: Sequence[Any], request_id: str) -> ServedAnswer:
        began = time.perf_counter()
        outputs: list[Output] = []
        checked, places = [], []
        records = [model.protect(record) for record in records] if model.predictor.protection else list(records)
        for place, record in enumerate(records):
            try:
                unfolded = model.schema.unfold(record)
                if unfolded is not record:  # its fields may be sensitive
                    record = records[place] = model.protect(unfolded)
                row = model.schema.check(record)
            except RowError as error:
                more = {"more": list(error.hints)} if error.hints else {}
                outputs.append({"error": error.message, **more})
                continue
            outputs.append({"warnings": list(row.warnings)} if row.warnings else {})
            checked.append(row.values)
            places.append(place)
        if checked:
            for place, output in zip(places, await self.batcher.submit(model, checked), strict=True):
                outputs[place] = {**output, **outputs[place]}
        answer = ServedAnswer(request_id, model, route, records, outputs, time.perf_counter() - began)
        failed = answer.failed
        for outcome, count in (("predicted", len(outputs) - failed), ("failed", failed)):
            if count:
                self.telemetry.rows.labels(model.name, model.version, route, outcome).inc(count)
        for listener in self.listeners:
            listener(answer)
        return answer

    async def _ask_shadow(self, target: Target, records: Sequence[Any], request_id: str) -> None:
        try:
            await self._predict(target.model, SHADOW, records, request_id)
        except OverloadedError:  # nobody waits for a shadow, and requests go first
            self.telemetry.rows.labels(target.model.name, target.model.version, SHADOW, "dropped").inc(len(records))

    async def _watch(self) -> None:
        """Fail what has waited too long, and give up when the thread that predicts is dead or stuck."""
        while not self.fault:
            await asyncio.sleep(WATCH_SECONDS)
            self.batcher.expire()
            self.telemetry.waiting.set(self.batcher.waiting_rows)
            self.fault = self.batcher.fault
            if self.parent is not None and os.getppid() != self.parent:
                self.fault = "the process that started it is gone"
        self.telemetry.ready.set(0)
        log.error("the service ends: %s", self.fault)
        self.on_fault()

    def _count_swap(self, target: Target, succeeded: bool) -> None:
        self.telemetry.swaps.labels(target.reference, "done" if succeeded else "failed").inc()
        for listener in self.swap_listeners:
            listener(target, succeeded)
