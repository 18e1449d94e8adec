"""Where a network works: device, precision, threads, and seeds that leave torch's own generators as they were."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from runtree.contract.errors import ConfigError
from runtree.contract.hardware import available_cores

TYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def find_device(name: str) -> torch.device:
    """Return a device to train on; "auto" is cuda if there, else mps if there, else cpu."""
    if name == "auto":
        return best_device()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"algorithm.device: '{name}' is no device", "possible: auto, cpu, cuda, cuda:1, mps"
        ) from None
    if not is_there(device):
        raise ConfigError(f"algorithm.device: '{name}' is not there: found {found()}", "type: compute=auto")
    return device


def device_to_predict(name: str) -> torch.device:
    """Return the device that is asked for if it is there, else what is."""
    device = None if name == "auto" else torch.device(name)
    return device if device is not None and is_there(device) else best_device()


def best_device() -> torch.device:
    """Return the accelerator, else the processor."""
    return next((device for kind in ("cuda", "mps") if is_there(device := torch.device(kind))), torch.device("cpu"))


def is_there(device: torch.device) -> bool:
    """Tell whether a device can be used here."""
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def found() -> str:
    """Say which devices there are."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ", ".join([*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"])


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that a device has no arithmetic for."""
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "algorithm.precision: fp16 needs an accelerator, and this run uses the processor",
            "type: algorithm.precision=bf16, or compute=gpu",
        )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a network is run forward."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, dtype=TYPES[precision])


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use a number of threads for a time: None leaves it as it is, -1 is one for each core."""
    before = torch.get_num_threads()
    wanted = before if count is None else available_cores() if count == -1 else count
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        if wanted != before:
            torch.set_num_threads(before)


@contextmanager
def seeded(device: torch.device, *numbers: int) -> Iterator[None]:
    """Seed torch from some numbers for a time; what its generators were before comes back afterwards."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    gpus = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        yield
    if mps is not None:
        torch.mps.set_rng_state(mps)
