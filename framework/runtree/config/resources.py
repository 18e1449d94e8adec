"""The keys of `compute` that runtree reads itself: slots, limits, engine, profile."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtree.config.build import check_arguments
from runtree.contract.errors import ConfigError
from runtree.contract.hardware import available_cores

# SI prefixes are powers of 1000 and IEC prefixes of 1024, as in Kubernetes and Docker
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)
ENGINES = ("processes", "in_process")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """How many runs of a sweep run in parallel, the limits of each, and whether it is profiled; -1: every core."""

    slots: int = 1
    max_seconds: float | int | None = None
    memory: int | str | None = None
    engine: str = "processes"
    threads: int = -1
    profile: bool = False

    def __post_init__(self) -> None:
        if self.slots == 0 or self.slots < -1:
            raise ConfigError(f"compute.slots: {self.slots} must be -1 (every core) or at least 1")
        if self.max_seconds is not None and self.max_seconds <= 0:
            raise ConfigError(f"compute.max_seconds must be positive, got {self.max_seconds}")
        if self.engine not in ENGINES:
            raise ConfigError(f"compute.engine: {self.engine!r} is not one of {', '.join(ENGINES)}")
        parse_size(self.memory, "compute.memory")

    @property
    def at_once(self) -> int:
        """Return the number of slots."""
        return available_cores() if self.slots == -1 else self.slots

    @property
    def bytes(self) -> int | None:
        """Return the memory limit."""
        return parse_size(self.memory, "compute.memory")

    @property
    def threads_each(self) -> int:
        """Return the threads of one run: all runs together use no more than the cores."""
        # at least one thread, even where there are more slots than cores
        share = max(1, available_cores() // self.at_once)
        return share if self.threads == -1 else self.threads


SWEEP_KEYS = ("slots", "max_seconds", "memory", "engine")
OWN_KEYS = (*SWEEP_KEYS, "profile")  # that the compute object does not get


def read_resources(node: Mapping[str, Any]) -> Resources:
    """Read the keys that runtree reads itself."""
    values = {key: node[key] for key in (*OWN_KEYS, "threads") if key in node}
    check_arguments(Resources, values, "compute")
    return Resources(**values)


def compute_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the compute object is built with."""
    return {key: value for key, value in node.items() if key not in OWN_KEYS}


def parse_size(text: int | str | None, path: str) -> int | None:
    """Return a memory size in bytes: ``2GiB``, ``500MB`` or a number."""
    if text is None or (isinstance(text, int) and text > 0):
        return text
    match = SIZE.fullmatch(str(text))
    size = int(float(match[1]) * UNITS[(match[2] or "").lower()]) if match else 0
    if size <= 0:
        raise ConfigError(f"{path}: {text!r} is not a memory size", "for example: 2GiB, 500MB")
    return size
