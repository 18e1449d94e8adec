"""The computes: this machine's processor, its accelerator, or whichever there is."""

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
    """What the computes share.

    Parameters
    ----------
    device
        What algorithms that can choose read as ``${compute.device}``.
    devices
        How many share the batches of a network: accelerators, or processes on a processor.
    threads
        How many threads an algorithm and its numerical libraries may use; -1: one for each core.
    deterministic
        Whether torch refuses operations that answer differently from time to time, and cuDNN does not try its choices.
    """

    device: str = "cpu"
    devices: int = 1
    threads: int = -1
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ConfigError(f"compute.devices: {self.devices} is no count from 1")

    def describe(self) -> Mapping[str, Any]:
        """Say what was found and what is used of it."""
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
        """Seed and limit threads for the time of a run."""
        return seeded(seed, thread_count(self.threads), self.deterministic)

    def _chosen(self) -> Accelerator | None:
        return None


@dataclass(frozen=True)
class Cpu(Machine):
    """The processor."""


@dataclass(frozen=True)
class Gpu(Machine):
    """An accelerator. Where there is none, making this says what was found and what to type.

    Parameters
    ----------
    device
        "cuda", one of several: "cuda:1", or "mps".
    """

    device: str = "cuda"

    def __post_init__(self) -> None:
        super().__post_init__()
        found = accelerators()
        if self._wanted not in found:
            seen = f"found {', '.join(found)}" if found else f"found no GPU ({why_none()})"
            raise RequestError(
                f"compute: device {self.device} is not there: {seen}", "type: compute=cpu, or compute=auto"
            )
        same = [name for name in found if name.partition(":")[0] == self.device.partition(":")[0]]
        if self.devices > len(same):
            raise RequestError(
                f"compute.devices: {self.devices} are asked for, and there are {len(same)}: {', '.join(same)}",
                f"type: compute.devices={len(same)}",
            )

    @property
    def _wanted(self) -> str:
        return "cuda:0" if self.device == "cuda" else self.device

    def _chosen(self) -> Accelerator | None:
        return accelerators()[self._wanted]


@dataclass(frozen=True)
class Auto(Machine):
    """An accelerator where there is one, else the processor."""

    device: str = "auto"

    def _chosen(self) -> Accelerator | None:
        return next(iter(accelerators().values()), None)
