"""The accelerators of this machine, according to torch, which is imported only if there is a driver: it takes 2 s."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import MissingError

# files of the NVIDIA driver, whose presence can be checked without importing anything
DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia")


@dataclass(frozen=True)
class Accelerator:
    """One accelerator: the device in torch, the name of the product, memory in GiB, and versions."""

    device: str
    name: str
    memory: float | None = None
    versions: Mapping[str, str] | None = None

    def facts(self) -> dict[str, Any]:
        """Return the entry of `environment.json`."""
        return {"name": self.name, "memory_gib": self.memory, **(self.versions or {})}


def accelerators() -> dict[str, Accelerator]:
    """Return accelerators by device."""
    if not (has_driver() or sys.platform == "darwin"):
        return {}
    try:
        import torch
    # no torch, no accelerator: `compute=auto` then uses the processor, and `compute=gpu` says what to install
    except ImportError:
        return {}
    found = {f"cuda:{number}": _cuda(torch, number) for number in range(torch.cuda.device_count())}
    return found | ({"mps": Accelerator("mps", "Apple GPU")} if torch.backends.mps.is_available() else {})


def _cuda(torch: Any, number: int) -> Accelerator:
    facts = torch.cuda.get_device_properties(number)
    versions = {
        "capability": f"{facts.major}.{facts.minor}",
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
    return Accelerator(f"cuda:{number}", str(facts.name), round(facts.total_memory / 2**30, 1), versions)


def has_driver() -> bool:
    """Return whether there is an NVIDIA driver."""
    return any(Path(place).exists() for place in DRIVERS)


def why_none() -> str:
    """Return the reason why no accelerator was found."""
    if not has_driver():
        return "this machine has no Apple GPU" if sys.platform == "darwin" else "this machine has no NVIDIA driver"
    try:
        import torch
    except ImportError:
        raise MissingError("compute=gpu needs torch", "install it: pip install 'runtree[torch]'") from None
    return f"torch {torch.__version__} sees none"
