"""The driver's end of a nursery: starts it, gives it orders, ends it."""

import os
import pickle
import socket
import struct
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from runtree.sweeps.nursery import ORDER

_CODE = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from runtree.sweeps.nursery import main; main(int(sys.argv[1]))"
)
_STALLED = struct.pack("@ll", 10, 0)  # a timeval: seconds, microseconds
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class NurseryLink:
    """A guard and a nursery that are starting or have started; they end with this object or the program.

    It is a program of its own, not a fork of this one nor one of multiprocessing's: `__main__` is not imported
    again, and scripts from standard input, notebooks and threads of the driver do not matter.
    """

    def __init__(self, setup: str, argument: bytes, sync: bool, threads: int | None) -> None:
        self.ready = False
        self._orders, theirs = socket.socketpair()
        self.link = Connection(os.dup(self._orders.fileno()))
        # a file, for a pipe would have to be read before this returns if it held much
        with theirs, tempfile.TemporaryFile() as task:
            pickle.dump(sys.path, task)
            pickle.dump((setup, argument, sync), task)
            task.seek(0)
            self.process = subprocess.Popen(
                [*_interpreter(), "-c", _CODE, str(theirs.fileno())],
                stdin=task,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=_environment(threads),
            )
        self.end = weakref.finalize(self, _end, os.getpid(), self.process, self._orders, self.link)

    def fork(self, worker: int) -> tuple[Connection, socket.socket]:
        """Order a worker; return the connection to it, and its own end, to be kept open until it has spoken."""
        ours, theirs = socket.socketpair()
        # a message that stops half-way, as its writer was stopped, must not stop the driver
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, _STALLED)
        self._order(b"f", worker, theirs)
        return Connection(ours.detach()), theirs

    def interrupt(self, worker: int) -> None:
        """Order SIGTERM for a worker."""
        self._order(b"t", worker)

    def kill(self, worker: int) -> None:
        """Order the end of a worker and of all below it, at once."""
        self._order(b"k", worker)

    def _order(self, what: bytes, worker: int, *files: socket.socket) -> None:
        with suppress(OSError):  # it is gone, which the driver reads from `link`
            socket.send_fds(self._orders, [ORDER.pack(what, worker)], [file.fileno() for file in files])


def _interpreter() -> list[str]:
    """Return how to start this Python as it was started; -P: no file of the current folder hides a module."""
    flags: list[Any] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    return [sys.executable, *flags, *([] if "-P" in flags else ["-P"])]


def _environment(threads: int | None) -> dict[str, str]:
    """Return the environment of the workers: native libraries read theirs when they are imported."""
    counts = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **counts}


def _end(owner: int, process: "subprocess.Popen[bytes]", orders: socket.socket, link: Connection) -> None:
    """Close the link, upon which the guard kills all and ends; wait for that."""
    orders.close()
    link.close()
    if os.getpid() != owner:  # a fork of the driver
        return
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
