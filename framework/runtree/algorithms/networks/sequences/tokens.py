"""Texts as numbers: the tokens that the train rows taught, each with an id."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import torch

from runtree.algorithms.networks.batches import Inputs
from runtree.contract.errors import DataError

UNKNOWN, FIRST = 1, 2  # 0 is what shorter texts are padded with


@dataclass
class Tokenizer:
    """What was learned of the train rows' texts.

    Attributes
    ----------
    tokens
        "words" or "characters".
    vocabulary
        The known tokens, the most frequent first, equally frequent ones by the alphabet; their ids begin at 2.
    length
        How many tokens of a text are read.
    """

    tokens: str
    vocabulary: list[str]
    length: int

    @classmethod
    def learn(cls, X: pd.DataFrame, tokens: str, vocabulary: int, min_count: int, max_length: int) -> Self:
        """Learn from the train rows: of tokens that are there `min_count` times, the most frequent ones."""
        counts: Counter[str] = Counter()
        longest = 0
        for found in split(texts_of(X), tokens):
            counts.update(found)
            longest = max(longest, len(found))
        if not counts:
            raise DataError(f"column '{X.columns[0]}' holds no {tokens}: every text of the train part is empty")
        known = sorted((-count, token) for token, count in counts.items() if count >= min_count)
        return cls(tokens, [token for _, token in known[:vocabulary]], min(longest, max_length))

    def encode(self, X: pd.DataFrame) -> Inputs:
        """Return int32 ids of shape (rows, length), and how many of them count: int64 of shape (rows,), 1 or more."""
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
    """Yield the tokens of each text, in lower case and Unicode's form NFKC, in which equal letters are equal."""
    spaces = Spaces()
    for text in texts:
        plain = unicodedata.normalize("NFKC", text).lower()
        yield plain.translate(spaces).split() if tokens == "words" else list(" ".join(plain.split()))


class Spaces(dict[int, str]):
    """Put spaces around what is a word by itself; filled while it is used, for there are a million characters.

    Letters, marks, digits and "_" make words. Each punctuation mark, symbol and Chinese character is one by itself.
    Invisible characters (the soft hyphen, joiners) vanish.
    """

    def __missing__(self, code: int) -> str:
        """Return what a character becomes."""
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
