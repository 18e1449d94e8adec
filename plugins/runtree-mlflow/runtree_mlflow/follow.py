"""``python -m runtree_mlflow.follow FOLDER``: send what happens there until nothing more can happen."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from select import select

from runtree_mlflow.settings import asked, harmless

EVERY = 1.0  # seconds between two looks
LONGEST = 30.0  # seconds, after failures


def main(folder: Path) -> None:
    """Follow a run or a sweep, and say in one line of JSON how it went."""
    os.nice(10)
    answer = os.dup(1)
    os.dup2(2, 1)  # what MLflow prints is no answer
    trouble = follow(folder)
    with suppress(OSError):  # nobody waits any more
        os.write(answer, json.dumps({"trouble": trouble}).encode() + b"\n")
    os._exit(0)  # whatever threads MLflow has


def follow(folder: Path) -> str | None:
    """Send until the other side says that this was all, or is gone; return what went wrong the last time."""
    over, pause, sender = False, EVERY, None
    while True:
        begun = time.monotonic()
        try:
            sender = sender or open_sender(folder)
            sender.send()
            trouble, pause = None, EVERY
        except Exception as error:  # MLflow, its server, the network, a proxy: whatever it is, the tree has it all
            trouble, pause = harmless(f"{type(error).__name__}: {error}"), min(2 * pause, LONGEST)
        if over:
            return trouble
        over = bool(select([sys.stdin], [], [], max(0.0, pause - (time.monotonic() - begun)))[0])


def open_sender(folder: Path):  # type: ignore[no-untyped-def]
    """Return who sends a run or a sweep."""
    from runtree_mlflow.push import open_sender
    from runtree_mlflow.store import Store

    return open_sender(folder, Store(asked(os.environ)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
