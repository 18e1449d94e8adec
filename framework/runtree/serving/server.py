"""The processes of a service: one, or several behind one port; what ends them, and in what order."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from runtree.contract.errors import RequestError
from runtree.serving.telemetry import FOLDER_VARIABLE

log = logging.getLogger(__name__)

BACKLOG = 2048
MAX_HEAD_BYTES = 65_536  # of the line and the headers of a request
FAULT_EXIT = 1


@dataclass(frozen=True)
class Place:
    """Where a service listens, and with how many processes.

    Attributes
    ----------
    ssl
        Arguments of uvicorn, such as `ssl_certfile`; empty for plain HTTP.
    """

    host: str
    port: int
    workers: int = 1
    drain: float = 30.0
    ssl: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """The address of the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.ssl else 'http'}://{host}:{self.port}"


class PatientProtocol(HttpToolsProtocol):
    """HTTP with a limit on the time in which a request must have come: who drips bytes holds no connection.

    Its line and headers have a limit, too: the parser keeps them all.
    """

    seconds = 30.0
    _timer: asyncio.TimerHandle | None = None
    _head: int | None = None  # bytes of a line and headers that have not ended yet

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def on_message_begin(self) -> None:
        self._begin()
        self._head = 0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._end()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._end()
        self._timer = self.loop.call_later(self.seconds, self._refuse, b"408 Request Timeout")

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


def listen(place: Place) -> tuple[socket.socket, Place]:
    """Return the open socket of a service, and its place with the port that it got.

    Raises
    ------
    RequestError
        The port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((place.host, place.port))
        found.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or error
        raise RequestError(f"--host {place.host} --port {place.port}: {why}", "choose another: --port 8001") from None
    return found, Place(**{**vars(place), "port": found.getsockname()[1]})


def run_service(make: Callable[[], Any], place: Place, listener: socket.socket) -> int:
    """Serve until a signal comes, and return the exit code: 0 after SIGTERM, 1 if the service gave up.

    Parameters
    ----------
    make
        Makes the ASGI application; where there are several processes, it must be what pickle can carry.
    """
    config = uvicorn.Config(
        make,
        factory=True,
        http=PatientProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a client could choose the address by which its rate is limited
        workers=place.workers,
        timeout_graceful_shutdown=max(1, round(place.drain)),
        timeout_worker_healthcheck=30,
        **dict(place.ssl),  # type: ignore[arg-type]
    )
    if place.workers == 1:
        return run_one(config, listener)
    folder = Path(tempfile.mkdtemp(prefix="runtree-metrics-"))
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        supervisor = _Supervisor(config, sockets=[listener])
        supervisor.run()
        # a worker that could not start ends the service; one that ended later was replaced
        failed = any(process.exitcode == uvicorn.config.STARTUP_FAILURE for process in supervisor.processes)
        return FAULT_EXIT if failed else 0
    finally:
        os.environ.pop(FOLDER_VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)


class _Supervisor(Multiprocess):
    """Processes that are replaced when they end, which is said."""

    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if old is not new:
                log.warning("process %s ended (%s), and %s takes its place", old.pid, old.exitcode, new.pid)


def run_one(config: uvicorn.Config, listener: socket.socket) -> int:
    """Serve in this process."""
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once all is done, which must not end the process by it
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return 130
    except SystemExit:  # uvicorn's, after an error that it has logged
        return FAULT_EXIT
    app: Any = config.loaded_app
    return FAULT_EXIT if not server.started or app.service.fault else 0
