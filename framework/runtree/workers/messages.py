"""The messages between a pool (in the driver's process), its fork server and its workers.

===========================  =====================================================================================
pool → fork server           `ORDER`: FORK (with the worker's end of a socket pair attached), TERM or KILL, and a number
fork server → pool           ("failed", error, traceback), ("exited", number, exit code, peak bytes)
pool → worker                ("run", job id, payload, memory, log), ("prune", job id), ("continue", job id)
worker → pool                ("ready", pid), ("reported", job id, step, metrics), ("returned", job id, result, leaving)
===========================  =====================================================================================

Payloads and results are pickled a second time inside a message, so that one that cannot be read fails where the job is
known. Workers are known by the number that the pool gave them: a pid can be reused as soon as a process is reaped.
"""

import pickle
import struct
from multiprocessing.connection import Connection
from typing import Any

ORDER = struct.Struct("=cq")  # fixed size: read in one recvmsg, together with the socket that FORK carries
FORK, TERM, KILL = b"f", b"t", b"k"


def send_message(connection: Connection, *message: Any) -> None:
    """Send a message that `Connection.recv` reads; `Connection.send` itself builds a slower pickler per call."""
    connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
