"""What every room may know of this machine."""

import os


def available_cores() -> int:
    """Return how many cores this process may use: those of its affinity mask, not all of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
