"""The processes below a process: list them, measure their memory, kill them.

On Linux an orphan becomes a child of the next subreaper above it (`resource_limits.become_subreaper`), so no process
escapes by leaving its group, session or parent. Elsewhere only those found at the moment of the kill are ended.
"""

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

# /proc is read by hand: psutil opens several files per process, and the limits are checked ten times a second
_HAS_CHILDREN_FILE = Path("/proc/thread-self/children").exists()
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RETRY_SECONDS = 0.0005


def children(pid: int) -> list[int]:
    """Return the children of a process, zombies included."""
    if not _HAS_CHILDREN_FILE:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    pids: list[int] = []
    with suppress(OSError):  # the process ends while it is read
        # the kernel lists children by the thread that forked them
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  a Path for each costs more than the read
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                pids += map(int, file.read().split())
    return pids


def descendants(pid: int) -> list[int]:
    """Return all processes below a process, parents before their children."""
    pids = children(pid)
    for child in pids:  # the list grows while it is iterated
        pids += children(child)
    return pids


def kill_descendants(spare: Collection[int] = (), seconds: float = 5.0) -> None:
    """Kill and reap all processes below this one, except the children in `spare` and all below those.

    Repeats until none is left, because a process may fork between the listing and the kill. One that the kernel cannot
    end now (uninterruptible, as on a dead network disk) is left after `seconds`.
    """
    here, deadline = os.getpid(), time.monotonic() + seconds
    spared_groups = {os.getpgid(0), *spare}  # a spared worker leads a group of the same number
    while (targets := set(children(here)) - set(spare)) and time.monotonic() < deadline:
        for child in targets:
            for pid in (child, *descendants(child)):
                _kill(pid, spared_groups)
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        time.sleep(_RETRY_SECONDS)


def kill_tree(leader: int) -> None:
    """Kill a worker that leads a group, its group, and all processes below it now."""
    for pid in (*descendants(leader), leader):
        _kill(pid, {os.getpgid(0)})


def _kill(pid: int, spared_groups: Collection[int]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        if group not in spared_groups:
            os.killpg(group, signal.SIGKILL)  # one system call for the whole group: a fork bomb cannot outrun it
        os.kill(pid, signal.SIGKILL)


def resident_bytes(pid: int, limit: int | None = None) -> int:
    """Return the resident memory of a process and all below it, in bytes.

    The sum counts pages that forks share once per process. Only if it exceeds `limit` are shared pages divided among
    those that share them (PSS), since reading that walks every page table.
    """
    family = [pid, *descendants(pid)]
    total = sum(map(_rss, family))
    if limit is None or total <= limit or len(family) == 1:
        return total
    return _rss(pid) + sum(map(_pss, family[1:]))


def _rss(pid: int) -> int:
    if _HAS_CHILDREN_FILE:
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE_BYTES
        return 0
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _pss(pid: int) -> int:
    with suppress(psutil.Error):
        memory = psutil.Process(pid).memory_full_info()
        return int(getattr(memory, "pss", memory.uss))
    return 0
