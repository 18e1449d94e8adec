"""Kernel locks on files: the kernel releases one when its process ends, however it ends.

A file with a process id would stay behind after a kill, and the id may by then be that of another process. A file
system without locks (NFS mounted with ``nolock``, Lustre without ``flock``, some of FUSE) is refused where a lock is
taken, and where one is only looked at nothing is said to be held.
"""

import errno
import fcntl
import logging
import os
import time
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from threading import get_ident

from runtree.contract.errors import RequestError
from runtree.contract.files import create_file, open_regular

log = logging.getLogger(__name__)

# EOPNOTSUPP is another name of ENOTSUP on Linux, and another number elsewhere
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
# `is_locked` takes the lock for an instant only to see whether that is possible: so a few attempts, 0.2 s in all
PAUSES = (0.001, 0.01, 0.05, 0.14)


def acquire_lock(handle: int, file: Path, wait: bool = False, seconds: float = 0.0) -> None:
    """Lock an open file exclusively; with `wait` as soon as nobody else holds it, with `seconds` within so many.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    RequestError
        The file system has no locks, or refuses this one.
    """
    # flock and not lockf: POSIX locks belong to the process, which loses them when it closes any other handle of the
    # file
    try:
        if wait:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return
        deadline = time.monotonic() + seconds
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(pause)
                if pause == PAUSES[-1] and time.monotonic() >= deadline:
                    break
            else:
                return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise lock_error(file.parent, error) from None


def is_locked(handle: int, file: Path) -> bool:
    """Return whether a living process holds a file, opened for reading; False with a warning if that cannot be seen."""
    try:
        # shared, which needs no permission to write and lets others look at the same time
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        _warn_once(str(file.parent.parent), str(error.strerror))
    return False


@cache
def _warn_once(folder: str, reason: str) -> None:
    log.warning("%s: whether a process works here cannot be seen: no lock can be taken (%s)", folder, reason)


def check_locks(folder: Path) -> None:
    """Refuse a folder whose file system has no locks, before anything is made in it.

    Raises
    ------
    RequestError
        It has none.
    OSError
        The folder cannot be written to.
    """
    # named like the temporary files of writers, which are removed if a kill leaves one behind
    file = folder / f".locks.{os.getpid()}-{get_ident()}.part"  # processes and threads may look at once
    handle = create_file(file)
    try:
        acquire_lock(handle, file)
    finally:
        os.close(handle)
        file.unlink(missing_ok=True)


def open_lock(file: Path) -> int | None:
    """Open a lock file to look at it; None if there is none, so that it was never held, or if it cannot be opened."""
    try:
        # without O_CREAT: looking at a run must not leave a file in it
        return open_regular(file)
    except OSError:
        return None


def lock_error(folder: Path, error: OSError) -> RequestError:
    """Return the error for a folder in which no lock can be taken."""
    if error.errno in NO_LOCKS:
        return RequestError(
            f"outputs: {folder} is on a file system without locks ({error.strerror})",
            "two processes could write the same run without noticing each other",
            "choose a folder on another disk: outputs=/path/to/folder",
            "or mount it with locks (NFS: not with nolock; Lustre: with flock)",
        )
    return RequestError(
        f"outputs: {folder} cannot be locked ({error.strerror})", "choose another folder: outputs=/path/to/folder"
    )
