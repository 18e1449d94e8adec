"""The models that any other must beat: one that looks at no column, a line, and boosted trees with usual settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.types import Task

TREES = 100  # at most; for several classes one is grown for each in every iteration
FEWEST_ITERATIONS = 10


@dataclass(frozen=True)
class Baseline:
    """One of them.

    Attributes
    ----------
    make
        ``make(task, classes, seed)`` with the number of classes; for a regression 0.
    kin
        Names of the classes that are this baseline themselves.
    reads
        Whether it looks at columns, which then must be numbers.
    instead
        The option of the group `algorithm` to choose in its place.
    """

    name: str
    make: Callable[[Task, int, int], Any]
    kin: tuple[str, ...]
    instead: Mapping[Task, str]
    reads: bool = True


def dummy(task: Task, classes: int, seed: int) -> Any:
    """Return scikit-learn's dummy: the shares of the classes, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()


def linear(task: Task, classes: int, seed: int) -> Any:
    """Return a logistic or a ridge regression of standardised columns, holes filled with the median."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = LogisticRegression(max_iter=200) if task == "classification" else Ridge()
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), line)


def boosted(task: Task, classes: int, seed: int) -> Any:
    """Return boosted trees of at most 15 leaves: 100 trees; of more than two classes 10 to 33 for each."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    iterations = max(TREES // (classes if classes > 2 else 1), FEWEST_ITERATIONS)
    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return kind(
        max_iter=iterations,
        learning_rate=min(0.3, 10 / iterations),  # fewer steps are longer ones
        max_leaf_nodes=15,
        early_stopping=False,
        random_state=seed,
    )


BASELINES = (
    Baseline("dummy", dummy, ("DummyClassifier", "DummyRegressor"), {}, reads=False),
    Baseline(
        "linear",
        linear,
        ("LogisticRegression", "RidgeClassifier", "LinearRegression", "Ridge"),
        {"classification": "logistic", "regression": "ridge"},
    ),
    Baseline(
        "boosted",
        boosted,
        ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
        {"classification": "hist_gradient_boosting", "regression": "hist_gradient_boosting"},
    ),
)
NAMES = tuple(one.name for one in BASELINES)
