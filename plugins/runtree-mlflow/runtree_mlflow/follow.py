"""``python -m runtree_mlflow.follow FOLDER``: send what is written there until the run or sweep ends."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from select import select

from runtree_mlflow.settings import read_settings, redact

POLL_SECONDS = 1.0
MAX_POLL_SECONDS = 30.0  # after failures


def main(folder: Path) -> None:
    """Follow a run or a sweep, and print the error, or null, as one line of JSON."""
    os.nice(10)
    output = os.dup(1)
    os.dup2(2, 1)  # the output of MLflow must not mix with ours
    trouble = follow(folder)
    with suppress(OSError):  # the other process no longer waits
        os.write(output, json.dumps({"trouble": trouble}).encode() + b"\n")
    os._exit(0)  # without waiting for threads of MLflow


def follow(folder: Path) -> str | None:
    """Send until the other process announces the end or dies; return the error of the last attempt."""
    over, pause, sender = False, POLL_SECONDS, None
    while True:
        begun = time.monotonic()
        try:
            sender = sender or open_sender(folder)
            sender.send()
            trouble, pause = None, POLL_SECONDS
        except Exception as error:  # of MLflow, server or network: the output tree is complete, and push can send it
            trouble, pause = redact(f"{type(error).__name__}: {error}"), min(2 * pause, MAX_POLL_SECONDS)
        if over:
            return trouble
        over = bool(select([sys.stdin], [], [], max(0.0, pause - (time.monotonic() - begun)))[0])


def open_sender(folder: Path):  # type: ignore[no-untyped-def]
    """Return the sender of a run or a sweep."""
    from runtree_mlflow.push import open_sender
    from runtree_mlflow.store import Store

    return open_sender(folder, Store(read_settings(os.environ)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
