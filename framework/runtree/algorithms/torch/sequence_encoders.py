"""Series and texts as numbers: standardised steps, and a tokenizer fitted on the train split."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from runtree.algorithms.torch.table_encoder import Inputs
from runtree.contract.errors import DataError

Array = np.ndarray[Any, Any]


@dataclass
class SeriesEncoder:
    """Encodes series as standardised steps.

    Attributes
    ----------
    steps
        Number of steps; the columns are steps times channels, the channels of a step side by side.
    mean, scale
        Mean and standard deviation of each channel, over all rows and steps.
    """

    steps: int
    mean: Array
    scale: Array

    @classmethod
    def learn(cls, X: Array, channels: int) -> Self:
        """Learn from the train rows, of shape (rows, steps x channels)."""
        values = X.reshape(-1, channels)
        known = ~np.isnan(values)
        count = np.maximum(1, known.sum(axis=0))
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        deviation = np.where(known, values - mean, 0.0)
        scale = np.sqrt((deviation**2).sum(axis=0) / count)
        scale[scale <= 1e-12 * np.abs(mean)] = 1.0  # constant up to rounding
        return cls(X.shape[1] // channels, mean, scale)

    def encode(self, X: Array) -> Inputs:
        """Return float32 of shape (rows, steps, channels), and lengths, int64 of shape (rows,), at least 1.

        A series ends at its last step with a value. A missing value before that is the last value before it, or the
        mean if there is none.
        """
        values = X.reshape(len(X), self.steps, len(self.mean))
        known = ~np.isnan(values)
        last = self.steps - np.asarray(known.any(axis=2))[:, ::-1].argmax(axis=1)
        lengths = np.where(known.any(axis=(1, 2)), last, 1).astype(np.int64)
        filled = values if known.all() else carried_forward(values, known)
        scaled = np.nan_to_num((filled - self.mean) / self.scale, nan=0.0).astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(scaled)), torch.from_numpy(lengths)


def carried_forward(values: Array, known: Array) -> Array:
    """Return values with missing ones replaced by the last value before them; NaN stays where there is none."""
    steps = np.arange(values.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(known, steps, 0), axis=1)
    carried: Array = np.take_along_axis(values, before, axis=1)
    return carried


# --- Texts as ids of tokens.

UNKNOWN, FIRST = 1, 2  # ids; 0 pads shorter texts


@dataclass
class Tokenizer:
    """Encodes texts as the ids of their tokens.

    Attributes
    ----------
    tokens
        "words" or "characters".
    vocabulary
        The known tokens, most frequent first, ties in alphabetical order; their ids begin at 2.
    length
        Number of tokens read of a text.
    """

    tokens: str
    vocabulary: list[str]
    length: int

    @classmethod
    def learn(cls, X: pd.DataFrame, tokens: str, vocabulary: int, min_count: int, max_length: int) -> Self:
        """Fit on the train rows: the most frequent of the tokens that occur at least `min_count` times."""
        counts: Counter[str] = Counter()
        longest = 0
        for found in split(texts_of(X), tokens):
            counts.update(found)
            longest = max(longest, len(found))
        if not counts:
            raise DataError(f"column '{X.columns[0]}' holds no {tokens}: all texts of the train split are empty")
        known = sorted((-count, token) for token, count in counts.items() if count >= min_count)
        return cls(tokens, [token for _, token in known[:vocabulary]], min(longest, max_length))

    def encode(self, X: pd.DataFrame) -> Inputs:
        """Return int32 ids of shape (rows, length), and lengths, int64 of shape (rows,), at least 1."""
        ids = {token: FIRST + place for place, token in enumerate(self.vocabulary)}
        padded, lengths = np.zeros((len(X), self.length), dtype=np.int32), np.ones(len(X), dtype=np.int64)
        for row, found in enumerate(split(texts_of(X), self.tokens)):
            read = [ids.get(token, UNKNOWN) for token in found[: self.length]]
            padded[row, : len(read)] = read
            lengths[row] = max(1, len(read))
        return torch.from_numpy(padded), torch.from_numpy(lengths)


def texts_of(X: pd.DataFrame) -> list[str]:
    """Return the texts of the one column; a missing one is empty."""
    column = X.iloc[:, 0]
    return [str(text) for text in column.astype(object).where(column.notna(), "")]


def split(texts: Iterable[str], tokens: str) -> Iterator[list[str]]:
    """Yield the tokens of each text, in lower case and the Unicode form NFKC, which unifies variants of a letter."""
    spaces = Spaces()
    for text in texts:
        plain = unicodedata.normalize("NFKC", text).lower()
        yield plain.translate(spaces).split() if tokens == "words" else list(" ".join(plain.split()))


class Spaces(dict[int, str]):
    """A table for `str.translate` that puts spaces around characters that are words by themselves.

    Letters, marks, digits and "_" form words. Each punctuation mark, symbol and Chinese character is a word by itself.
    Invisible characters (soft hyphen, joiners) are dropped. Filled on demand, as Unicode has a million characters.
    """

    def __missing__(self, code: int) -> str:
        """Return the replacement of a character."""
        character = chr(code)
        self[code] = made = "" if unicodedata.category(character) == "Cf" else spaced(character)
        return made


def spaced(character: str) -> str:
    """Return a character, with spaces around it unless it is part of a word."""
    kind = unicodedata.category(character)[0]
    if kind in "ZC":
        return " "
    part = kind in "LMN" and not unicodedata.name(character, "").startswith("CJK UNIFIED")
    return character if part or character == "_" else f" {character} "
