"""Layers that read the steps of a sequence."""

import math

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al. 2014, 1406.1078) that read from the first step to the last.

    The padding stands behind a sequence, so that no state of the sequence ever sees it.
    """

    def __init__(self, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(units, units, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, steps: Tensor, known: Tensor) -> Tensor:
        """Return the state after each step: (rows, steps, units)."""
        states: Tensor = self.gru(steps)[0]
        return states


class Transformer(nn.Module):
    """Layers of attention over all steps (Vaswani et al. 2017, 1706.03762).

    Each layer is normalised first, which needs no warm-up of the learning rate (Xiong et al. 2020, 2002.04745).
    """

    def __init__(self, units: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                units, heads, 4 * units, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(units)

    def forward(self, steps: Tensor, known: Tensor) -> Tensor:
        """Return each step in the light of the others: (rows, steps, units)."""
        states = steps + positions(steps.shape[1], steps.shape[2], steps.device)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~known)
        normalized: Tensor = self.norm(states)
        return normalized


def positions(steps: int, units: int, device: torch.device) -> Tensor:
    """Return sines and cosines of each step's place, (steps, units) (Vaswani et al. 2017, section 3.5)."""
    speeds = torch.exp(-math.log(10_000.0) * torch.arange(0, units, 2, device=device) / units)
    angles = torch.arange(steps, device=device)[:, None] * speeds
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :units]


def pooled(states: Tensor, known: Tensor, how: str) -> Tensor:
    """Return the mean state of each row's known steps, or its last one: (rows, units)."""
    if how == "last":
        rows = torch.arange(len(states), device=states.device)
        return states[rows, known.sum(dim=1) - 1]
    total = states.masked_fill(~known[:, :, None], 0.0).sum(dim=1)
    return total / known.sum(dim=1, keepdim=True)
