"""The default choice: any table becomes numbers, each column in the way of its kind."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from runtree.contract.errors import ConfigError, DataError
from runtree.preprocess.categories import OneHot, TargetEncoding
from runtree.preprocess.column_types import ColumnType, infer_column_type
from runtree.preprocess.dates import DateParts
from runtree.preprocess.numeric import ImputeScale
from runtree.preprocess.table import as_table, check_columns, check_rows, distinct_names, pick
from runtree.preprocess.text import TextTopics

Array = np.ndarray[Any, Any]

CHUNK = 4096  # rows encoded at a time


class Tabular(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn a table of numbers, dates, categories and text, with holes, into numbers.

    Numbers are filled and scaled, dates become their parts, categories of few levels a feature each level, of many
    levels the mean target of the level, and free text a few topics. Columns that tell nothing are dropped. What a
    column is, is learned from the train part; later tables are read accordingly, whatever their dtypes.

    The encoded rows are written into one block, chunk by chunk, where scikit-learn's `ColumnTransformer` holds all
    blocks and their copy at once. As there, `fit_transform` differs from `fit` and `transform` for categories of
    many levels: in the train part no row is encoded by its own target.

    Parameters
    ----------
    max_levels : int
        Categories of more levels are encoded by the target.
    min_frequency : float
        Levels in a smaller share of the rows are gathered in one feature; 0 gathers none.
    max_features : int
        Words that are known of a column of text.
    text_components : int
        Features that a column of text becomes.
    task : "auto", "classification" or "regression"
        What the target is, for the encoding by it; "auto" looks at the target.
    random_state : int
        Seeds folds and text decomposition.

    Attributes
    ----------
    kinds_ : dict of str to str
        Each column's kind: number, date, few, many, text or dropped.
    dropped_ : dict of str to str
        The reason for each column that is dropped.
    encoders_ : dict of str to estimator
        The fitted encoder of each kind.
    feature_names_in_, n_features_in_
        The columns of the train part, and how many they are.
    """

    def __init__(
        self,
        max_levels: int = 10,
        min_frequency: float = 0.005,
        max_features: int = 1000,
        text_components: int = 10,
        task: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.max_levels = max_levels
        self.min_frequency = min_frequency
        self.max_features = max_features
        self.text_components = text_components
        self.task = task
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what each column is and how it is encoded."""
        self._learn(as_table(X), y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Array:
        """Learn from the train part and return it encoded, the target-encoded columns fold by fold."""
        table = as_table(X)
        return self._encode(table, self._learn(table, y))

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features); raise `DataError` where a column is missing or unreadable."""
        check_is_fitted(self)
        used = [name for name, kind in self.kinds_.items() if kind != "dropped"]
        return self._encode(check_columns(as_table(X), used), {})

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of each feature: ``age``, ``age_missing``, ``city_Paris``, ``signed_up_month``, …"""
        check_is_fitted(self)
        return distinct_names(name for encoder in self.encoders_.values() for name in encoder.get_feature_names_out())

    def _learn(self, table: pd.DataFrame, y: Any) -> dict[str, Array]:
        """Fit the encoder of each kind; return the blocks that are encoded while they are fitted."""
        self._check_parameters()
        findings = {str(name): infer_column_type(column, self.max_levels) for name, column in check_rows(table).items()}
        self.kinds_ = {name: str(finding.kind) for name, finding in findings.items()}
        self.dropped_ = {name: finding.detail for name, finding in findings.items() if finding.kind == "dropped"}
        self.feature_names_in_, self.n_features_in_ = np.asarray(table.columns, dtype=object), table.shape[1]
        if len(self.dropped_) == len(findings):
            raise DataError("no column is left to learn from", *_reasons(self.dropped_))
        self.encoders_ = dict(self._encoders(findings))
        return {kind: block for kind in self.encoders_ if (block := self._fit(kind, table, y)) is not None}

    def _encoders(self, findings: Mapping[str, ColumnType]) -> Iterator[tuple[str, Any]]:
        formats = {name: finding.detail for name, finding in findings.items() if finding.kind == "date"}
        offered = {
            "number": ImputeScale(),
            "date": DateParts(formats),
            "few": OneHot(self.min_frequency),
            "many": TargetEncoding(self.task, self.random_state),
            "text": TextTopics(self.max_features, self.text_components, self.random_state),
        }
        kinds = set(self.kinds_.values())
        return ((kind, encoder) for kind, encoder in offered.items() if kind in kinds)

    def _fit(self, kind: str, table: pd.DataFrame, y: Any) -> Array | None:
        columns = pick(table, [name for name, its in self.kinds_.items() if its == kind])
        encoder = self.encoders_[kind]
        if kind == "many":
            return np.asarray(encoder.fit_transform(columns, y))
        encoder.fit(columns)
        return None

    def _encode(self, table: pd.DataFrame, done: Mapping[str, Array]) -> Array:
        """Fill one block: every sum over rows is behind us, so that chunks give what the whole would."""
        ends = np.cumsum([len(encoder.get_feature_names_out()) for encoder in self.encoders_.values()])
        places = {kind: slice(start, end) for kind, start, end in zip(self.encoders_, [0, *ends], ends, strict=False)}
        block = np.empty((len(table), ends[-1]))
        for start in range(0, len(table), CHUNK):
            rows = slice(start, start + CHUNK)
            chunk = table.iloc[rows]
            for kind, place in places.items():
                block[rows, place] = done[kind][rows] if kind in done else self.encoders_[kind].transform(chunk)
        return block

    def _check_parameters(self) -> None:
        for name in ("max_levels", "max_features", "text_components"):
            if getattr(self, name) < 1:
                raise ConfigError(f"preprocess.{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 <= self.min_frequency < 1:
            raise ConfigError(
                f"preprocess.min_frequency is {self.min_frequency}; it must be from 0 up to, not including, 1"
            )


def _reasons(dropped: Mapping[str, str]) -> list[str]:
    return [f"column '{name}': {reason}" for name, reason in list(dropped.items())[:3]]
