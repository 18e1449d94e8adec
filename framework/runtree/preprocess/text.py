"""Free text columns as a few numbers: TF-IDF and truncated SVD (latent semantic analysis)."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from runtree.tables.table import sample_evenly, to_texts

Array = np.ndarray[Any, Any]

TOKEN = r"(?u)\b\w+\b"  # single characters too: scikit-learn's default pattern finds no word in some texts
SAMPLE_ROWS = 20_000  # to learn from; more rows cost time and memory and hardly change the frequent words


class TextTopics(BaseEstimator):  # type: ignore[misc]
    """Weigh the words of each column by TF-IDF and keep the directions of largest variance (truncated SVD).

    Parameters
    ----------
    max_features : int
        Size of the vocabulary, the most frequent words.
    components : int
        Features per column.
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
        self.names_ = [str(name) for name in table.columns]
        sample = sample_evenly(table, SAMPLE_ROWS)
        learned = [self._learn(to_texts(sample[name])) for name in self.names_]
        self.vectorizers_ = [vectorizer for vectorizer, _ in learned]
        self.projections_ = [projection for _, projection in learned]
        return self

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        steps = zip(self.names_, self.vectorizers_, self.projections_, strict=True)
        return np.hstack(
            [projection.transform(words.transform(to_texts(table[name]))) for name, words, projection in steps]
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
        # As Python integers: skops writes 2 kB for each NumPy integer.
        vectorizer.vocabulary_ = {word: int(place) for word, place in vectorizer.vocabulary_.items()}
        # TruncatedSVD refuses more components than there are words, and more than there are rows have no content
        projection = TruncatedSVD(min(self.components, *weights.shape), random_state=self.random_state)
        with np.errstate(invalid="ignore", divide="ignore"):  # texts of the same words have no variance to explain
            return vectorizer, projection.fit(weights)
