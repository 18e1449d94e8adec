"""Seeds, threads and device for the time of a run."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from runtree.contract.errors import ConfigError


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(threads: int) -> int:
    """Return a count of threads; -1 means every core there is."""
    if threads == 0 or threads < -1:
        raise ConfigError(f"compute.threads: {threads} is neither -1 (every core) nor a count from 1")
    return cores() if threads == -1 else threads


@contextmanager
def seeded(seed: int, threads: int) -> Iterator[None]:
    """Seed the global generators and limit native threads; what was before comes back afterwards."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with threadpool_limits(limits=threads):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)
