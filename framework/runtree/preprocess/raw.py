"""The choice for algorithms that read columns themselves: the table is handed on as it is."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from runtree.preprocess.table import as_table, check_rows, pick


class Raw(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hand a table to the algorithm as it is: text, categories, dates, file names and holes included.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The columns of the train part, in its order.
    n_features_in_ : int
        How many they are.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Remember the columns."""
        table = check_rows(as_table(X))
        self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        self.n_features_in_ = table.shape[1]
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the columns of the train part in its order; raise `DataError` where one is missing."""
        check_is_fitted(self)
        return pick(as_table(X), self.feature_names_in_.tolist()).copy(deep=False)

    def get_feature_names_out(self, input_features: Any = None) -> "np.ndarray[Any, Any]":
        """Return the name of each column."""
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_, dtype=object)
