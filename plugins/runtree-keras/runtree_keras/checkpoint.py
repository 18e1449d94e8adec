"""What a fit needs to go on exactly: every variable of the network and of its optimizer, and the epoch.

Numbers alone are kept; the network is made anew from its own config before they are put back.
"""

from pathlib import Path
from typing import Any

import numpy as np

from runtree.contract.errors import DataError

FILE = "state.npz"


def weights(network: Any) -> list[Any]:
    """Return copies of all variables of a network: weights, running means, seeds."""
    return [variable.value.detach().cpu().numpy().copy() for variable in network.variables]


def put_back(network: Any, arrays: list[Any]) -> None:
    """Give a network the variables that `weights` returned."""
    assign(network.variables, arrays)


def write(network: Any, epoch: int, folder: Path) -> None:
    """Write the state after so many epochs."""
    held = {f"network.{number}": array for number, array in enumerate(weights(network))}
    moments = {f"optimizer.{number}": array for number, array in enumerate(weights(network.optimizer))}
    np.savez(folder / FILE, epoch=np.array(epoch), **held, **moments)


def read(network: Any, folder: Path) -> int:
    """Put the state back into a network with its optimizer, and return the epochs done."""
    with np.load(folder / FILE, allow_pickle=False) as file:
        put_back(network, part(file, "network"))
        network.optimizer.build(network.trainable_variables)
        assign(network.optimizer.variables, part(file, "optimizer"))
        return int(file["epoch"])


def read_weights(network: Any, folder: Path) -> None:
    """Put the network's own variables back, and nothing of the optimizer's."""
    with np.load(folder / FILE, allow_pickle=False) as file:
        put_back(network, part(file, "network"))


def part(file: Any, name: str) -> list[Any]:
    """Return the arrays of one part, in order."""
    count = sum(key.startswith(f"{name}.") for key in file.files)
    return [file[f"{name}.{number}"] for number in range(count)]


def assign(variables: list[Any], arrays: list[Any]) -> None:
    """Set variables, if the arrays are theirs."""
    if [tuple(variable.shape) for variable in variables] != [array.shape for array in arrays]:
        raise DataError("the checkpoint is of another network, or of another optimizer", "begin a new run")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
