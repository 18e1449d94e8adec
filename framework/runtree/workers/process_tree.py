"""The processes below a process: which they are, how much memory they hold, and how they end.

Linux hands an orphan to the next process above it that asked for that (`limits.adopt_orphans`): nobody escapes by
leaving the group, the session or the parent. Elsewhere those that are found at the moment of the killing are ended.
"""

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

_LISTED = Path("/proc/thread-self/children").exists()
_PAGE = os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """Return the children of a process, those that have ended but were not reaped included."""
    if not _LISTED:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    found: list[int] = []
    with suppress(OSError):  # it ends while one looks
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  a path for each costs more than the reading
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below a process, parents before their children."""
    found = children(pid)
    for child in found:  # the list grows while it is walked
        found += children(child)
    return found


def kill_descendants(spare: Collection[int] = (), seconds: float = 5.0) -> None:
    """Kill and reap whatever is below this process but `spare` and what is below that, until nothing is left.

    A process that the kernel cannot end now (it waits for a dead disk) is given up after `seconds`.
    """
    here, end = os.getpid(), time.monotonic() + seconds
    groups = {os.getpgid(0), *spare}
    while (found := set(children(here)) - set(spare)) and time.monotonic() < end:
        for child in found:
            for pid in (child, *descendants(child)):
                _end(pid, groups)
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        time.sleep(0.0005)


def _end(pid: int, groups: Collection[int]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        if group not in groups:
            os.killpg(group, signal.SIGKILL)  # the kernel ends a group at once: a fork bomb cannot outrun it
        os.kill(pid, signal.SIGKILL)


def kill_tree(leader: int) -> None:
    """Kill a worker that leads a group, its group and whatever is below it now."""
    for pid in (*descendants(leader), leader):
        _end(pid, {os.getpgid(0)})


def resident_bytes(pid: int, limit: int | None = None) -> int:
    """Return the bytes of resident memory that a process and all below it hold.

    Pages that several of them share are counted once where the plain sum is beyond `limit`: that look is slow.
    """
    family = [pid, *descendants(pid)]
    total = sum(map(_resident, family))
    if limit is None or total <= limit or len(family) == 1:
        return total
    return _resident(pid) + sum(map(_share, family[1:]))


def _resident(pid: int) -> int:
    if _LISTED:
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE
        return 0
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _share(pid: int) -> int:
    with suppress(psutil.Error):
        full = psutil.Process(pid).memory_full_info()
        return int(getattr(full, "pss", full.uss))
    return 0
