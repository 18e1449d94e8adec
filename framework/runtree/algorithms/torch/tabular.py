"""Networks for tables: a multilayer perceptron and a residual network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from runtree.algorithms.torch.estimator import CONSTRAINTS, Network, above, one_of, share, whole
from runtree.algorithms.torch.table_encoder import TableEncoder
from runtree.algorithms.torch.task_heads import Classification, Regression

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


# --- A multilayer perceptron for tables.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLP(Network):
    """Layers of the same width, each normalised, bent and thinned out.

    Numbers are filled with the median and standardised; columns of categories become learned vectors.

    Parameters
    ----------
    layers, units
        How many hidden layers, and how wide each is.
    activation
        "relu", "gelu", "silu", "elu" or "tanh".
    dropout
        The share of units that are left out in training.
    normalization
        "batch", "layer" or "none".
    """

    layers: int = 2
    units: int = 128
    activation: str = "relu"
    dropout: float = 0.2
    normalization: str = "none"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "layers": [whole(0)],
        "units": [whole(1)],
        "activation": [one_of(*ACTIVATIONS)],
        "dropout": [share()],
        "normalization": [one_of(*NORMALIZATIONS)],
    }

    def make_module(self, encoder: TableEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        return MLPModule(self, encoder, outputs)


class MLPModule(nn.Module):
    """The module, as its estimator's parameters say."""

    def __init__(self, asked: TorchMLP, encoder: TableEncoder, outputs: int) -> None:
        super().__init__()
        self.input = table_input(encoder)
        widths = [self.input.features, *[asked.units] * asked.layers]
        self.hidden = nn.Sequential(
            *(layer for before, after in pairwise(widths) for layer in hidden_layer(asked, before, after))
        )
        self.output = nn.Linear(widths[-1], outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        outputs: Tensor = self.output(self.hidden(self.input(*inputs)))
        return outputs


def hidden_layer(asked: TorchMLP, before: int, after: int) -> list[nn.Module]:
    """Return the parts of one hidden layer that do something."""
    normalize = [] if asked.normalization == "none" else [NORMALIZATIONS[asked.normalization](after)]
    thin = [nn.Dropout(asked.dropout)] if asked.dropout else []
    return [nn.Linear(before, after), *normalize, ACTIVATIONS[asked.activation](), *thin]


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLPClassifier(Classification, TorchMLP):
    """A multilayer perceptron that tells classes."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLPRegressor(Regression, TorchMLP):
    """A multilayer perceptron that tells numbers."""


# --- A residual network for tables.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNet(Network):
    """Blocks that each add a correction to what the block before said.

    The source of the architecture: Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for
    Tabular Data", NeurIPS 2021, arXiv 2106.11959, section 3.2.

    Parameters
    ----------
    blocks, units
        How many blocks, and how wide the path past them is.
    hidden_factor
        How much wider a block is inside.
    dropout, residual_dropout
        The share that is left out inside a block, and of what a block adds.
    normalization
        "batch" as in the source, "layer" or "none".
    """

    blocks: int = 2
    units: int = 64
    hidden_factor: float = 2.0
    dropout: float = 0.2
    residual_dropout: float = 0.0
    normalization: str = "batch"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "blocks": [whole(1)],
        "units": [whole(1)],
        "hidden_factor": [above(0)],
        "dropout": [share()],
        "residual_dropout": [share()],
        "normalization": [one_of(*NORMALIZATIONS)],
    }

    def make_module(self, encoder: TableEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        return ResNetModule(self, encoder, outputs)


class ResNetModule(nn.Module):
    """Prediction(ResNetBlock(…ResNetBlock(Linear(x)))), Prediction(x) = Linear(ReLU(Norm(x)))."""

    def __init__(self, asked: TorchResNet, encoder: TableEncoder, outputs: int) -> None:
        super().__init__()
        self.input = table_input(encoder)
        self.first = nn.Linear(self.input.features, asked.units)
        self.blocks = nn.Sequential(*(ResNetBlock(asked) for _ in range(asked.blocks)))
        normalize = NORMALIZATIONS[asked.normalization](asked.units)
        self.output = nn.Sequential(normalize, nn.ReLU(), nn.Linear(asked.units, outputs))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        outputs: Tensor = self.output(self.blocks(self.first(self.input(*inputs))))
        return outputs


class ResNetBlock(nn.Module):
    """x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))."""

    def __init__(self, asked: TorchResNet) -> None:
        super().__init__()
        inside = max(1, round(asked.units * asked.hidden_factor))
        self.inner = nn.Sequential(
            NORMALIZATIONS[asked.normalization](asked.units),
            nn.Linear(asked.units, inside),
            nn.ReLU(),
            nn.Dropout(asked.dropout),
            nn.Linear(inside, asked.units),
            nn.Dropout(asked.residual_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return what came in, corrected."""
        corrected: Tensor = x + self.inner(x)
        return corrected


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNetClassifier(Classification, TorchResNet):
    """A residual network that tells classes."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNetRegressor(Regression, TorchResNet):
    """A residual network that tells numbers."""
