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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device != "cpu":
            raise ConfigError(
                f"compute.device: compute=cpu is the processor, and {self.device} is not",
                f"type: compute=gpu compute.device={self.device}",
            )


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
        _check_available(self.device, self.devices)

    def _chosen(self) -> Accelerator | None:
        return accelerators()[_full_name(self.device)]


@dataclass(frozen=True)
class Auto(Machine):
    """An accelerator if there is one, else the processor; or the device that is named, which must be there then."""

    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device not in ("auto", "cpu"):
            _check_available(self.device, self.devices)

    def _chosen(self) -> Accelerator | None:
        if self.device == "cpu":
            return None
        # the first one: torch lists the devices in the order of CUDA_VISIBLE_DEVICES, so the user decides which it is
        found = accelerators()
        return next(iter(found.values()), None) if self.device == "auto" else found[_full_name(self.device)]


def _full_name(device: str) -> str:
    return "cuda:0" if device == "cuda" else device


def _check_available(device: str, devices: int) -> None:
    """Refuse a device that this machine has not, and more of them than it has."""
    # here and not at the start of the fit: a machine without the device is found out before the run has a folder
    found = accelerators()
    if _full_name(device) not in found:
        seen = f"found {', '.join(found)}" if found else f"found no GPU ({why_none()})"
        raise RequestError(f"compute: device {device} is not available: {seen}", "type: compute=cpu, or compute=auto")
    # "cuda:1" and "cuda" are the same kind: several devices are counted among those of that kind
    same = [name for name in found if name.partition(":")[0] == device.partition(":")[0]]
    if devices > len(same):
        raise RequestError(
            f"compute.devices: {devices} requested, but {len(same)} available: {', '.join(same)}",
            f"type: compute.devices={len(same)}",
        )
