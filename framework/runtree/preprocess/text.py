"""Free text as a few numbers."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from runtree.preprocess.table import spread, texts_of

Array = np.ndarray[Any, Any]

TOKEN = r"(?u)\b\w+\b"  # single characters too: scikit-learn's own pattern finds no word at all in some texts
SAMPLE = 20_000  # rows, evenly spaced, to learn from: more cost time and memory and change the frequent words little


class TextTopics(BaseEstimator):  # type: ignore[misc]
    """Weigh the words of each column (tf-idf) and keep the directions in which texts differ most (truncated SVD).

    Parameters
    ----------
    max_features : int
        How many words are known, the most frequent.
    components : int
        How many features a column becomes.
    random_state : int
        Seeds the decomposition.

    Attributes
    ----------
    names_ : list of str
        The columns.
    vectorizers_, projections_ : list
        `TfidfVectorizer` and `TruncatedSVD` of each column.
    """

    def __init__(self, max_features: int, components: int, random_state: int = 0) -> None:
        self.max_features = max_features
        self.components = components
        self.random_state = random_state

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn words and directions."""
        self.names_ = [str(name) for name in table.columns]
        sample = spread(table, SAMPLE)
        learned = [self._learn(texts_of(sample[name])) for name in self.names_]
        self.vectorizers_ = [vectorizer for vectorizer, _ in learned]
        self.projections_ = [projection for _, projection in learned]
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        steps = zip(self.names_, self.vectorizers_, self.projections_, strict=True)
        return np.hstack(
            [projection.transform(words.transform(texts_of(table[name]))) for name, words, projection in steps]
        )

    def get_feature_names_out(self) -> list[str]:
        """Return ``review_topic1``, ``review_topic2``, …"""
        sizes = [len(projection.components_) for projection in self.projections_]
        return [
            f"{name}_topic{topic + 1}" for name, size in zip(self.names_, sizes, strict=True) for topic in range(size)
        ]

    def _learn(self, texts: Array) -> tuple[TfidfVectorizer, TruncatedSVD]:
        vectorizer = TfidfVectorizer(max_features=self.max_features, token_pattern=TOKEN)
        weights = vectorizer.fit_transform(texts)
        # Plain whole numbers: skops writes 2 kB for each that is numpy's.
        vectorizer.vocabulary_ = {word: int(place) for word, place in vectorizer.vocabulary_.items()}
        projection = TruncatedSVD(min(self.components, *weights.shape), random_state=self.random_state)
        with np.errstate(invalid="ignore", divide="ignore"):  # texts of the same words have no variance to share out
            return vectorizer, projection.fit(weights)
