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

    Padding follows a sequence, so it does not affect the states of the sequence.
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

    Layers are pre-normalised, which needs no warm-up of the learning rate (Xiong et al. 2020, 2002.04745).
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
        """Return a state of each step that depends on all steps: (rows, steps, units)."""
        states = steps + positions(steps.shape[1], steps.shape[2], steps.device)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~known)
        normalized: Tensor = self.norm(states)
        return normalized


def positions(steps: int, units: int, device: torch.device) -> Tensor:
    """Return sinusoidal position encodings, (steps, units) (Vaswani et al. 2017, section 3.5)."""
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


# --- Tables of sequences: a single column of text, or columns of numbers in the order of the steps.

Array = np.ndarray[Any, Any]


def holds_text(X: Any) -> bool:
    """Return whether X is a frame with a column of text."""
    return isinstance(X, pd.DataFrame) and bool(text_columns(X))


def text_columns(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns of text."""
    return [str(name) for name, dtype in X.dtypes.items() if is_category(dtype) and not types.is_bool_dtype(dtype)]


def check_text(estimator: Any, X: Any, reset: bool) -> pd.DataFrame:
    """Return a frame of one column. For a prediction it may have any dtype, as an all-missing column has."""
    if not isinstance(X, pd.DataFrame):
        raise ConfigError(f"the network was trained on text, but got {type(X).__name__}", "type: preprocess=raw")
    if X.shape[1] != 1:
        text = text_columns(X)
        others = [str(name) for name in X.columns if str(name) != text[0]] if text else list(X.columns[1:])
        raise DataError(
            f"a network for sequences reads one column of text: found {X.shape[1]} columns, with text: {listed(text)}",
            f"drop the others: data.drop=[{listed(others, ',')}]",
            "or use all of them: algorithm=torch_mlp preprocess=tabular",
        )
    least = 2 if reset else 1
    if len(X) < least:
        raise DataError(f"found {len(X)} row(s), at least {least} required")
    checked: pd.DataFrame = validate_data(estimator, X, reset=reset, skip_check_array=True)
    return checked


def check_series(estimator: Any, X: Any, reset: bool, channels: int) -> Array:
    """Return float64 of shape (rows, steps x channels), NaN allowed."""
    refuse_non_numeric(X)
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
            f"algorithm.channels: {values.shape[1]} columns cannot be split into steps of {channels} channels",
            "to use the columns unchanged: preprocess=raw",
        )
    return values


def refuse_non_numeric(X: Any) -> None:
    """Raise an error that names a column or array that is neither text nor a series."""
    if isinstance(X, pd.DataFrame):
        for name, dtype in X.dtypes.items():
            if not types.is_numeric_dtype(dtype):
                raise DataError(f"column '{name}' has dtype {dtype}, but the steps of a series are numbers")
    elif isinstance(X, np.ndarray) and X.size and (X.dtype.kind == "U" or isinstance(X.flat[0], str)):
        raise ConfigError("text is read from a table with one column, not from an array", "type: preprocess=raw")


def listed(names: list[str], between: str = ", ") -> str:
    """Return the first names, and the number of all if there are more."""
    return between.join(names[:6]) + (f"{between}… ({len(names)} in all)" if len(names) > 6 else "")


# --- The network and its estimators.

PREDICTED_STEPS = 32_768  # per batch, so that their states nearly fit into the cache of a CPU


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequence(Network):
    """A network for sequences: the tokens of a text, or the values of a series.

    A table with a single column of text holds texts; a table of numbers holds series, whose columns are the steps.

    Parameters
    ----------
    model
        "gru", gated recurrent units, or "transformer", attention.
    layers, units, heads
        Number of layers, units in each, and attention heads of a transformer.
    dropout
        Fraction dropped in training: of each step, between layers, and after pooling.
    pooling
        The state that is the input of the last layer: the "mean" over all steps, or the "last" one.
    tokens
        "words" or "characters"; the latter for languages without spaces between words.
    vocabulary, min_count
        Largest number of tokens, and lowest count of a token in the train rows; all others become the token "unknown".
    max_length
        Number of tokens read of a text.
    channels
        Values per step of a series; the columns are (step 1, channel 1), (step 1, channel 2), …
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
        """Fit the encoder: the tokens of texts, or mean and standard deviation of series."""
        if holds_text(X):
            return Tokenizer.learn(X, self.tokens, self.vocabulary, self.min_count, self.max_length)
        return SeriesEncoder.learn(X, self.channels)

    def make_module(self, encoder: Tokenizer | SeriesEncoder, outputs: int) -> nn.Module:
        """Return the module."""
        if self.model == "transformer" and self.units % self.heads:
            possible = ", ".join(str(n) for n in range(1, min(self.units, 32) + 1) if self.units % n == 0)
            raise ConfigError(
                f"algorithm.heads: {self.heads} heads do not divide {self.units} units", f"possible: {possible}"
            )
        return SequenceModule(self, encoder, outputs)


class SequenceModule(nn.Module):
    """The module of a `TorchSequence`."""

    def __init__(self, settings: TorchSequence, encoder: Tokenizer | SeriesEncoder, outputs: int) -> None:
        super().__init__()
        self.pooling = settings.pooling
        self.input = step_input(encoder, settings.units)
        self.body: nn.Module = (
            Recurrent(settings.units, settings.layers, settings.dropout)
            if settings.model == "gru"
            else Transformer(settings.units, settings.layers, settings.heads, settings.dropout)
        )
        self.drop = nn.Dropout(settings.dropout)
        self.output = nn.Linear(settings.units, outputs)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Return float32 of shape (rows, outputs); outside training in batches, to bound memory."""
        if self.training:
            return self.batch_outputs(steps, lengths)
        size = max(1, PREDICTED_STEPS // steps.shape[1])
        parts = zip(torch.split(steps, size), torch.split(lengths, size), strict=True)
        return torch.cat([self.batch_outputs(part, part_lengths) for part, part_lengths in parts])

    def batch_outputs(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs of one batch; steps after the longest sequence are cut off."""
        longest = int(lengths.max())
        known = torch.arange(longest, device=steps.device) < lengths[:, None]
        states = self.body(self.drop(self.input(steps[:, :longest])), known)
        outputs: Tensor = self.output(self.drop(pooled(states, known, self.pooling)))
        return outputs


def step_input(encoder: Tokenizer | SeriesEncoder, units: int) -> nn.Module:
    """Return the first layer: an embedding of tokens, or a linear map of the values of a step."""
    if isinstance(encoder, Tokenizer):
        return nn.Embedding(len(encoder.vocabulary) + FIRST, units, padding_idx=0)
    return nn.Linear(len(encoder.mean), units)


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequenceClassifier(Classification, TorchSequence):
    """A network for sequences, for classification."""


@dataclass(eq=False, repr=False, kw_only=True)
class TorchSequenceRegressor(Regression, TorchSequence):
    """A network for sequences, for regression."""
