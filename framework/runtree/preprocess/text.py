"""Free text columns as numbers: a linear score of their words for the target, and their topics."""

from copy import copy
from typing import Any

import numpy as np
import pandas as pd
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

    def fit(self, table: pd.DataFrame, y: Any) -> Array:
        """Learn the encoding; return the scores of the train split, of shape (rows, scores of all columns).

        Each is by a ridge that has not seen its row; NaN for rows that none was fitted on.
        """
        self.names_ = [str(name) for name in table.columns]
        target = read_target(y, self.task, self.names_)
        self.classes_ = target.classes
        self.vectorizers_: list[TfidfVectorizer] = []
        self.ridges_: list[Ridge] = []
        self.scalers_: list[StandardScaler] = []
        self.projections_: list[TruncatedSVD] = []
        # evenly spaced, as in the recognition of text
        chosen = sample_evenly(pd.Series(np.arange(len(table))), SAMPLE_ROWS).to_numpy()
        sampled = EncodingTarget(target.values[chosen], target.classes)
        learned = [self._learn(to_texts(table[name].iloc[chosen]), sampled) for name in self.names_]
        scores = np.full((len(table), sum(own.shape[1] for own in learned)), np.nan)
        scores[chosen] = np.hstack(learned)
        return scores

    def transform(self, table: pd.DataFrame, scores: Array | None = None) -> Array:
        """Return float64 of shape (rows, features); `scores` are those of `fit` for rows of the train split."""
        steps = zip(self.names_, self.vectorizers_, self.ridges_, self.scalers_, self.projections_, strict=True)
        blocks, start = [], 0
        for name, vectorizer, ridge, scaler, projection in steps:
            weights = vectorizer.transform(to_texts(table[name]))
            own = scaler.transform(ridge.predict(weights).reshape(len(table), -1))
            if scores is not None:
                unseen = scores[:, start : start + own.shape[1]]
                own = np.where(np.isnan(unseen), own, unseen)
            start += own.shape[1]
            blocks += [own, projection.transform(weights)]
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
        """Learn the encoding of a column; return the scores of its rows, fold by fold."""
        vectorizer = TfidfVectorizer(
            max_features=self.max_features, token_pattern=TOKEN, ngram_range=(1, 2), sublinear_tf=True
        )
        weights, truth = vectorizer.fit_transform(texts), indicators(target)
        # TruncatedSVD refuses more components than there are words, and more than there are rows have no content
        projection = TruncatedSVD(min(self.components, *weights.shape), random_state=self.random_state)
        with np.errstate(invalid="ignore", divide="ignore"):  # texts of the same words have no variance to explain
            projection.fit(weights)
        scores = np.empty_like(truth)
        for train, held_out in make_folds(target, self.random_state).split(weights, target.values):
            predicted = Ridge().fit(weights[train], truth[train]).predict(weights[held_out])
            scores[held_out] = predicted.reshape(len(held_out), -1)
        scaler = StandardScaler()
        scaled: Array = scaler.fit_transform(scores)
        self.vectorizers_.append(vectorizer)
        self.ridges_.append(Ridge().fit(weights, truth))
        self.scalers_.append(scaler)
        self.projections_.append(projection)
        return scaled


def indicators(target: EncodingTarget) -> Array:
    """Return the target as float64 of shape (rows, 1), or (rows, classes) for three or more classes."""
    if len(target.classes) > 2:
        return np.eye(len(target.classes))[target.values]
    return target.values.astype(float)[:, None]
