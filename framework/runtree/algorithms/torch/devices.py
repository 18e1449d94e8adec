"""Device, precision, threads and seeds of a network; torch's global generators are restored afterwards."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from runtree.contract.errors import ConfigError
from runtree.contract.hardware import available_cores

TYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def find_device(name: str) -> torch.device:
    """Return the device to train on; "auto" is cuda if available, else mps if available, else cpu.

    Raises
    ------
    ConfigError
        The device is unknown or not available.
    """
    if name == "auto":
        return best_device()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(
            f"algorithm.device: unknown device '{name}'", "possible: auto, cpu, cuda, cuda:1, mps"
        ) from None
    if not is_available(device):
        raise ConfigError(
            f"algorithm.device: '{name}' is not available; found: {available_devices()}", "type: compute=auto"
        )
    return device


def device_to_predict(name: str) -> torch.device:
    """Return the configured device if it is available, else the best one: a model may be loaded on another machine."""
    device = None if name == "auto" else torch.device(name)
    return device if device is not None and is_available(device) else best_device()


def best_device() -> torch.device:
    """Return cuda if available, else mps, else cpu."""
    return next((device for kind in ("cuda", "mps") if is_available(device := torch.device(kind))), torch.device("cpu"))


def is_available(device: torch.device) -> bool:
    """Return whether a device can be used on this machine."""
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def available_devices() -> str:
    """Return the names of all devices, for a message."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ", ".join([*cuda, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"])


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that a device does not support."""
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "algorithm.precision: fp16 requires a GPU, but this run uses the CPU",
            "type: algorithm.precision=bf16, or compute=gpu",
        )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context of the forward pass."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, dtype=TYPES[precision])


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Set torch's number of threads within the context: None leaves it unchanged, -1 is one per core."""
    before = torch.get_num_threads()
    target = before if count is None else available_cores() if count == -1 else count
    if target != before:
        torch.set_num_threads(target)
    try:
        yield
    finally:
        if target != before:
            torch.set_num_threads(before)


@contextmanager
def seeded(device: torch.device, *numbers: int) -> Iterator[None]:
    """Seed torch's generators within the context, and restore their state afterwards."""
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
