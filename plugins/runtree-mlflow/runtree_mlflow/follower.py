"""Starting and ending the process that follows a run or a sweep.

MLflow takes seconds to import and milliseconds per call, and a server may hang. So the training process never calls it:
the follower reads the output tree, as `runtree mlflow push` does, which can send later what the follower could not.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from select import select

from runtree_mlflow.settings import Settings

END = b"end\n"  # end of file without it means that the training process died


class Follower:
    """Follows a folder at low priority, and continues if this process dies."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        environment = settings.environment()
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runtree_mlflow.follow", str(folder.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C of the run must not reach it
        )

    def finish(self, patience: float) -> str | None:
        """Announce that all is on disk, wait at most `patience` seconds, and return the error if there was one."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(END)
            process.stdin.close()
            ready = select([process.stdout], [], [], patience)[0]
            answer = process.stdout.readline() if ready else None
        except BrokenPipeError:
            answer = b""
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie
        process.stdout.close()
        if answer is None:
            return "not all is sent yet; sending continues in the background"
        try:
            return json.loads(answer)["trouble"]  # type: ignore[no-any-return]
        except ValueError:
            return "the sending process died"
