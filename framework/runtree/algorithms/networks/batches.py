"""Rows as tensors, and batches of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Inputs = tuple[Tensor, ...]
IN_MEMORY, LOADED = 4096, 256  # rows that are asked about at a time


@dataclass(frozen=True)
class Batch:
    """Some rows: what goes in, what should come out, and what each row weighs."""

    inputs: Inputs
    target: Tensor
    weight: Tensor | None


@dataclass(frozen=True)
class Rows:
    """All rows of a part.

    Attributes
    ----------
    inputs
        Tensors whose first axis is the rows; or, where they do not fit into memory, a dataset that answers an index
        with a tuple of tensors, which `workers` processes then load ahead.
    target
        Of shape (rows, …).
    weight
        Of shape (rows,) with mean 1, or None where all weigh the same.
    """

    inputs: "Inputs | Dataset[Any]"
    target: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target)

    def to(self, device: torch.device) -> "Rows":
        """Return the rows in the memory of a device; rows that are loaded lazily follow batch by batch."""
        inputs = tuple(t.to(device) for t in self.inputs) if isinstance(self.inputs, tuple) else self.inputs
        weight = None if self.weight is None else self.weight.to(device)
        return replace(self, inputs=inputs, target=self.target.to(device), weight=weight)

    def batches(self, parts: list[Tensor], workers: int = 0) -> Iterator[Batch]:
        """Yield a batch for each tensor of row numbers."""
        device = self.target.device
        for part, inputs in zip(parts, inputs_of(self.inputs, parts, workers, device), strict=True):
            part = part.to(device)
            weight = None if self.weight is None else self.weight.index_select(0, part)
            yield Batch(inputs, self.target.index_select(0, part), weight)


def inputs_of(
    inputs: "Inputs | Dataset[Any]", parts: list[Tensor], workers: int, device: torch.device
) -> Iterator[Inputs]:
    """Yield the inputs of each part."""
    if isinstance(inputs, tuple):
        for part in parts:
            part = part.to(device)
            yield tuple(tensor.index_select(0, part) for tensor in inputs)
    else:
        for loaded in DataLoader(inputs, batch_sampler=[part.tolist() for part in parts], num_workers=workers):
            yield tuple(tensor.to(device, non_blocking=True) for tensor in loaded)


def shuffled(rows: int, size: int, least: int = 2) -> list[Tensor]:
    """Return row numbers in a random order, cut into batches; a last one of less than `least` joins the one before."""
    parts = list(torch.split(torch.randperm(rows), size))
    if len(parts) > 1 and len(parts[-1]) < least:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def in_order(rows: int, inputs: "Inputs | Dataset[Any]") -> list[Tensor]:
    """Return row numbers in their order, cut into batches: smaller ones where rows must be loaded first."""
    return list(torch.split(torch.arange(rows), IN_MEMORY if isinstance(inputs, tuple) else LOADED))
