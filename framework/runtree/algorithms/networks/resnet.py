"""A residual network for tables."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from runtree.algorithms.networks.columns import TableEncoder
from runtree.algorithms.networks.constraints import CONSTRAINTS, above, one_of, share, whole
from runtree.algorithms.networks.estimator import Network
from runtree.algorithms.networks.layers import NORMALIZATIONS, table_input
from runtree.algorithms.networks.tasks import Classification, Regression


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
