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
    """Concatenates the numbers of a row with an embedding of each of its categories.

    The size of an embedding grows with the number of categories n: min(50, 1.6 n^0.56), the rule of the library fastai.
    Code 0, a category that the train rows do not have, is the zero vector.
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
    """Return the first layer for the columns that an encoder was fitted on."""
    return TableInput(len(encoder.numbers), [len(levels) for levels in encoder.levels])


# --- A multilayer perceptron for tables.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLP(Network):
    """Hidden layers of one width, each with normalisation, an activation and dropout.

    Missing numbers are imputed with the median, numbers standardised, categories embedded.

    Parameters
    ----------
    layers, units
        Number of hidden layers, and units in each.
    activation
        "relu", "gelu", "silu", "elu" or "tanh".
    dropout
        Fraction of units dropped in training.
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
    """The module of a `TorchMLP`."""

    def __init__(self, settings: TorchMLP, encoder: TableEncoder, outputs: int) -> None:
        super().__init__()
        self.input = table_input(encoder)
        widths = [self.input.features, *[settings.units] * settings.layers]
        self.hidden = nn.Sequential(
            *(layer for before, after in pairwise(widths) for layer in hidden_layer(settings, before, after))
        )
        self.output = nn.Linear(widths[-1], outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        outputs: Tensor = self.output(self.hidden(self.input(*inputs)))
        return outputs


def hidden_layer(settings: TorchMLP, before: int, after: int) -> list[nn.Module]:
    """Return the modules of one hidden layer; those that would do nothing are omitted."""
    normalize = [] if settings.normalization == "none" else [NORMALIZATIONS[settings.normalization](after)]
    dropout = [nn.Dropout(settings.dropout)] if settings.dropout else []
    return [nn.Linear(before, after), *normalize, ACTIVATIONS[settings.activation](), *dropout]


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLPClassifier(Classification, TorchMLP):
    """A multilayer perceptron for classification."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchMLPRegressor(Regression, TorchMLP):
    """A multilayer perceptron for regression."""


# --- A residual network for tables.


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNet(Network):
    """Residual blocks: each adds a correction to the output of the one before.

    Source: Gorishniy, Rubachev, Khrulkov and Babenko, "Revisiting Deep Learning Models for
    Tabular Data", NeurIPS 2021, arXiv 2106.11959, section 3.2.

    Parameters
    ----------
    blocks, units
        Number of blocks, and width of the residual stream.
    hidden_factor
        Width inside a block, as a multiple of `units`.
    dropout, residual_dropout
        Fractions dropped inside a block, and of what a block adds.
    normalization
        "batch" as in the paper, "layer" or "none".
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

    def __init__(self, settings: TorchResNet, encoder: TableEncoder, outputs: int) -> None:
        super().__init__()
        self.input = table_input(encoder)
        self.first = nn.Linear(self.input.features, settings.units)
        self.blocks = nn.Sequential(*(ResNetBlock(settings) for _ in range(settings.blocks)))
        normalize = NORMALIZATIONS[settings.normalization](settings.units)
        self.output = nn.Sequential(normalize, nn.ReLU(), nn.Linear(settings.units, outputs))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs)."""
        outputs: Tensor = self.output(self.blocks(self.first(self.input(*inputs))))
        return outputs


class ResNetBlock(nn.Module):
    """x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))."""

    def __init__(self, settings: TorchResNet) -> None:
        super().__init__()
        inside = max(1, round(settings.units * settings.hidden_factor))
        self.inner = nn.Sequential(
            NORMALIZATIONS[settings.normalization](settings.units),
            nn.Linear(settings.units, inside),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(inside, settings.units),
            nn.Dropout(settings.residual_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus its correction, of the same shape."""
        corrected: Tensor = x + self.inner(x)
        return corrected


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNetClassifier(Classification, TorchResNet):
    """A residual network for classification."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchResNetRegressor(Regression, TorchResNet):
    """A residual network for regression."""
