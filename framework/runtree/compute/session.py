"""Seeds, threads and device for the time of a run."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

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

    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with pools(len(sys.modules)).limit(limits=threads):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)


@lru_cache(maxsize=1)
def pools(modules: int) -> Any:
    """Return the thread pools of the loaded libraries; they are searched for anew when more has been imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
