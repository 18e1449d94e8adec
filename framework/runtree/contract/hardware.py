"""Facts about this machine that several rooms need."""

import os


def available_cores() -> int:
    """Return how many cores this process may use: those of its affinity mask, not all of the machine's."""
    # job schedulers and taskset restrict the mask, and one thread for each core of the machine would then overload it;
    # macOS and Windows have no mask
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
