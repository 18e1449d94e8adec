"""The default preprocessing: any table becomes numbers, each column by an encoder for its type."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.feature_blocks import FeatureBlock, OtherBlock
from runtree.preprocess.categories import NativeCodes, OneHot, TargetEncoding
from runtree.preprocess.dates import DateParts
from runtree.preprocess.numeric import ImputeScale
from runtree.preprocess.rows import (
    Encode,
    encode_categories,
    encode_numbers,
    encode_table,
    join_blocks,
    level_blocks,
    number_block,
)
from runtree.preprocess.text import TextEncoding
from runtree.tables.column_types import ColumnType, check_choices, infer_column_type
from runtree.tables.table import as_table, check_columns, check_rows, distinct_names, pick

Array = np.ndarray[Any, Any]

CHUNK = 4096  # rows encoded at a time
LEVELS = ("native", "few", "many")  # kinds of columns whose values are levels
MAX_NATIVE_LEVELS = 255  # that histogram boosting takes, missing values as one of them


class Tabular(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn a table of numbers, dates, categories and text, with missing values, into numbers.

    Numbers are imputed and scaled, dates become their parts, categories are one-hot encoded if they have few levels
    and target encoded if they have many, and free text becomes a score of its words and some topics. Columns without
    information are dropped. The type of a column is inferred from the train split; later tables are read accordingly,
    whatever their dtypes.

    The encoded rows are written into one array chunk by chunk: scikit-learn's `ColumnTransformer` holds all blocks and
    their concatenation at once; this needs a fraction of the memory. As there, `fit_transform` differs from `fit`
    followed by `transform` for target encoding and text: in the train split no row is encoded by its own target.

    Parameters
    ----------
    max_levels : int
        Categories with more levels are target encoded.
    min_frequency : float
        Levels in a smaller share of the rows share one feature; 0 merges none.
    max_features : int
        Size of the vocabulary of a text column, words and pairs of words.
    text_components : int
        Topics per text column.
    columns : mapping of str to str
        What a column becomes, where its values would show something else: number, date, category, one_hot, target
        (target encoded), text, or drop. Columns that the table does not have are passed over.
    native_categories : bool
        Set by a run whose algorithm gets categories as they are: each column of up to 255 levels becomes one feature
        with the number of its level, instead of one-hot features; those of many levels are target encoded as well.
    task : "auto", "classification" or "regression"
        The kind of the target, for target encoding and text; "auto" infers it.
    random_state : int
        Seeds the folds of target encoding and text, and the decomposition of text.

    Attributes
    ----------
    kinds_ : dict of str to str
        Each column's kind: number, date, few, many, text or dropped.
    dropped_ : dict of str to str
        The reason for each column that is dropped.
    encoders_ : dict of str to estimator
        The fitted encoder of each kind.
    feature_names_in_, n_features_in_
        The columns of the train split, and their number.
    """

    def __init__(
        self,
        max_levels: int = 10,
        min_frequency: float = 0.005,
        max_features: int = 20_000,
        text_components: int = 30,
        columns: Mapping[str, str] | None = None,
        native_categories: bool = False,
        task: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.max_levels = max_levels
        self.min_frequency = min_frequency
        self.max_features = max_features
        self.text_components = text_components
        self.columns = columns
        self.native_categories = native_categories
        self.task = task
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Say what the input may hold."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        self._learn(as_table(X), y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Array:
        """Fit, and return the train split encoded, target-encoded columns fold by fold."""
        table = as_table(X)
        return self._encode(table, self._learn(table, y))

    def transform(self, X: Any) -> Array:
        """Return float64 of shape (rows, features); raise `DataError` if a column is missing or unreadable."""
        check_is_fitted(self)
        # a column that was dropped in training may be missing later
        used = [name for name, kind in self.kinds_.items() if kind != "dropped"]
        return self._encode(check_columns(as_table(X, self.n_features_in_, "Tabular"), used), {})

    def column_kinds(self) -> dict[str, tuple[str, str]]:
        """Return each column's kind, and the format of a date written as text or the reason for dropping it."""
        check_is_fitted(self)
        dates = self.encoders_["date"].formats if "date" in self.encoders_ else {}
        return {name: (kind, dates.get(name) or self.dropped_.get(name, "")) for name, kind in self.kinds_.items()}

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of each feature: ``age``, ``age_missing``, ``city_Paris``, ``signed_up_month``, …"""
        check_is_fitted(self)
        return distinct_names(name for encoder in self.encoders_.values() for name in encoder.get_feature_names_out())

    def row_encoder(self) -> Encode:
        """Return a function that encodes a few rows of plain values as `transform` encodes their table."""
        check_is_fitted(self)
        names = self.feature_names_in_.tolist()
        blocks: list[tuple[Encode, slice]] = []
        for kind, place in self._places().items():
            encoder, own = self.encoders_[kind], self._columns(kind)
            positions = [names.index(name) for name in own]
            if kind == "number":
                block = encode_numbers(number_block(encoder, own), positions, len(names))
            elif kind in LEVELS:
                block = encode_categories(level_blocks(encoder), positions)
            else:
                block = encode_table(encoder, own, positions)
            blocks.append((block, place))
        return join_blocks(blocks, blocks[-1][1].stop)

    def feature_blocks(self) -> list[FeatureBlock]:
        """Return how a row becomes the features, as plain arrays."""
        check_is_fitted(self)
        blocks: list[FeatureBlock] = []
        for kind, encoder in self.encoders_.items():
            if kind in LEVELS:
                blocks += level_blocks(encoder)
            elif kind == "date":
                blocks.append(encoder.block())
            else:
                own = self._columns(kind)
                blocks.append(number_block(encoder, own) if kind == "number" else OtherBlock(own, kind))
        return blocks

    def _places(self) -> dict[str, slice]:
        """Return where the features of each encoder stand."""
        ends = np.cumsum([0, *(len(encoder.get_feature_names_out()) for encoder in self.encoders_.values())]).tolist()
        return {kind: slice(*place) for kind, place in zip(self.encoders_, pairwise(ends), strict=True)}

    def level_counts(self) -> list[int]:
        """Return the number of levels of each feature that is the number of a level; these are the first features."""
        check_is_fitted(self)
        return self.encoders_["native"].counts() if "native" in self.encoders_ else []

    def _learn(self, table: pd.DataFrame, y: Any) -> dict[str, Array]:
        """Fit the encoder of each kind; return the blocks that fitting has encoded already."""
        self._check_parameters()
        asked = self.columns or {}
        types = {
            str(name): infer_column_type(column, self.max_levels, asked.get(str(name), ""))
            for name, column in check_rows(table).items()
        }
        self.kinds_ = {name: str(column_type.kind) for name, column_type in types.items()}
        self.dropped_ = {
            name: column_type.detail for name, column_type in types.items() if column_type.kind == "dropped"
        }
        self.feature_names_in_, self.n_features_in_ = np.asarray(table.columns, dtype=object), table.shape[1]
        if len(self.dropped_) == len(types):
            rows = ": nothing varies in 1 sample" if len(table) == 1 else ""
            raise DataError(f"no feature columns are left{rows}", *_dropped_reasons(self.dropped_))
        self.native_ = self._native_columns(table) if self.native_categories else []
        self.encoders_ = dict(self._encoders(types))
        return {kind: block for kind in self.encoders_ if (block := self._fit(kind, table, y)) is not None}

    def _encoders(self, types: Mapping[str, ColumnType]) -> Iterator[tuple[str, Any]]:
        formats = {name: column_type.detail for name, column_type in types.items() if column_type.kind == "date"}
        encoders = {
            "native": NativeCodes(),
            "number": ImputeScale(),
            "date": DateParts(formats),
            "few": OneHot(self.min_frequency),
            "many": TargetEncoding(self.task, self.random_state),
            "text": TextEncoding(self.max_features, self.text_components, self.task, self.random_state),
        }
        return ((kind, encoder) for kind, encoder in encoders.items() if self._columns(kind))

    def _columns(self, kind: str) -> list[str]:
        """Return the columns of an encoder."""
        if kind == "native":
            return self.native_
        # many levels are target encoded as well, since trees find it hard to sort them by the target
        aside = self.native_ if kind == "few" else ()
        return [name for name, own_kind in self.kinds_.items() if own_kind == kind and name not in aside]

    def _native_columns(self, table: pd.DataFrame) -> list[str]:
        """Return the categories with levels enough for a number each."""
        return [
            name
            for name, kind in self.kinds_.items()
            if kind in ("few", "many")
            and (self.columns or {}).get(name) not in ("one_hot", "target")
            and table[name].nunique(dropna=False) <= MAX_NATIVE_LEVELS
        ]

    def _fit(self, kind: str, table: pd.DataFrame, y: Any) -> Array | None:
        columns = pick(table, self._columns(kind))
        encoder = self.encoders_[kind]
        # these two know the target and encode the train split fold by fold; the others are applied in `_encode`
        if kind == "many":
            return np.asarray(encoder.fit_transform(columns, y))
        if kind == "text":
            return np.asarray(encoder.fit(columns, y))
        encoder.fit(columns)
        return None

    def _encode(self, table: pd.DataFrame, encoded: Mapping[str, Array]) -> Array:
        """Encode chunk by chunk into one array. Nothing learned here sums over rows, so chunks change no value."""
        places = self._places()
        # allocated once: a list of blocks and their concatenation would need twice the memory
        block = np.empty((len(table), max(place.stop for place in places.values())))
        for start in range(0, len(table), CHUNK):
            rows = slice(start, start + CHUNK)
            chunk = table.iloc[rows]
            for kind, place in places.items():
                encoder, own = self.encoders_[kind], encoded[kind][rows] if kind in encoded else None
                if own is None:
                    block[rows, place] = encoder.transform(chunk)
                else:  # of a text only the scores are fold by fold: topics of all rows would take their memory twice
                    block[rows, place] = encoder.transform(chunk, own) if kind == "text" else own
        return block

    def _check_parameters(self) -> None:
        check_choices(self.columns or {})
        for name in ("max_levels", "max_features", "text_components"):
            if getattr(self, name) < 1:
                raise ConfigError(f"preprocess.{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 <= self.min_frequency < 1:
            raise ConfigError(
                f"preprocess.min_frequency is {self.min_frequency}; it must be from 0 up to, not including, 1"
            )


def _dropped_reasons(dropped: Mapping[str, str]) -> list[str]:
    return [f"column '{name}': {reason}" for name, reason in list(dropped.items())[:3]]
