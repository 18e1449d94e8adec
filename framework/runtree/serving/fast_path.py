"""A model's pipeline folded for few rows: no table, no checks that the schema has made already, each score once.

What is folded predicts what the pipeline predicts, which is tried on rows of all kinds when the model is loaded. What
cannot be folded goes through `Predictor`, as the rows of a file do.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pandas as pd

from runtree.contract.errors import describe_error, raise_if_ours
from runtree.lifecycle.predict import PREDICTION, Predictor
from runtree.serving.row_schema import RowSchema

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Rows = Sequence[Sequence[Any]]
Scored = tuple[list[Any], Any]  # the predicted label or number of each row, and the probabilities
Score = Callable[[Rows], Scored]

# A label is taken from the probabilities where `predict` of these does the same; near a tie they are asked.
BY_PROBABILITY = {
    "BaggingClassifier",
    "BernoulliNB",
    "CalibratedClassifierCV",
    "DecisionTreeClassifier",
    "ExtraTreesClassifier",
    "GaussianNB",
    "GradientBoostingClassifier",
    "HistGradientBoostingClassifier",
    "LinearDiscriminantAnalysis",
    "LogisticRegression",
    "MLPClassifier",
    "QuadraticDiscriminantAnalysis",
    "RandomForestClassifier",
    "TorchCNNClassifier",
    "TorchMLPClassifier",
    "TorchModuleClassifier",
    "TorchResNetClassifier",
    "TorchSequenceClassifier",
}
FORESTS = {"ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor"}
TIE = 1e-9
TOLERANCE = 1e-12  # of probabilities; of a regression, relative to the value
PROBES = 40


@contextmanager
def few_rows() -> Iterator[None]:
    """Let scikit-learn predict few rows in this thread: in one thread, without checks that the schema has made."""
    from joblib import parallel_config
    from sklearn import config_context
    from threadpoolctl import threadpool_limits

    with ExitStack() as stack:
        stack.enter_context(config_context(assume_finite=True, skip_parameter_validation=True))
        # a forest adds up its trees in the order in which threads end, which changes the last digit
        stack.enter_context(parallel_config("sequential"))
        # for a few rows the start of threads costs more than it gains; of OpenMP this is for the calling thread alone
        stack.enter_context(threadpool_limits(1, user_api="openmp"))
        yield


def to_table(schema: RowSchema, rows: Rows) -> pd.DataFrame:
    """Return checked rows as a table, as it is read from a file."""
    columns = {}
    for place, one in enumerate(schema.fields):
        values = [row[place] for row in rows]
        if one.type == "any":
            continue
        if one.type == "number":
            columns[one.name] = pd.Series(np.array(values, dtype=np.float64))
        elif one.type == "boolean" and None not in values:
            columns[one.name] = pd.Series(values, dtype=bool)
        else:
            columns[one.name] = pd.Series(values, dtype="str" if one.type == "text" else object)
    return pd.DataFrame(columns, index=range(len(rows)))


def score_as_file(predictor: Predictor, schema: RowSchema) -> Score:
    """Return the way that the rows of a file take."""
    from sklearn import config_context

    names = [f"p_{label}" for label in predictor.classes]

    def score(rows: Rows) -> Scored:
        with config_context(assume_finite=False):  # the thread that predicts has switched the checks off
            table = predictor.predict(to_table(schema, rows))
        proba: Any = table[names].to_numpy() if names and set(names) <= set(table.columns) else None
        return table[PREDICTION].tolist(), proba

    return score


def fold(predictor: Predictor, schema: RowSchema) -> Score:
    """Return the quickest way to score rows that predicts the same as the way of a file."""
    as_file = score_as_file(predictor, schema)
    steps: Any = getattr(predictor.model, "steps", ())
    make_encoder = getattr(steps[0][1], "row_encoder", None) if len(steps) == 2 else None
    if make_encoder is None:
        return as_file
    try:
        folded = _fold_steps(make_encoder(), steps[1][1], predictor.classes, as_file)
        difference = _difference(folded, as_file, probe_rows(schema))
    except Exception as error:
        raise_if_ours(error)
        difference = describe_error(error)
    if difference:
        log.info("this model is not folded, and takes longer: %s", difference)
        return as_file
    return folded


def _fold_steps(encode: Callable[[Rows], Array], last: Any, classes: tuple[Any, ...], as_file: Score) -> Score:
    from sklearn.utils import get_tags

    predict, takes_missing = _fold_algorithm(last, classes), get_tags(last).input_tags.allow_nan

    def score(rows: Rows) -> Scored:
        features = encode(rows)
        # an algorithm that takes no missing values refuses them by the checks that are switched off here
        if not takes_missing and np.isnan(features).any():
            return as_file(rows)
        return predict(features)

    return score


def _fold_algorithm(last: Any, classes: tuple[Any, ...]) -> Callable[[Array], Scored]:
    name = type(last).__name__
    if not classes:
        values = _forest(last) if name in FORESTS else last.predict
        return lambda features: (np.asarray(values(features)).ravel().tolist(), None)
    if not hasattr(last, "predict_proba"):
        return lambda features: (last.predict(features).tolist(), None)
    labels: list[Any] = last.classes_.tolist()
    order = [labels.index(label) for label in classes]
    by_probability = name in BY_PROBABILITY
    scores = _forest(last) if name in FORESTS else last.predict_proba

    def predict(features: Array) -> Scored:
        proba = scores(features)
        if by_probability and not _has_tie(proba):
            found = [labels[code] for code in proba.argmax(axis=1).tolist()]
        else:
            found = last.predict(features).tolist()
        return found, proba if order == sorted(order) else proba[:, order]

    return predict


def _has_tie(proba: Array) -> bool:
    highest = np.partition(proba, -2, axis=1) if proba.shape[1] > 2 else np.sort(proba, axis=1)
    return bool((highest[:, -1] - highest[:, -2] < TIE).any())


def _forest(forest: Any) -> Callable[[Array], Array]:
    """Return the mean of the trees, added up in their order as scikit-learn does in one thread."""
    trees = [tree.tree_ for tree in forest.estimators_]

    def mean_of_trees(features: Array) -> Array:
        rows = np.ascontiguousarray(features, dtype=np.float32)
        total = trees[0].predict(rows).astype(np.float64)
        for tree in trees[1:]:
            total += tree.predict(rows)
        mean: Array = total / len(trees)
        return mean

    return mean_of_trees


def probe_rows(schema: RowSchema) -> list[list[Any]]:
    """Return rows of all kinds: typical ones, both ends of each range, categories, unseen and missing values."""
    typical = schema.check(schema.example()).values
    rng = np.random.default_rng(0)
    rows = [typical]
    for _ in range(PROBES):
        row = list(typical)
        for place, one in enumerate(schema.fields):
            choice = rng.integers(4)
            if one.type == "number" and one.low is not None:
                row[place] = [one.low, one.high, float(rng.uniform(one.low, one.high)), None][choice]
            elif one.type == "text":
                known = sorted(one.levels) or [typical[place]]
                row[place] = [known[rng.integers(len(known))], known[0], "\N{REPLACEMENT CHARACTER}unseen", None][
                    choice
                ]
            if row[place] is None and not one.is_optional:
                row[place] = typical[place]
        rows.append(row)
    return rows


def _difference(folded: Score, as_file: Score, rows: Rows) -> str:
    """Return how two ways to score rows differ; empty if they do not. Each row alone, and all at once."""
    with few_rows():
        found, proba = folded(rows)
        single = [folded([row]) for row in rows[:3]]
    expected, expected_proba = as_file(rows)
    if (proba is None) != (expected_proba is None):
        return "one gives probabilities"
    if [label for labels, _ in single for label in labels] != found[: len(single)] and proba is not None:
        return "a row alone is predicted otherwise than among others"
    if (proba is not None or not isinstance(found[0], float)) and found != expected:
        return "labels differ"
    if proba is None and not isinstance(found[0], float):
        return ""
    one, other = (
        np.asarray(found if proba is None else proba),
        np.asarray(expected if proba is None else expected_proba),
    )
    largest = np.abs(one - other) / np.maximum(1.0, np.abs(other))
    return "" if largest.max() <= TOLERANCE else f"predictions differ by {largest.max():.2g}"
