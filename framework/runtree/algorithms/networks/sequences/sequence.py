"""A network for sequences: texts, or series of numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from runtree.algorithms.networks.constraints import CONSTRAINTS, one_of, share, whole
from runtree.algorithms.networks.estimator import Network
from runtree.algorithms.networks.sequences.rows import check_series, check_text, holds_text
from runtree.algorithms.networks.sequences.series import SeriesEncoder
from runtree.algorithms.networks.sequences.steps import Recurrent, Transformer, pooled
from runtree.algorithms.networks.sequences.tokens import FIRST, Tokenizer
from runtree.algorithms.networks.tasks import Classification, Regression
from runtree.contract.errors import ConfigError

AT_ONCE = 32_768  # steps that are predicted at a time: their states fit into a processor's cache, or nearly


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequence(Network):
    """A network that reads steps in their order: the tokens of a text, or the values of a series.

    A table of one column of text is read as texts; a table of numbers as series, whose columns are the steps.

    Parameters
    ----------
    model
        "gru", gated recurrent units, or "transformer", attention.
    layers, units, heads
        How many layers, how wide each is, and among how many heads of attention a transformer's width is shared.
    dropout
        The share that is left out in training: of each step, between layers, and of what is pooled.
    pooling
        What of a sequence is told from: the "mean" of all steps, or the "last" one.
    tokens
        A text is read by "words" or by "characters"; languages that put no spaces between words need the latter.
    vocabulary, min_count
        How many tokens are known, and how often the train rows must have one; all others are one token, "unknown".
    max_length
        How many tokens of a text are read.
    channels
        Of a series: how many values a step has; the columns are (step 1, channel 1), (step 1, channel 2), …
    """

    model: str = "gru"
    layers: int = 1
    units: int = 64
    heads: int = 4
    dropout: float = 0.2
    pooling: str = "mean"
    tokens: str = "words"
    vocabulary: int = 5000
    min_count: int = 2
    max_length: int = 100
    channels: int = 1
    max_epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.002

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "model": [one_of("gru", "transformer")],
        "layers": [whole(1)],
        "units": [whole(1)],
        "heads": [whole(1)],
        "dropout": [share()],
        "pooling": [one_of("mean", "last")],
        "tokens": [one_of("words", "characters")],
        "vocabulary": [whole(1)],
        "min_count": [whole(1)],
        "max_length": [whole(1)],
        "channels": [whole(1)],
    }

    def check_rows(self, X: Any, reset: bool) -> Any:
        """Return a frame of one column of text, or float64 of shape (rows, columns), NaN allowed."""
        text = holds_text(X) if reset else isinstance(self.encoder_, Tokenizer)
        return check_text(self, X, reset) if text else check_series(self, X, reset, self.channels)

    def learn_inputs(self, X: Any) -> Tokenizer | SeriesEncoder:
        """Learn the tokens of texts, or the mean and deviation of series."""
        if holds_text(X):
            return Tokenizer.learn(X, self.tokens, self.vocabulary, self.min_count, self.max_length)
        return SeriesEncoder.learn(X, self.channels)

    def make_module(self, encoder: Tokenizer | SeriesEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        if self.model == "transformer" and self.units % self.heads:
            possible = ", ".join(str(n) for n in range(1, min(self.units, 32) + 1) if self.units % n == 0)
            raise ConfigError(
                f"algorithm.heads: {self.heads} heads cannot share {self.units} units evenly", f"possible: {possible}"
            )
        return SequenceModule(self, encoder, outputs)


class SequenceModule(nn.Module):
    """The module, as its estimator's parameters say."""

    def __init__(self, asked: TorchSequence, encoder: Tokenizer | SeriesEncoder, outputs: int) -> None:
        super().__init__()
        self.pooling = asked.pooling
        self.input = step_input(encoder, asked.units)
        self.body: nn.Module = (
            Recurrent(asked.units, asked.layers, asked.dropout)
            if asked.model == "gru"
            else Transformer(asked.units, asked.layers, asked.heads, asked.dropout)
        )
        self.thin = nn.Dropout(asked.dropout)
        self.output = nn.Linear(asked.units, outputs)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs); thousands of rows to predict are taken some at a time."""
        if self.training:
            return self.said(steps, lengths)
        size = max(1, AT_ONCE // steps.shape[1])
        parts = zip(torch.split(steps, size), torch.split(lengths, size), strict=True)
        return torch.cat([self.said(part, its) for part, its in parts])

    def said(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of rows; nobody computes what lies behind the longest of them."""
        longest = int(lengths.max())
        known = torch.arange(longest, device=steps.device) < lengths[:, None]
        states = self.body(self.thin(self.input(steps[:, :longest])), known)
        outputs: Tensor = self.output(self.thin(pooled(states, known, self.pooling)))
        return outputs


def step_input(encoder: Tokenizer | SeriesEncoder, units: int) -> nn.Module:
    """Return the first layer: a learned vector for each token, or what a step's values become."""
    if isinstance(encoder, Tokenizer):
        return nn.Embedding(len(encoder.vocabulary) + FIRST, units, padding_idx=0)
    return nn.Linear(len(encoder.mean), units)


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequenceClassifier(Classification, TorchSequence):
    """A network for sequences that tells classes."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequenceRegressor(Regression, TorchSequence):
    """A network for sequences that tells numbers."""
