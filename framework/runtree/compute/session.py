"""Seeds and threads for the duration of a run."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from runtree.contract.errors import ConfigError
from runtree.contract.hardware import available_cores


def thread_count(threads: int) -> int:
    """Return a count of threads; -1 means every core there is."""
    if threads == 0 or threads < -1:
        raise ConfigError(f"compute.threads: {threads} is neither -1 (every core) nor a count from 1")
    return available_cores() if threads == -1 else threads


@contextmanager
def seeded(seed: int, threads: int, deterministic: bool = False) -> Iterator[None]:
    """Seed the global generators and limit native threads; restore both afterwards."""
    import numpy as np

    # restored for the caller: in a worker the next run must not depend on how much this one has drawn
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        # by threadpoolctl, since OMP_NUM_THREADS is read only once, when a library is loaded
        with pools(len(sys.modules)).limit(limits=threads), repeatable() if deterministic else nullcontext():
            yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)


@contextmanager
def repeatable() -> Iterator[None]:
    """Let torch use deterministic operations only, and raise for any other; it is imported if it is installed."""
    if find_spec("torch") is None:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it, read when it starts
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@lru_cache(maxsize=1)
def pools(modules: int) -> Any:
    """Return the thread pools of the loaded libraries; `modules` is the cache key: imports may load more of them."""
    # the search walks all loaded libraries, which takes milliseconds: too much for each of many short fits
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
