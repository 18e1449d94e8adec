"""Opening files of a tree that may be anyone's: only regular files, and only up to a size."""

import os
import stat
from pathlib import Path

MAX_JSON_BYTES = 256_000_000  # of one JSON file: the ledger of 50,000 runs has some 50 MB


class UnsafeFileError(OSError):
    """A file that is not opened: no regular file, or too large."""


def open_regular(file: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor.

    Raises
    ------
    UnsafeFileError
        It is a FIFO, a device or a folder. A FIFO would block until somebody writes to it, and a device has no end.
    """
    # O_NONBLOCK: else the open itself would wait for a writer of the FIFO. For a regular file it changes nothing
    handle = os.open(file, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnsafeFileError(f"{file} is not a regular file")
    return handle


def read_regular(file: str | os.PathLike[str], max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Read a regular file as a whole.

    Raises
    ------
    UnsafeFileError
        It is not a regular file, or larger than `max_bytes`.
    """
    with os.fdopen(open_regular(file), "rb") as content:
        size = os.fstat(content.fileno()).st_size
        if size > max_bytes:
            raise UnsafeFileError(f"{Path(file).name} has {size:,} bytes, more than {max_bytes:,}")
        return content.read(max_bytes + 1)
