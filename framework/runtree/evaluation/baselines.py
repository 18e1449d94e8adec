"""Baselines: simple models that are fitted beside a run's own, and by how much it beats them on the test split."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RuntreeError, first_line
from runtree.contract.predictions import Predictions, encode_target, predict
from runtree.contract.types import Finding, Level, Task
from runtree.evaluation.baseline_gain import (
    compare_by_other_metrics,
    compare_on_test,
    compare_with_guessing,
    format_gain,
    is_tie,
)
from runtree.evaluation.context import EvaluationContext
from runtree.training.active_run import ActiveRun
from runtree.training.pipeline import fit_preprocess, make_preprocess

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Baselines must stay cheap beside the run's own fit, whatever the size of the table.
MAX_CELLS = 1_000_000  # rows x columns of the train split
MIN_SAMPLED_ROWS = 1_000  # even if the table is so wide that they have more cells
MAX_COLUMNS = 1_000
MAX_TREES = 100  # over all classes: boosting grows one tree for each class in every iteration
MIN_ITERATIONS = 10
SKIPPED = "baselines_left_out"  # the key of evaluation.json that holds reasons


@dataclass(frozen=True)
class Baseline:
    """A model to compare with.

    Attributes
    ----------
    make
        ``make(task, classes, seed)`` with the number of classes, 0 for a regression; returns an unfitted estimator.
    same_models
        Class names of models that are this baseline themselves: a comparison would say nothing.
    algorithm
        The option of the group `algorithm` to choose instead of the run's own, by task.
    uses_columns
        Whether it reads columns, which must then be numeric.
    """

    name: str
    make: Callable[[Task, int, int], Any]
    same_models: tuple[str, ...]
    algorithm: Mapping[Task, str]
    uses_columns: bool = True


def dummy(task: Task, classes: int, seed: int) -> Any:
    """Return scikit-learn's dummy: the shares of the classes, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()


def linear(task: Task, classes: int, seed: int) -> Any:
    """Return a logistic or ridge regression of standardized columns, missing values filled with the median."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = LogisticRegression(max_iter=200) if task == "classification" else Ridge()
    # keep_empty_features: a column that is empty in the train rows would be dropped, and the columns would not match
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), line)


def boosted(task: Task, classes: int, seed: int) -> Any:
    """Return gradient boosting with at most 15 leaves a tree: 100 iterations, or 10 to 33 of more than two classes."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    iterations = max(MAX_TREES // (classes if classes > 2 else 1), MIN_ITERATIONS)
    estimator = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return estimator(
        # without it the steps for rare classes have no bound, see conf/algorithm/hist_gradient_boosting.yaml
        l2_regularization=1.0 if task == "classification" else 0.0,
        max_iter=iterations,
        learning_rate=min(0.3, 10 / iterations),  # fewer iterations need larger steps
        max_leaf_nodes=15,
        # "auto" would hold out rows from 10,000 on, and the baseline would depend on the number of rows
        early_stopping=False,
        random_state=seed,
    )


BASELINES = (
    Baseline("dummy", dummy, ("DummyClassifier", "DummyRegressor"), {}, uses_columns=False),
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
BASELINE_NAMES = tuple(baseline.name for baseline in BASELINES)


def selected_baselines(option: str | list[str]) -> list[Baseline]:
    """Return the baselines that `evaluator.baselines` selects."""
    names = option if isinstance(option, list) else {"auto": BASELINE_NAMES, "none": ()}.get(option, (option,))
    return [baseline for baseline in BASELINES if baseline.name in names]


def compare_with_baselines(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return each baseline with its metrics and the run's gain over it; reasons for skipped ones go to another key.

    Baselines are fitted once on the train split, so under cross-validation they have no validation metrics.
    """
    run = context.run
    selected = selected_baselines(context.options.baselines)
    # a gain on rows that the model was chosen by would favour the model
    if not selected or "test" not in context.predictions:
        return None
    results: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    data: BaselineData | None = None
    for baseline in selected:
        model = type(run.model.steps[-1][1] if hasattr(run.model, "steps") else run.model).__name__
        if model in baseline.same_models:
            skipped[baseline.name] = f"the model is a {model} itself"
            continue
        try:
            # only if a baseline is fitted at all: preprocessing may be most of the cost
            data = data or prepare_data(run)
            fitted = _fit_cached(run, baseline, data)
        # a baseline that cannot be fitted is a remark, and never a reason for the run to fail
        except (RuntreeError, ValueError, ArithmeticError, MemoryError) as error:
            skipped[baseline.name] = first_line(error)
        else:
            results.append(_result(context, baseline, fitted))
    if skipped:
        context.results[SKIPPED] = [{"name": name, "reason": reason} for name, reason in skipped.items()]
    return results


@dataclass(frozen=True)
class BaselineData:
    """Preprocessed train rows with their target, and preprocessed rows of the other splits."""

    train: Any
    target: "Array"
    splits: Mapping[str, Any]

    @property
    def obstacle(self) -> str:
        """Why these rows do not fit a baseline that uses columns; empty if they do."""
        return next(filter(None, map(numeric_obstacle, (self.train, *self.splits.values()))), "")


def prepare_data(run: ActiveRun) -> BaselineData:
    """Preprocess the rows that the run's model was fitted on, or a seeded sample of them, and the other splits.

    The whole train split reuses the run's fitted preprocessing and cached rows; other rows get a fresh copy of it.
    """
    import numpy as np

    train, width = fitted_rows(run), run.data.features.shape[1]
    shuffled = np.random.default_rng(run.seed).permutation(train)
    # sorted: the order of the table, in which time series and groups stand together
    chosen = np.sort(shuffled[: max_rows(len(train), width)])
    # under cross-validation there is no validation split, and after a refit it is part of what is fitted
    held_out = ("test",) if run.is_refitted else ("validation", "test")
    names = [split for split in held_out if len(run.split.rows(split))]
    if len(chosen) == len(train) and not run.is_refitted:
        preprocess, rows = run.cached("fitted", run.preprocess_key, lambda: fit_preprocess(run))
        splits = {name: _transform_cached(run, preprocess, name) for name in names}
    else:
        preprocess = make_preprocess(run)
        rows = preprocess.fit_transform(run.data.features.iloc[chosen], run.data.target.iloc[chosen])
        splits = {name: preprocess.transform(run.select(name)[0]) for name in names}
    rows, splits = spread_levels(preprocess, rows, splits)
    target = run.data.target.iloc[chosen].to_numpy()
    limit = max_rows(len(chosen), np.shape(rows)[1] if np.ndim(rows) == 2 else 1)
    if limit < len(chosen):  # preprocessing has made the table wider
        kept = np.sort(np.random.default_rng(run.seed).permutation(len(chosen))[:limit])
        rows, target = (rows.iloc[kept] if hasattr(rows, "iloc") else rows[kept]), target[kept]
    return BaselineData(rows, target, splits)


def spread_levels(preprocess: Any, train: Any, splits: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return preprocessed rows with a feature for each level where one feature has the numbers of levels.

    Such features are made for algorithms that take categories; to a line they say nothing.
    """
    import numpy as np

    width = len(preprocess.level_counts()) if getattr(preprocess, "native_categories", False) else 0
    if not width:
        return train, splits
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.005, sparse_output=False)
    encoder.fit(train[:, :width])
    spread = {
        name: np.hstack([encoder.transform(rows[:, :width]), rows[:, width:]])
        for name, rows in {"": train, **splits}.items()
    }
    return spread.pop(""), spread


def fitted_rows(run: ActiveRun) -> "Array":
    """Return the positions of the rows that the model was fitted on."""
    import numpy as np

    rows = [run.split.train, *([run.split.validation] if run.is_refitted else [])]
    return np.sort(np.concatenate(rows))


def max_rows(rows: int, columns: int) -> int:
    """Return how many rows a baseline is fitted on."""
    return min(rows, max(MAX_CELLS // max(columns, 1), MIN_SAMPLED_ROWS))


def _transform_cached(run: ActiveRun, preprocess: Any, split: str) -> Any:
    return run.cached("rows", (run.preprocess_key, split), lambda: preprocess.transform(run.select(split)[0]))


def numeric_obstacle(rows: Any) -> str:
    """Return why rows are not a table of numbers that a baseline can use; empty if they are."""
    import numpy as np

    if hasattr(rows, "dtypes") and hasattr(rows, "columns"):
        others = [str(name) for name, dtype in rows.dtypes.items() if getattr(dtype, "kind", "O") not in "biuf"]
        if others:
            return f"columns that are not numeric: {', '.join(others[:3])}" + (", …" if len(others) > 3 else "")
    elif not isinstance(rows, np.ndarray) or rows.dtype.kind not in "biuf" or rows.ndim != 2:
        return "the preprocessed rows are not a numeric table"
    if rows.shape[1] > MAX_COLUMNS:
        return f"{rows.shape[1]:,} columns, more than the {MAX_COLUMNS:,} that baselines take"
    return ""


@dataclass(frozen=True)
class FittedBaseline:
    """Predictions of a fitted baseline by split; `rows` counts the train rows that it was fitted on."""

    algorithm: str
    predictions: Mapping[str, Predictions]
    seconds: float
    rows: int


def _fit_cached(run: ActiveRun, baseline: Baseline, data: BaselineData) -> FittedBaseline:
    if baseline.uses_columns and data.obstacle:
        raise ValueError(data.obstacle)
    key = (
        run.preprocess_key,
        run.data.classes,
        run.seed,
        baseline.name,
    )  # the runs of a sweep mostly share their preprocessed rows
    fitted: FittedBaseline = run.cached("baseline", key, lambda: _fit(run, baseline, data))
    return fitted


def _fit(run: ActiveRun, baseline: Baseline, data: BaselineData) -> FittedBaseline:
    classes = run.data.classes
    model = baseline.make(run.data.task, len(classes), run.seed)
    select = numeric_columns(data.train) if baseline.uses_columns else empty_column
    # monotonic: an adjusted system clock would give negative seconds
    clock = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that a line has not converged: the user did not choose this model
        model.fit(select(data.train), data.target)
        predictions = {
            split: predict(model, select(rows), encode_target(run.select(split)[1], classes), classes)
            for split, rows in data.splits.items()
        }
    name = type(model[-1] if hasattr(model, "steps") else model).__name__
    return FittedBaseline(name, predictions, round(time.monotonic() - clock, 6), len(data.target))


def numeric_columns(train: Any) -> "Callable[[Any], Array]":
    """Return a function from rows to float64 values, without the columns that are empty in the train rows."""
    import numpy as np

    def to_floats(rows: Any) -> "Array":
        values = np.asarray(rows, dtype=float)
        # scikit-learn refuses infinities; as missing values they are imputed
        return np.where(np.isinf(values), np.nan, values) if np.isinf(values).any() else values

    known = ~np.isnan(to_floats(train)).all(axis=0)
    return lambda rows: to_floats(rows)[:, known]


def empty_column(rows: Any) -> "Array":
    """Return one column of zeros, for a model that reads no columns."""
    import numpy as np

    return np.zeros((len(rows), 1))


def _result(context: EvaluationContext, baseline: Baseline, fitted: FittedBaseline) -> dict[str, Any]:
    gain = compare_on_test(context, fitted.predictions["test"])
    others: list[dict[str, Any]] = []
    if gain["low"] is None or gain["low"] <= 0:
        own, groups = context.predictions["test"], context.groups("test")
        compare = compare_by_other_metrics if baseline.uses_columns else compare_with_guessing
        others = compare(context, own, fitted.predictions["test"], groups)
    return {
        "name": baseline.name,
        "algorithm": fitted.algorithm,
        "rows": fitted.rows,
        "sampled": fitted.rows < len(fitted_rows(context.run)),
        "seconds": fitted.seconds,
        "metrics": {split: predictions.values(context.metrics) for split, predictions in fitted.predictions.items()},
        "gain": gain,
        **({"other_metrics": others} if others else {}),
        "finding": _finding(context, baseline, gain, others).to_dict(),
    }


def _finding(
    context: EvaluationContext, baseline: Baseline, gain: dict[str, Any], others: Sequence[Mapping[str, Any]]
) -> Finding:
    name, shown = f"against {baseline.name}", f"test {gain['metric']} {format_gain(gain)}"
    if gain["value"] is None:
        return Finding(name, "note", f"not compared with {baseline.name}: {shown}", "choose another objective.metric")
    if gain["value"] > 0 and not is_tie(gain):
        return Finding(name, "good", f"better than {baseline.name}: {shown}")
    algorithm = baseline.algorithm.get(context.run.data.task)
    better_by = [str(entry["metric"]) for entry in others if entry["better"]]
    # a few rows may decide one metric, as one confident error does the log loss: that is no model that learned nothing
    if better_by and not algorithm:
        says = f"better than {baseline.name} by {', '.join(better_by)}; not shown by {shown}"
        return Finding(name, "note", says, f"if another metric matters more: objective.metric={better_by[0]}")
    if algorithm:
        level: Level = "note"
        advice = f"use the simpler model, or tune this one: algorithm={algorithm}"
    else:
        level = "warning"
        shown = f"{shown}, nor by another metric"
        advice = "the model is not shown to have learned from the columns: check target and columns with runtree check"
    return Finding(name, level, f"not better than {baseline.name}: {shown}", advice)
