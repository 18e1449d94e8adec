"""Free text columns as numbers: a linear score of their words for the target, and their topics."""

from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from runtree.preprocess.categories import EncodingTarget, feature_names, make_folds, read_target
from runtree.tables.table import sample_evenly, to_texts

Array = np.ndarray[Any, Any]

TOKEN = r"(?u)\b\w+\b"  # single characters too: scikit-learn's default pattern finds no word in some texts
SAMPLE_ROWS = 20_000  # to learn from; more rows cost time and memory and hardly change the frequent words


class TextEncoding(BaseEstimator):  # type: ignore[misc]
    """Encode each column by a score of its words for the target, and by its topics.

    Words and pairs of words are weighted by TF-IDF. The score is a ridge regression of the target on these weights, for
    three or more classes one for each of them: what a linear model of sparse text knows becomes one number that any
    algorithm can use. As in target encoding, the train split is scored fold by fold, so that no row takes part in its
    own score. The topics are the directions of largest variance (truncated SVD, latent semantic analysis).

    Parameters
    ----------
    max_features : int
        Size of the vocabulary, the most frequent words and pairs.
    components : int
        Topics per column.
    task : "auto", "classification" or "regression"
        The kind of the target.
    random_state : int
        Seeds the folds and the decomposition.

    Attributes
    ----------
    names_, classes_ : list of str
        The columns; the classes of the target, empty for a regression.
    vectorizers_, ridges_, scalers_, projections_ : list
        `TfidfVectorizer`, `Ridge` and the `StandardScaler` of its scores, and `TruncatedSVD` of each column.
    """

    def __init__(self, max_features: int, components: int, task: str = "auto", random_state: int = 0) -> None:
        self.max_features = max_features
        self.components = components
        self.task = task
        self.random_state = random_state

    def fit_transform(self, table: pd.DataFrame, y: Any) -> Array:
        """Learn the encoding; return the train split encoded, its scores fold by fold."""
        self.names_ = [str(name) for name in table.columns]
        target = read_target(y, self.task, self.names_)
        self.classes_ = target.classes
        self.vectorizers_: list[TfidfVectorizer] = []
        self.ridges_: list[Ridge] = []
        self.scalers_: list[StandardScaler] = []
        self.projections_: list[TruncatedSVD] = []
        return np.hstack([self._learn(to_texts(table[name]), target) for name in self.names_])

    def transform(self, table: pd.DataFrame) -> Array:
        """Return float64 of shape (rows, features)."""
        steps = zip(self.names_, self.vectorizers_, self.ridges_, self.scalers_, self.projections_, strict=True)
        blocks = []
        for name, vectorizer, ridge, scaler, projection in steps:
            weights = vectorizer.transform(to_texts(table[name]))
            scores = ridge.predict(weights).reshape(len(table), -1)
            blocks += [scaler.transform(scores), projection.transform(weights)]
        return np.hstack(blocks)

    def get_feature_names_out(self) -> list[str]:
        """Return ``review_score``, for several classes ``review_score_<class>``, and ``review_topic1`` …"""
        names = []
        for name, projection in zip(self.names_, self.projections_, strict=True):
            names += feature_names([f"{name}_score"], self.classes_)
            names += [f"{name}_topic{topic + 1}" for topic in range(len(projection.components_))]
        return names

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with each vocabulary as one text: of a dict skops would write a node for each word."""
        state = dict(super().__getstate__())
        if "vectorizers_" in state:
            state["vectorizers_"] = [copy(vectorizer) for vectorizer in self.vectorizers_]
            for vectorizer in state["vectorizers_"]:
                words = vectorizer.__dict__.pop("vocabulary_")
                vectorizer.words_ = "\n".join(sorted(words, key=words.__getitem__))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for vectorizer in self.__dict__.get("vectorizers_", ()):
            words = vectorizer.__dict__.pop("words_").split("\n")
            vectorizer.vocabulary_ = {word: place for place, word in enumerate(words)}

    def _learn(self, texts: Array, target: EncodingTarget) -> Array:
        chosen = sample_evenly(pd.Series(np.arange(len(texts))), SAMPLE_ROWS).to_numpy()
        vectorizer = TfidfVectorizer(
            max_features=self.max_features, token_pattern=TOKEN, ngram_range=(1, 2), sublinear_tf=True
        )
        sample = vectorizer.fit_transform(texts[chosen])
        weights = sample if len(chosen) == len(texts) else vectorizer.transform(texts)
        # TruncatedSVD refuses more components than there are words, and more than there are rows have no content
        projection = TruncatedSVD(min(self.components, *sample.shape), random_state=self.random_state)
        with np.errstate(invalid="ignore", divide="ignore"):  # texts of the same words have no variance to explain
            projection.fit(sample)
        ridge, scores = self._score(weights, chosen, target)
        scaler = StandardScaler().fit(scores)
        self.vectorizers_.append(vectorizer)
        self.ridges_.append(ridge)
        self.scalers_.append(scaler)
        self.projections_.append(projection)
        return np.hstack([scaler.transform(scores), projection.transform(weights)])

    def _score(self, weights: csr_matrix, chosen: Array, target: EncodingTarget) -> tuple[Ridge, Array]:
        """Return the ridge of all chosen rows, and for each row the score of a ridge that has not seen it."""
        sample, truth = weights[chosen], indicators(target)[chosen]
        ridge = Ridge().fit(sample, truth)
        scores = ridge.predict(weights).reshape(weights.shape[0], -1)
        folds = make_folds(EncodingTarget(target.values[chosen], target.classes), self.random_state)
        for train, held_out in folds.split(sample, target.values[chosen]):
            predicted = Ridge().fit(sample[train], truth[train]).predict(sample[held_out])
            scores[chosen[held_out]] = predicted.reshape(len(held_out), -1)
        return ridge, scores


def indicators(target: EncodingTarget) -> Array:
    """Return the target as float64 of shape (rows, 1), or (rows, classes) for three or more classes."""
    if len(target.classes) > 2:
        return np.eye(len(target.classes))[target.values]
    return target.values.astype(float)[:, None]
