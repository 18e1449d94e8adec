"""Errors of the disk and of the system's limits: each names the path, what is wrong, and what helps."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtree.contract.errors import RunFailedError, RuntreeError, first_line

REMEDIES = {
    errno.ENOSPC: "make room, or free inodes; see what is used: df -h, df -i",
    errno.EDQUOT: "make room within your quota: quota -s",
    errno.EFBIG: "allow larger files: ulimit -f unlimited",
    errno.EROFS: "mount the disk writable; after a fault of the disk the system makes it read-only",
    errno.EIO: "the disk, or the connection to it, fails: see dmesg",
    errno.ESTALE: "the connection to the file server was lost: mount it again",
    errno.ENOTCONN: "the connection to the file server was lost: mount it again",
    errno.EACCES: "see who may write there: ls -ld of the folder",
    errno.EPERM: "see who may write there: ls -ld of the folder, lsattr of the file",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "the system has too many open files: end other programs",
    errno.ENAMETOOLONG: "choose shorter names",
    errno.ENOMEM: "free memory, or use fewer slots: compute.slots=1",
}
# What lasts until a person acts, so that further runs would fail alike. Libraries wrap an error of the disk into one of
# their own, or into text alone: safetensors and PyTorch do.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_DISK_TEXTS = {os.strerror(number): number for number in DISK_ERRORS}


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Let an error of the system name a file: `os.write` and libraries know only the open descriptor."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(file)
        raise


def remedy(error: OSError) -> str:
    """Return what helps against an error of the system, "" if that is not known."""
    return REMEDIES.get(error.errno or 0, "")


def reason(error: OSError) -> str:
    """Return in words what an error of the system is; libraries put more words around it."""
    return os.strerror(error.errno) if error.errno else first_line(error)


def system_fault(error: BaseException) -> OSError | None:
    """Return the error of the disk or of a limit that an exception is, was caused by, or quotes; None if none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in REMEDIES:
            return seen
        # an error of ours says already what is wrong
        quoted = "" if isinstance(seen, RuntreeError) else str(seen)
        number = next((number for text, number in _DISK_TEXTS.items() if text in quoted), None)
        if number is not None:
            return OSError(number, os.strerror(number))
        seen = seen.__cause__
    return None


def system_error(fault: OSError, place: object, *hints: str) -> RunFailedError:
    """Return the error for the user: path, what is wrong, what helps, and `hints`.

    Parameters
    ----------
    place
        Where it happened, if the fault itself names no file.
    """
    return RunFailedError(f"{fault.filename or place}: {reason(fault)}", remedy(fault), *hints)
