"""A network for sequences: texts, or series of numbers."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from pandas.api import types
from sklearn.utils.validation import validate_data
from torch import Tensor, nn

from runtree.algorithms.torch.estimator import CONSTRAINTS, Network, one_of, share, whole
from runtree.algorithms.torch.sequence_encoders import FIRST, SeriesEncoder, Tokenizer
from runtree.algorithms.torch.table_encoder import is_category
from runtree.algorithms.torch.task_heads import Classification, Regression
from runtree.contract.errors import ConfigError, DataError


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


# --- Which tables are sequences: one column of text, or numbers in the order of their columns.

Array = np.ndarray[Any, Any]


def holds_text(X: Any) -> bool:
    """Tell whether X is a frame with a column of text."""
    return isinstance(X, pd.DataFrame) and bool(text_columns(X))


def text_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns of text."""
    return [str(name) for name, dtype in X.dtypes.items() if is_category(dtype) and not types.is_bool_dtype(dtype)]


def check_text(estimator: Any, X: Any, reset: bool) -> pd.DataFrame:
    """Return a frame of one column, checked; in rows to predict it may have any type, as where all are missing."""
    if not isinstance(X, pd.DataFrame):
        raise ConfigError(f"the network learned from texts, and was given {type(X).__name__}", "type: preprocess=raw")
    if X.shape[1] != 1:
        text = text_columns(X)
        others = [str(name) for name in X.columns if str(name) != text[0]] if text else list(X.columns[1:])
        raise DataError(
            f"a network for sequences reads one column of text: found {X.shape[1]} columns, of text: {listed(text)}",
            f"leave the others out: data.drop=[{listed(others, ',')}]",
            "or learn from all of them: algorithm=torch_mlp preprocess=tabular",
        )
    least = 2 if reset else 1
    if len(X) < least:
        raise DataError(f"found {len(X)} row(s), and {least} are needed")
    checked: pd.DataFrame = validate_data(estimator, X, reset=reset, skip_check_array=True)
    return checked


def check_series(estimator: Any, X: Any, reset: bool, channels: int) -> Array:
    """Return float64 of shape (rows, steps x channels), NaN allowed."""
    refuse_what_is_no_number(X)
    values: Array = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if reset else 1,
    )
    if values.shape[1] % channels:
        raise ConfigError(
            f"algorithm.channels: {values.shape[1]} columns are no whole number of steps of {channels} channels",
            "the columns as they are: preprocess=raw",
        )
    return values


def refuse_what_is_no_number(X: Any) -> None:
    """Name what neither a text nor a series can be."""
    if isinstance(X, pd.DataFrame):
        for name, dtype in X.dtypes.items():
            if not types.is_numeric_dtype(dtype):
                raise DataError(f"column '{name}' holds {dtype}, and the steps of a series are numbers")
    elif isinstance(X, np.ndarray) and X.size and (X.dtype.kind == "U" or isinstance(X.flat[0], str)):
        raise ConfigError("texts are read from a table with one column, not from an array", "type: preprocess=raw")


def listed(names: list[str], between: str = ", ") -> str:
    """Return some names, and how many more there are."""
    return between.join(names[:6]) + (f"{between}… ({len(names)} in all)" if len(names) > 6 else "")


# --- A network for sequences: texts, or series of numbers.

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
        What the prediction is made from: the "mean" of all steps, or the "last" one.
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
