"""Series as numbers: the columns of a row are its steps in their order."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from runtree.algorithms.networks.batches import Inputs

Array = np.ndarray[Any, Any]


@dataclass
class SeriesEncoder:
    """What was learned of the train rows' series.

    Attributes
    ----------
    steps
        The columns are steps times channels; the channels of a step stand side by side.
    mean, scale
        Of each channel, over all rows and steps.
    """

    steps: int
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: Array, channels: int) -> Self:
        """Learn from the train rows, of shape (rows, steps x channels)."""
        values = X.reshape(-1, channels)
        known = ~np.isnan(values)
        count = np.maximum(1, known.sum(axis=0))
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        deviation = np.where(known, values - mean, 0.0)
        scale = np.sqrt((deviation**2).sum(axis=0) / count)
        scale[scale <= 1e-12 * np.abs(mean)] = 1.0  # constant but for rounding
        return cls(X.shape[1] // channels, mean, scale)

    def encode(self, X: Array) -> Inputs:
        """Return float32 of shape (rows, steps, channels), and how many steps count: int64 of shape (rows,), 1 or more.

        A series ends at the last step at which something is known. A hole before that is what was known last, or
        the mean where nothing was.
        """
        values = X.reshape(len(X), self.steps, len(self.mean))
        known = ~np.isnan(values)
        last = self.steps - np.asarray(known.any(axis=2))[:, ::-1].argmax(axis=1)
        lengths = np.where(known.any(axis=(1, 2)), last, 1).astype(np.int64)
        filled = values if known.all() else carried_forward(values, known)
        scaled = np.nan_to_num((filled - self.mean) / self.scale, nan=0.0).astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(scaled)), torch.from_numpy(lengths)


def carried_forward(values: Array, known: Array) -> Array:
    """Return values in which a hole is the last known one before it; NaN stays where there is none."""
    steps = np.arange(values.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    carried: Array = np.take_along_axis(values, before, axis=1)
    return carried
