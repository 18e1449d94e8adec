"""What the kernel does for a worker: kill it with its parent, hand it its orphans, bound its allocations."""

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
_LINUX = sys.platform == "linux"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MIB = 2**20


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent has exited for any reason."""
    _prctl(_PR_SET_PDEATHSIG, SIGKILL)
    # The parent may have died before the call above, which then waits for the death of the wrong process
    if os.getppid() != parent:
        os._exit(1)


def become_subreaper() -> None:
    """Let processes below this one become its children when their own parents die: none can escape by orphaning."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def prefer_oom_kill() -> None:
    """Let the kernel, if the machine runs out of memory, kill this process before the driver or the fork server."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


class PeakMemory:
    """Resets the peak of resident memory (`ru_maxrss`) that the process which reaps this one will read."""

    def __init__(self) -> None:
        self._clear_refs: int | None = None
        with suppress(OSError):
            self._clear_refs = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def reset(self) -> None:
        if self._clear_refs is not None:
            with suppress(OSError):
                os.write(self._clear_refs, b"5")  # proc(5): "reset the peak resident set size"


@contextmanager
def limit_allocation(memory: int | None) -> Iterator[None]:
    """Turn a sudden huge allocation into a MemoryError; memory that grows gradually is the driver's to watch.

    `RLIMIT_DATA` counts writable address space, not resident pages. Stacks and buffers of native threads are such space
    without ever being touched, so the limit leaves room for them: BLAS exits the process where it cannot have those.
    """
    if memory is None or not _LINUX:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + memory + 256 * _MIB + 64 * _MIB * (os.cpu_count() or 1)
    finite = [value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(finite), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  a Path costs as much again as the read
        return int(file.read().split()[5]) * _PAGE_BYTES
