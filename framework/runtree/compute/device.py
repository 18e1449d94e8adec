"""The compute options: the CPU, an accelerator, or an accelerator if one is available."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from runtree.compute.found import Accelerator, accelerators, why_none
from runtree.compute.session import seeded, thread_count
from runtree.contract.errors import ConfigError, RequestError
from runtree.contract.hardware import available_cores


@dataclass(frozen=True)
class Machine:
    """The base of all options.

    Parameters
    ----------
    device
        The device that an option of `algorithm` refers to as ``${compute.device}``.
    devices
        How many devices share each batch of a network: accelerators, or processes on the processor.
    threads
        The number of threads that an algorithm and its numerical libraries may use; -1: one for each core.
    deterministic
        Whether torch refuses operations that are not deterministic, and cuDNN does not choose algorithms by timing.
    """

    device: str = "cpu"
    devices: int = 1
    threads: int = -1
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ConfigError(f"compute.devices: {self.devices} must be at least 1")

    def describe(self) -> Mapping[str, Any]:
        """Return the facts for `environment.json`: the device, threads, cores and the accelerator."""
        accelerator = self._chosen()
        facts = {
            "device": accelerator.device if accelerator else "cpu",
            "devices": self.devices,
            "threads": thread_count(self.threads),
            "cores": available_cores(),
            "deterministic": self.deterministic,
        }
        return {**facts, **({"accelerator": accelerator.facts()} if accelerator else {})}

    def session(self, seed: int) -> AbstractContextManager[None]:
        """Seed the generators and limit threads for the duration of a run."""
        return seeded(seed, thread_count(self.threads), self.deterministic)

    def _chosen(self) -> Accelerator | None:
        return None


@dataclass(frozen=True)
class Cpu(Machine):
    """The processor."""


@dataclass(frozen=True)
class Gpu(Machine):
    """An accelerator; raises RequestError on construction if it is not available.

    Parameters
    ----------
    device
        "cuda", one of several: "cuda:1", or "mps".
    """

    device: str = "cuda"

    def __post_init__(self) -> None:
        super().__post_init__()
        # here and not at the start of the fit: a machine without the device is found out before the run has a folder
        found = accelerators()
        if self._wanted not in found:
            seen = f"found {', '.join(found)}" if found else f"found no GPU ({why_none()})"
            raise RequestError(
                f"compute: device {self.device} is not available: {seen}", "type: compute=cpu, or compute=auto"
            )
        # "cuda:1" and "cuda" are the same kind: several devices are counted among those of that kind
        same = [name for name in found if name.partition(":")[0] == self.device.partition(":")[0]]
        if self.devices > len(same):
            raise RequestError(
                f"compute.devices: {self.devices} requested, but {len(same)} available: {', '.join(same)}",
                f"type: compute.devices={len(same)}",
            )

    @property
    def _wanted(self) -> str:
        return "cuda:0" if self.device == "cuda" else self.device

    def _chosen(self) -> Accelerator | None:
        return accelerators()[self._wanted]


@dataclass(frozen=True)
class Auto(Machine):
    """An accelerator if there is one, else the processor."""

    device: str = "auto"

    def _chosen(self) -> Accelerator | None:
        # the first one: torch lists the devices in the order of CUDA_VISIBLE_DEVICES, so the user decides which it is
        return next(iter(accelerators().values()), None)
