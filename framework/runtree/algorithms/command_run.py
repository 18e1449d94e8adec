"""One run of a command: its output line by line, a file that it appends to, its end."""

import contextlib
import logging
import os
import selectors
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from runtree.contract.errors import ConfigError, RunFailedError

log = logging.getLogger(__name__)

GUARD = Path(__file__).with_name("command_guard.py")
POLL = 0.2  # seconds between two looks at the file of metrics
MAX_LINE = 65_536  # bytes of a line that is looked at
MAX_LOGGED = 1_000_000  # characters of the output in the log of the run
MAX_TEXT = 500  # characters of a failure in a message
KEPT = 20  # lines


class Ended(Exception):
    """The stop criteria are met: the command is to end."""


def run_command(
    where: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    file: "tuple[Path, Callable[[str], None]] | None",
    on_end: Callable[[], None],
    folder: Path,
    grace: float,
    subject: str = "",
) -> None:
    """Run a command to its end, or until one of the callbacks raises; then it gets SIGTERM, and after a grace SIGKILL.

    Parameters
    ----------
    where
        Its config path, for messages.
    on_line, on_end
        Called with each line of its output, and once all are read.
    file
        A file of lines that it may append to, and what is called with each.
    folder
        The folder of the contract. In ``output/failure`` it may say why it failed. If this process is killed, it is
        removed with the command.
    subject
        What it is called in messages, if not by its first word.

    Raises
    ------
    ConfigError
        There is no such command.
    RunFailedError
        It failed. If `on_line` or `on_end` raises `Ended`, how it ends does not matter.
    """
    if shutil.which(words[0], path=environment.get("PATH")) is None:
        parted = ",".join(words[0].split())
        hint = (
            f"type its words with commas: '{where}=[{parted}]'" if " " in words[0] else "give its path, or install it"
        )
        raise ConfigError(f"{where}: there is no command '{words[0]}' here", hint)
    guarded = [sys.executable, "-I", "-S", str(GUARD), str(grace), str(folder), *words]
    process = subprocess.Popen(
        guarded, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(environment)
    )
    tail: deque[str] = deque(maxlen=KEPT)
    logged = 0
    lines = _AppendedLines(file[0]) if file else None
    try:
        for line in _output(process):
            if line:
                tail.append(line)
                logged += len(line)
                if logged <= MAX_LOGGED:
                    log.info("%s", line)
                elif logged - len(line) <= MAX_LOGGED:
                    log.info("… the rest of the output is left out")
                on_line(line)
            if lines and file:
                for text in lines.read():
                    file[1](text)
        if lines and file:
            for text in lines.read(last=True):
                file[1](text)
        on_end()
    except Ended:
        _end(process)
        return
    except BaseException:
        _end(process)
        raise
    _end(process)
    if process.returncode:
        if not log.isEnabledFor(logging.INFO):  # a run of a sweep logs less
            log.error("the end of its output:\n%s", "\n".join(tail))
        raise _failed(where, subject or Path(words[0]).name, process.returncode, folder / "output" / "failure", tail)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let the guard end what still runs, and wait for it."""
    with contextlib.suppress(OSError):
        process.stdin.write(b"!")  # type: ignore[union-attr]  # that it closes is meant, and the folder is still read
    with contextlib.suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]
    with contextlib.suppress(OSError):
        # what it says while it ends would fill the pipe, and nobody reads it
        process.stdout.close()  # type: ignore[union-attr]
    process.wait()


def _output(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield lines of a process' output, and an empty text at least every `POLL` seconds, until it has ended."""
    pipe = process.stdout
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ready = selector.select(POLL)
            content = pipe.read1(MAX_LINE) if ready else None  # type: ignore[attr-defined]
            if content == b"" or (not ready and process.poll() is not None):
                break
            # progress bars end their lines by a return
            *complete, rest = (rest + (content or b"")).replace(b"\r", b"\n").split(b"\n")
            yield from (part.decode(errors="replace").rstrip()[:MAX_LINE] for part in complete)
            rest = rest[-MAX_LINE:]
            yield ""
    yield rest.decode(errors="replace").rstrip()


class _AppendedLines:
    """The complete lines that are appended to a file, from look to look."""

    def __init__(self, file: Path) -> None:
        self._file, self._position, self._rest = file, 0, b""

    def read(self, *, last: bool = False) -> list[str]:
        try:
            with self._file.open("rb") as content:
                content.seek(self._position)
                new = content.read()
        except FileNotFoundError:
            return []
        self._position += len(new)
        *complete, self._rest = (self._rest + new).split(b"\n")
        if last:
            complete.append(self._rest)
        return [line.decode(errors="replace") for line in complete if line.strip()]


def _failed(where: str, subject: str, code: int, failure: Path, tail: Sequence[str]) -> RunFailedError:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    try:
        said = failure.read_text(errors="replace")[:MAX_TEXT]
    except OSError:
        said = ""
    said = said.strip() or next((line for line in reversed(tail) if line.strip()), "")
    reason = f": {' '.join(said.split())[:MAX_TEXT]}" if said else ", and said nothing"
    return RunFailedError(f"{where}: '{subject}' {how}{reason}", "its output is in the log of the run")
