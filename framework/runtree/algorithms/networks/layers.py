"""Layers that networks for tables share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from runtree.algorithms.networks.columns import TableEncoder

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}
NORMALIZATIONS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "none": nn.Identity}


class TableInput(nn.Module):
    """Join the numbers of a row with a learned vector for each of its categories.

    The length of the vectors grows with the count of levels: min(50, 1.6 n^0.56), the rule of the library fastai.
    The code 0, a level that the train rows did not have, is the zero vector.
    """

    def __init__(self, numbers: int, levels: Sequence[int]) -> None:
        super().__init__()
        lengths = [min(50, round(1.6 * count**0.56)) for count in levels]
        self.embeddings = nn.ModuleList(
            nn.Embedding(count + 1, length, padding_idx=0) for count, length in zip(levels, lengths, strict=True)
        )
        self.features = numbers + sum(lengths)

    def forward(self, numbers: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return float32 of shape (rows, features)."""
        if codes is None:
            return numbers
        return torch.cat([numbers, *(embed(codes[:, i]) for i, embed in enumerate(self.embeddings))], dim=1)


def table_input(encoder: TableEncoder) -> TableInput:
    """Return the first layer for a table whose columns were learned."""
    return TableInput(len(encoder.numbers), [len(levels) for levels in encoder.levels])
