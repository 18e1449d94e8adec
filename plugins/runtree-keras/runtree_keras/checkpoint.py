"""Checkpoints: all variables of the network and its optimizer, and the epoch.

They contain numbers only. The network is made from its config before they are loaded.
"""

from pathlib import Path
from typing import Any

import numpy as np

from runtree.contract.errors import DataError

FILE = "state.npz"


def weights(network: Any) -> list[Any]:
    """Return copies of all variables of a network: weights, running means, seeds."""
    return [variable.value.detach().cpu().numpy().copy() for variable in network.variables]


def set_weights(network: Any, arrays: list[Any]) -> None:
    """Set the variables of a network to those that `weights` returned."""
    assign(network.variables, arrays)


def write(network: Any, epoch: int, folder: Path) -> None:
    """Write the state after `epoch` epochs."""
    held = {f"network.{number}": array for number, array in enumerate(weights(network))}
    moments = {f"optimizer.{number}": array for number, array in enumerate(weights(network.optimizer))}
    np.savez(folder / FILE, epoch=np.array(epoch), **held, **moments)


def read(network: Any, folder: Path) -> int:
    """Load the state of a network and its optimizer; return the number of completed epochs."""
    with np.load(folder / FILE, allow_pickle=False) as file:
        set_weights(network, arrays_of(file, "network"))
        network.optimizer.build(network.trainable_variables)
        assign(network.optimizer.variables, arrays_of(file, "optimizer"))
        return int(file["epoch"])


def read_weights(network: Any, folder: Path) -> None:
    """Load the variables of the network, not those of the optimizer."""
    with np.load(folder / FILE, allow_pickle=False) as file:
        set_weights(network, arrays_of(file, "network"))


def arrays_of(file: Any, name: str) -> list[Any]:
    """Return the arrays of `name` ("network" or "optimizer") in order."""
    count = sum(key.startswith(f"{name}.") for key in file.files)
    return [file[f"{name}.{number}"] for number in range(count)]


def assign(variables: list[Any], arrays: list[Any]) -> None:
    """Set variables; raise DataError if the shapes differ."""
    if [tuple(variable.shape) for variable in variables] != [array.shape for array in arrays]:
        raise DataError("the checkpoint belongs to another network or optimizer", "start a new run")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
