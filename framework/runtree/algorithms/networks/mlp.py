"""A multilayer perceptron for tables."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn

from runtree.algorithms.networks.columns import TableEncoder
from runtree.algorithms.networks.constraints import CONSTRAINTS, one_of, share, whole
from runtree.algorithms.networks.estimator import Network
from runtree.algorithms.networks.layers import ACTIVATIONS, NORMALIZATIONS, table_input
from runtree.algorithms.networks.tasks import Classification, Regression


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
