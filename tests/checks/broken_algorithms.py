"""Algorithms that are broken in one way each."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Peek(ClassifierMixin, BaseEstimator):
    """Predicts from a rule of its own, whatever it is fitted on."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] + X[:, 1] / 2 > 0).astype(int)]


class Stuck(Peek):
    """Computes its gradient and never applies it."""

    def __init__(self, max_epochs=5, eta0=0.1):
        self.max_epochs = max_epochs
        self.eta0 = eta0

    def fit(self, X, y):
        self.weights_ = np.random.default_rng(3).normal(size=X.shape[1])
        for _ in range(self.max_epochs):
            gradient = X.T @ (X @ self.weights_)
            self.weights_ - self.eta0 * gradient
        return super().fit(X, y)

    def predict(self, X):
        return self.classes_[(X @ self.weights_ > 0).astype(int)]


class Dice(Peek):
    """Draws its weights without a seed."""

    def fit(self, X, y):
        self.weights_ = np.random.default_rng().normal(size=X.shape[1])
        return super().fit(X, y)

    def predict(self, X):
        return self.classes_[(X @ self.weights_ > 0).astype(int)]


class Certain(Peek):
    """Gives every class the probability 1."""

    def predict_proba(self, X):
        return np.ones((len(X), len(self.classes_)))


class Flat(Peek):
    """Predicts two columns."""

    def predict(self, X):
        return np.tile(self.classes_[0], (len(X), 2))


class Fails(Peek):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise RuntimeError("no luck\nsecond line")
