"""The parent of a command: ends it, and all that it has started, when the process that asked for it ends.

Run as a script, with nothing but the standard library: ``python -I command_guard.py GRACE FOLDER WORD …``. Its standard
input is a pipe that the asking process holds open; that it closes, also because that process was killed, ends the
command. If nothing was written to it before, that process was killed, and nobody else removes the folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time


def main(grace: float, folder: str, words: list[str]) -> None:
    """Run a command in a session of its own and end as it ends."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
    killed = threading.Event()
    threading.Thread(target=_end_with_the_asker, args=(child, grace, killed), daemon=True).start()
    code = child.wait()
    _signal(child, signal.SIGKILL)  # what it has left behind
    if killed.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def _end_with_the_asker(child: "subprocess.Popen[bytes]", grace: float, killed: threading.Event) -> None:
    if not sys.stdin.buffer.read():
        killed.set()
    _signal(child, signal.SIGTERM)
    end = time.monotonic() + grace
    while child.returncode is None and time.monotonic() < end:
        time.sleep(0.05)
    _signal(child, signal.SIGKILL)


def _signal(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
