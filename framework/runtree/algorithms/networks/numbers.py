"""Rows of any shape as they are: what a module of the user's is handed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from runtree.algorithms.networks.batches import Inputs


@dataclass
class ArrayEncoder:
    """Nothing is learned but the shape.

    Attributes
    ----------
    shape
        Of one row: (features,), or (channels, height, width), or whatever it is.
    """

    shape: list[int]

    def encode(self, X: Any) -> Inputs:
        """Return float32 of shape (rows, …)."""
        return (torch.from_numpy(np.require(X, np.float32, ("C", "W"))),)  # torch takes no arrays that are read-only
