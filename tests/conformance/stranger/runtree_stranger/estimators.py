"""Two algorithms and a preprocessing."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from runtree import DataError


class NearestCentre(ClassifierMixin, BaseEstimator):
    """Predict the class with the nearest mean, each shrunk towards the mean of all rows."""

    def __init__(self, shrink=0.0):
        self.shrink = shrink

    def fit(self, X, y):
        from sklearn.utils.multiclass import check_classification_targets

        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        means = np.array([X[y == label].mean(axis=0) for label in self.classes_])
        self.means_ = means + self.shrink * (X.mean(axis=0) - means)
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self.classes_[np.linalg.norm(X[:, None] - self.means_, axis=2).argmin(axis=1)]


class MeanOfRows(RegressorMixin, BaseEstimator):
    """Predict a line through the mean of each row's features."""

    def __init__(self, slope=None):
        self.slope = slope

    def fit(self, X, y):
        X, y = validate_data(self, X, y, y_numeric=True)
        means = X.mean(axis=1)
        spread = ((means - means.mean()) ** 2).sum()
        fitted = ((means - means.mean()) * (y - y.mean())).sum() / spread if spread else 0.0
        self.slope_ = float(fitted) if self.slope is None else float(self.slope)
        self.level_ = float(y.mean() - self.slope_ * means.mean())
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # one slope for all features
        return tags

    def predict(self, X):
        check_is_fitted(self)
        return self.level_ + self.slope_ * validate_data(self, X, reset=False).mean(axis=1)


class Ranks(TransformerMixin, BaseEstimator):
    """Replace each number by its rank among those of the train split; holes get the middle, texts are left out."""

    def fit(self, X, y=None):
        self.columns_ = [str(name) for name in X.columns if pd.api.types.is_numeric_dtype(X[name])]
        self.known_ = {name: np.sort(X[name].dropna().to_numpy(dtype=float)) for name in self.columns_}
        return self

    def transform(self, X):
        missing = [name for name in self.columns_ if name not in X.columns]
        if missing:
            raise DataError(f"the column '{missing[0]}' is missing")
        columns = []
        for name in self.columns_:
            values = pd.to_numeric(X[name], errors="coerce").to_numpy(dtype=float)
            ranks = np.searchsorted(self.known_[name], values) / max(len(self.known_[name]), 1)
            columns.append(np.where(np.isnan(values), 0.5, ranks))
        return np.column_stack(columns)

    def get_feature_names_out(self, names=None):
        return np.array(self.columns_, dtype=object)
