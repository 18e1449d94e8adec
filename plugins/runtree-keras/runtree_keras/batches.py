"""Batches of rows, shuffled in each epoch in an order that depends on the seed and the epoch only."""

from typing import Any

import numpy as np
import torch

from runtree_keras.backend import keras


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches as slices of tensors on the device; faster than Keras's adapter, which indexes arrays row by row.

    Parameters
    ----------
    arrays
        Inputs, targets and optional row weights, of equal length.
    size
        Rows in a batch; the last may have fewer.
    seed
        Seeds the order of the rows in each epoch.
    """

    def __init__(self, arrays: tuple[Any, ...], size: int, seed: int = 0) -> None:
        super().__init__()
        self.tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
        self.size = size
        self.seed = seed
        self.order: torch.Tensor | None = None

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.size)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        part = slice(number * self.size, (number + 1) * self.size)
        rows = part if self.order is None else self.order[part]
        return tuple(tensor[rows] for tensor in self.tensors)

    def shuffle(self, epoch: int) -> None:
        """Shuffle the rows for an epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.tensors[0]))
        self.order = torch.from_numpy(order).to(self.tensors[0].device)


def network_outputs(network: Any, rows: Any, size: int = 4096) -> Any:
    """Return the output of a network's last layer, float64 of shape (rows, outputs)."""
    network.eval()
    batches = Batches((rows,), size)
    with torch.no_grad():
        outputs = [network(batches[number][0], training=False) for number in range(len(batches))]
    return torch.cat(outputs).cpu().numpy().astype(np.float64)
