"""The computes: this machine's processor, its accelerator, or whichever there is."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.compute.session import cores, seeded, thread_count
from runtree.contract.errors import MissingError, RequestError


@dataclass(frozen=True)
class Cpu:
    """The processor.

    Parameters
    ----------
    device
        "cpu"; algorithms that can choose read it as ``${compute.device}``.
    threads
        How many threads an algorithm and its numerical libraries may use; -1: one for each core.
    """

    device: str = "cpu"
    threads: int = -1

    def describe(self) -> Mapping[str, Any]:
        """Say what is used."""
        return {"device": "cpu", "threads": thread_count(self.threads), "cores": cores()}

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed and limit threads for the time of a run."""
        return seeded(seed, thread_count(self.threads))


@dataclass(frozen=True)
class Gpu:
    """A CUDA device. Where there is none, making this says what was found and what to type.

    Parameters
    ----------
    device
        "cuda", or one of several: "cuda:1".
    """

    device: str = "cuda"
    threads: int = -1

    def __post_init__(self) -> None:
        found = accelerators()
        wanted = "cuda:0" if self.device == "cuda" else self.device
        if wanted not in found:
            seen = f"found {', '.join(found)}" if found else f"found no GPU ({why_none()})"
            raise RequestError(
                f"compute: device {self.device} is not there: {seen}", "type: compute=cpu, or compute=auto"
            )

    def describe(self) -> Mapping[str, Any]:
        """Say what is used."""
        wanted = "cuda:0" if self.device == "cuda" else self.device
        return {
            "device": wanted,
            "name": accelerators()[wanted],
            "threads": thread_count(self.threads),
            "cores": cores(),
        }

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed and limit threads for the time of a run."""
        return seeded(seed, thread_count(self.threads))


@dataclass(frozen=True)
class Auto:
    """An accelerator where there is one, else the processor."""

    device: str = "auto"
    threads: int = -1

    def describe(self) -> Mapping[str, Any]:
        """Say what was chosen."""
        found = accelerators()
        device = next(iter(found), "cpu")
        return {"device": device, "name": found.get(device), "threads": thread_count(self.threads), "cores": cores()}

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed and limit threads for the time of a run."""
        return seeded(seed, thread_count(self.threads))


def accelerators() -> dict[str, str]:
    """Return accelerators by device name. torch is asked only where there is a driver: it takes 2 s to load."""
    if not (Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia").exists() or sys.platform == "darwin"):
        return {}
    try:
        import torch
    except ImportError:
        return {}
    found = {f"cuda:{number}": torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
    return found | ({"mps": "Apple GPU"} if torch.backends.mps.is_available() else {})


def why_none() -> str:
    """Say why no accelerator was found."""
    if not (Path("/dev/nvidiactl").exists() or Path("/proc/driver/nvidia").exists()):
        return "this machine has no NVIDIA driver"
    try:
        import torch
    except ImportError:
        raise MissingError("compute=gpu needs torch", "install it: pip install 'runtree[torch]'") from None
    return f"torch {torch.__version__} sees none"
