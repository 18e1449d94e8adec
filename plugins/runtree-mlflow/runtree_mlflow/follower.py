"""The process that follows a run or a sweep: how it is begun, and how it is told that there is no more to come.

MLflow takes seconds to load and milliseconds a call, and a server may hang. So whoever trains never speaks to it: the
follower reads the tree, as `runtree mlflow push` does, and what it does not manage can be sent by that later.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from select import select

from runtree_mlflow.settings import Settings

END = b"end\n"  # what it is told; that its standard input ends says that whoever worked in the folder has died


class Follower:
    """Follows what happens in a folder, at low priority, and goes on should this process die."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        environment = settings.environment()
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runtree_mlflow.follow", str(folder.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # no Ctrl-C that is meant for the run reaches it
        )

    def finish(self, patience: float) -> str | None:
        """Say that all is on disk, wait so many seconds at most, and return what went wrong."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(END)
            process.stdin.close()
            ready = select([process.stdout], [], [], patience)[0]
            answer = process.stdout.readline() if ready else None
        except BrokenPipeError:
            answer = b""
        threading.Thread(target=process.wait, daemon=True).start()  # it ends when it is done, and leaves no zombie
        process.stdout.close()
        if answer is None:
            return "not all is sent yet, that goes on in the background"
        try:
            return json.loads(answer)["trouble"]  # type: ignore[no-any-return]
        except ValueError:
            return "the process that sends has died"
