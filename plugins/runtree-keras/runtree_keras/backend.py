"""Keras, running on torch. Whoever imports this module waits for both: some seconds."""

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
    """Import Keras on torch, whatever the environment or `~/.keras/keras.json` name; they are left as they are.

    Raises
    ------
    MissingError
        Keras runs on something else in this process already, and one process has one Keras.
    """
    own = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    finally:
        os.environ.pop("KERAS_BACKEND")
        os.environ.update({} if own is None else {"KERAS_BACKEND": own})
    if (found := keras.backend.backend()) != "torch":
        raise MissingError(
            f"runtree-keras: keras was imported on the backend '{found}' before, and is needed on torch",
            "set the backend for whatever imports it first: export KERAS_BACKEND=torch",
        )
    return keras


keras = import_keras()


def accelerators() -> list[str]:
    """Return the accelerators that torch sees."""
    found = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [*found, *(["mps"] if torch.backends.mps.is_available() else [])]


def find_device(wanted: str) -> str:
    """Return a device by torch's name for it; "auto" is the first accelerator, or the processor.

    Raises
    ------
    ConfigError
        It is not there.
    """
    found = accelerators()
    name = {"auto": next(iter(found), "cpu"), "cuda": "cuda:0"}.get(wanted, wanted)
    if name not in ("cpu", *found):
        raise ConfigError(
            f"algorithm.device: '{wanted}' is not there: found {', '.join(['cpu', *found])}", "type: compute=auto"
        )
    return name


def any_device(wanted: str) -> str:
    """Return a device for predictions: the one that was trained on, or the processor where that is not there."""
    try:
        return find_device(wanted)
    except ConfigError:
        return "cpu"


@contextmanager
def work(device: str, threads: int | None) -> Iterator[None]:
    """Let Keras work on a device, with so many threads of torch's; None and -1 leave their number as it is."""
    before = torch.get_num_threads()
    try:
        if threads is not None and threads > 0:
            torch.set_num_threads(threads)
        with keras.device(device), warnings.catch_warnings():
            # Keras hands tensors to NumPy by a protocol that lacks the keyword `copy`; it is given copies all the same.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_randomness(device: str) -> Iterator[None]:
    """Give Python's, NumPy's and torch's generators back as they were. Keras's own seed stays as it was set last."""
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


def seed_all(*entropy: int) -> None:
    """Seed every generator that a network may draw from: initial weights, dropout, layers of the user's own."""
    keras.utils.set_random_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
