"""Rows in batches, shuffled anew each epoch in an order that the seed and the epoch alone decide."""

from typing import Any

import numpy as np
import torch

from runtree_keras.backend import keras


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches as slices of tensors on the device; Keras's own way takes arrays apart row by row.

    Parameters
    ----------
    arrays
        Inputs, targets and, where rows have weights, those: arrays of as many rows.
    size
        Rows in a batch; the last one takes what is left.
    seed
        Where the order of each epoch comes from.
    """

    def __init__(self, arrays: tuple[Any, ...], size: int, seed: int = 0) -> None:
        super().__init__()
        self.tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
        self.size = size
        self.seed = seed
        self.order: torch.Tensor | None = None

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.tensors[0]) // self.size)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        """Return one batch."""
        part = slice(number * self.size, (number + 1) * self.size)
        rows = part if self.order is None else self.order[part]
        return tuple(tensor[rows] for tensor in self.tensors)

    def shuffle(self, epoch: int) -> None:
        """Take the order of an epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.tensors[0]))
        self.order = torch.from_numpy(order).to(self.tensors[0].device)


def scores(network: Any, rows: Any, size: int = 4096) -> Any:
    """Return a network's last layer for rows: float64, of shape (rows, outputs)."""
    network.eval()
    batches = Batches((rows,), size)
    with torch.no_grad():
        found = [network(batches[number][0], training=False) for number in range(len(batches))]
    return torch.cat(found).cpu().numpy().astype(np.float64)
