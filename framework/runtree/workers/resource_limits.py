"""What the kernel holds a worker to: dying with its parent, keeping its orphans, a bound on what it asks for."""

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # prctl(2)
_LINUX = sys.platform == "linux"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 2**20


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is gone, however that ends."""
    _ask_kernel(_DIE_WITH_PARENT, SIGKILL)
    if os.getppid() != parent:  # gone before the kernel was asked
        os._exit(1)


def become_subreaper() -> None:
    """Let processes below this one become its children when their own parents are gone."""
    _ask_kernel(_ADOPT_ORPHANS, 1)


def _ask_kernel(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def prefer_oom_kill() -> None:
    """Let the kernel, should the machine run out of memory, end this process rather than one that starts workers."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


class PeakMemory:
    """The largest resident memory of this process, as whoever reaps it will read it."""

    def __init__(self) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def forget(self) -> None:
        """Count it from now on."""
        if self._file is not None:
            with suppress(OSError):
                os.write(self._file, b"5")  # proc(5)


@contextmanager
def limit_allocation(memory: int | None) -> Iterator[None]:
    """Turn a sudden huge allocation into a MemoryError; what grows bit by bit the driver sees and ends.

    The kernel counts addresses that may be written to, not pages in use, and stacks and buffers of native threads
    are such: hence a room beyond the limit. Libraries exit where they cannot have those.
    """
    if memory is None or not _LINUX:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data() + memory + 256 * _MIB + 64 * _MIB * (os.cpu_count() or 1)
    known = [value for value in (limit, soft, hard) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  a path costs as much again as the reading
        return int(file.read().split()[5]) * _PAGE
