"""Requests to a service, at a fixed rate or over a fixed number of connections, and how long each took.

With a fixed rate (open loop) a request has an intended start, whether the service is busy or not, and its latency
begins there: a service that stops for a second has all that came in it wait. Over a fixed number of connections
(closed loop) each sends its next request when the last one is answered, as wrk does, which measures throughput.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

NO_ANSWER = 0  # instead of a status: the connection broke, or nothing came in time
TIMER_SECONDS = 0.002  # by which a timer may be late; that is no fault of the service
RECONNECT_SECONDS = 0.05
MAX_OPEN = 1024  # connections of an open loop


@dataclass(frozen=True)
class LoadPlan:
    """What is sent.

    Attributes
    ----------
    messages
        Whole requests as bytes, which are sent in turn.
    rate
        Requests a second; None: as many as `connections` get answered.
    requests
        How many at most; None: as many as there are in `seconds`.
    patience
        Seconds to wait, at the end, for answers that are missing.
    """

    host: str
    port: int
    messages: Sequence[bytes]
    seconds: float
    connections: int = 32
    rate: float | None = None
    requests: int | None = None
    tls: ssl.SSLContext | None = None
    patience: float = 10.0


@dataclass
class LoadLog:
    """For each request its start (seconds after the first), its latency in seconds, and its status or `NO_ANSWER`."""

    starts: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, start: float, latency: float, status: int) -> None:
        """Add a request."""
        self.starts.append(start)
        self.latencies.append(latency)
        self.statuses.append(status)


def send_load(plan: LoadPlan) -> LoadLog:
    """Send all requests of a plan, and return how they were answered."""
    return asyncio.run(_Load(plan).run())


class _Connection(asyncio.Protocol):
    """A connection with at most one request in flight."""

    def __init__(self, load: "_Load") -> None:
        from httptools import HttpResponseParser

        self.load, self.parser, self.transport = load, HttpResponseParser(self), asyncio.Transport()
        self.start: float | None = None  # of the request in flight, by the clock of the loop

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.take(self)

    def send(self, message: bytes, start: float) -> None:
        """Send a request that was to start at a moment."""
        self.start = start
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        from httptools import HttpParserError

        try:
            self.parser.feed_data(data)
        except HttpParserError:
            self.transport.abort()  # what follows is no answer: `connection_lost` counts it

    def on_message_complete(self) -> None:
        self._end(self.parser.get_status_code())
        if self.parser.should_keep_alive():
            self.load.take(self)
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(NO_ANSWER)
        self.load.lose(self)

    def _end(self, status: int) -> None:
        if self.start is not None:
            self.load.note(self.start, status)
            self.start = None


class _Load:
    """One run over a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan, self.log = plan, LoadLog()
        self.messages = cycle(plan.messages)
        self.open: set[_Connection] = set()
        self.opening = self.sent = 0
        self.idle: list[_Connection] = []
        self.waiting: deque[float] = deque()  # starts of requests that no connection was free for
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_over = False

    async def run(self) -> LoadLog:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.end = self.began + self.plan.seconds
        if self.plan.rate is None:
            for _ in range(self.plan.connections):
                self._connect()
            while self.loop.time() < self.end and not self._all_sent():
                await asyncio.sleep(min(0.01, self.plan.seconds / 10))
            # of a closed loop, requests in flight belong to no second of it
            await self._settle(0.0 if self.plan.requests is None else self.plan.patience)
        else:
            await self._keep_rate(self.plan.rate)
            await self._settle(self.plan.patience)
        self.is_over = True
        self.log.seconds = min(self.loop.time(), self.end) - self.began
        if self.plan.rate is not None or self.plan.requests is not None:
            self._count_unanswered()
        for one in list(self.open):
            one.start = None
            one.transport.abort()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.log

    async def _keep_rate(self, rate: float) -> None:
        whole = round(rate * self.plan.seconds)
        for _ in range(min(MAX_OPEN, self.plan.connections)):
            self._connect()
        number, count = 0, whole if self.plan.requests is None else min(whole, self.plan.requests)
        while number < count:
            now = self.loop.time()
            while number < count and (due := self.began + number / rate) <= now:
                # as intended, but for the timer's own delay
                self.waiting.append(now if now - due < TIMER_SECONDS else due)
                number += 1
            self._dispatch()
            await asyncio.sleep(max(0.0, self.began + number / rate - self.loop.time()))
        await asyncio.sleep(max(0.0, self.end - self.loop.time()) if self.plan.requests is None else 0)

    def _dispatch(self) -> None:
        while self.waiting and self.idle:
            self._send(self.idle.pop(), self.waiting.popleft())
        # a service that is slow gets more connections, as it would from many clients
        missing = min(len(self.waiting), MAX_OPEN - len(self.open)) - self.opening
        for _ in range(max(0, missing)):
            self._connect()

    def _send(self, connection: _Connection, start: float) -> None:
        self.sent += 1
        connection.send(next(self.messages), start)

    def take(self, connection: _Connection) -> None:
        """Give a free connection its next request."""
        self.open.add(connection)
        if self.plan.rate is not None:
            self.idle.append(connection)
            self._dispatch()
        elif not self._all_sent() and self.loop.time() < self.end:
            self._send(connection, self.loop.time())

    def lose(self, connection: _Connection) -> None:
        """Replace a connection that broke."""
        self.open.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if not self.is_over and self.loop.time() < self.end:
            self._connect(RECONNECT_SECONDS)

    def note(self, start: float, status: int) -> None:
        """Keep how a request ended; of a closed loop only within its seconds."""
        now = self.loop.time()
        if not self.is_over and (now <= self.end or self.plan.rate is not None or self.plan.requests is not None):
            self.log.add(start - self.began, now - start, status)

    def _all_sent(self) -> bool:
        return self.plan.requests is not None and self.sent >= self.plan.requests

    def _connect(self, delay: float = 0.0) -> None:
        self.opening += 1
        task = asyncio.ensure_future(self._open_one(delay))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _open_one(self, delay: float) -> None:
        start = self.loop.time()
        try:
            await asyncio.sleep(delay)
            plan = self.plan
            name = plan.host if plan.tls else None
            await self.loop.create_connection(
                lambda: _Connection(self), plan.host, plan.port, ssl=plan.tls, server_hostname=name
            )
        except OSError:
            self.opening -= 1
            if self.plan.rate is None:  # of an open loop it is the requests that wait which count
                self.note(start, NO_ANSWER)
            if not self.is_over and self.loop.time() < self.end:
                self._connect(RECONNECT_SECONDS)
        else:
            self.opening -= 1

    async def _settle(self, patience: float) -> None:
        limit = self.loop.time() + patience
        while self.loop.time() < limit and (self.waiting or any(one.start is not None for one in self.open)):
            await asyncio.sleep(0.005)

    def _count_unanswered(self) -> None:
        now = self.loop.time()
        starts = [*self.waiting, *(one.start for one in self.open if one.start is not None)]
        for start in starts:
            self.log.add(start - self.began, now - start, NO_ANSWER)
