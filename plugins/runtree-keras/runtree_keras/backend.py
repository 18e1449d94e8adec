"""Keras with the torch backend: import, device, threads and seeds. Importing this module takes some seconds."""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from runtree.contract.errors import ConfigError, MissingError


def import_keras() -> Any:
    """Import Keras with the torch backend, whatever the environment or `~/.keras/keras.json` say; both stay unchanged.

    Raises
    ------
    MissingError
        This process has imported Keras with another backend, which cannot be changed afterwards.
    """
    previous = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    finally:
        os.environ.pop("KERAS_BACKEND")
        os.environ.update({} if previous is None else {"KERAS_BACKEND": previous})
    if (backend := keras.backend.backend()) != "torch":
        raise MissingError(
            f"runtree-keras: keras is already imported with the backend '{backend}', but torch is required",
            "set the backend before the first import: export KERAS_BACKEND=torch",
        )
    return keras


keras = import_keras()


def accelerators() -> list[str]:
    """Return the names of the available accelerators."""
    found = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [*found, *(["mps"] if torch.backends.mps.is_available() else [])]


def find_device(wanted: str) -> str:
    """Return the torch name of a device; "auto" is the first accelerator, else the CPU.

    Raises
    ------
    ConfigError
        The device is not available.
    """
    found = accelerators()
    name = {"auto": next(iter(found), "cpu"), "cuda": "cuda:0"}.get(wanted, wanted)
    if name not in ("cpu", *found):
        raise ConfigError(
            f"algorithm.device: '{wanted}' is not available; found: {', '.join(['cpu', *found])}", "type: compute=auto"
        )
    return name


def prediction_device(wanted: str) -> str:
    """Return the device for predictions: the configured one, or the CPU if that is not available."""
    try:
        return find_device(wanted)
    except ConfigError:
        return "cpu"


@contextmanager
def on_device(device: str, threads: int | None) -> Iterator[None]:
    """Set the device of Keras and the threads of torch within the context; None and -1 keep the number of threads."""
    before = torch.get_num_threads()
    try:
        if threads is not None and threads > 0:
            torch.set_num_threads(threads)
        with keras.device(device), warnings.catch_warnings():
            # Keras passes tensors to NumPy by `__array__` without the keyword `copy`, of which NumPy 2 warns.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def restored_generators(device: str) -> Iterator[None]:
    """Restore the states of Python's, NumPy's and torch's generators afterwards. Keras's global seed cannot be read."""
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


def seed_all(*entropy: int) -> None:
    """Seed all generators that a network may use, for initial weights, dropout and custom layers."""
    keras.utils.set_random_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
