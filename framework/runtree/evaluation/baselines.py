"""The models that any other must beat: one that looks at no column, a line, and boosted trees with usual settings."""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers, actual, ask
from runtree.contract.errors import RuntreeError, first_line
from runtree.contract.finding import Finding, Level
from runtree.contract.run import Run
from runtree.contract.types import Task
from runtree.evaluation.context import EvaluationContext
from runtree.lifecycle.fit import make_preprocess, preprocessed

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
BASELINE_NAMES = tuple(one.name for one in BASELINES)


if TYPE_CHECKING:
    import numpy as np

    from runtree.statistics.comparison import Comparison

    Array = np.ndarray[Any, Any]

CELLS = 1_000_000  # rows x columns that a baseline learns from at most
FEWEST = 1_000  # … rows, however many columns there are
WIDEST = 1_000  # columns


@dataclass(frozen=True)
class BaselineData:
    """Rows to learn from with their labels, and rows to answer about by part."""

    learnt: Any
    target: "Array"
    parts: Mapping[str, Any]

    @property
    def obstacle(self) -> str:
        """Return why a model of numbers cannot take these rows; empty where it can."""
        return next(filter(None, map(numeric_obstacle, (self.learnt, *self.parts.values()))), "")


def prepare_rows(run: Run) -> BaselineData:
    """Prepare the train part, or a seeded sample of it, and the other parts.

    All of the train part: the preprocessing is the model's own, fitted, and what it made of the rows is recalled. A
    sample: a fresh copy of the preprocessing is fitted on it.
    """
    import numpy as np

    train, width = run.split.train, run.data.features.shape[1]
    order = np.random.default_rng(run.seed).permutation(train)
    chosen = np.sort(order[: max_rows(len(train), width)])
    if len(chosen) == len(train):
        preprocess, learnt = run.recall("fitted", run.preprocessed, lambda: preprocessed(run))
        parts = {part: _recalled_rows(run, preprocess, part) for part in holdout_splits(run)}
    else:
        preprocess = make_preprocess(run)
        learnt = preprocess.fit_transform(run.data.features.iloc[chosen], run.data.target.iloc[chosen])
        parts = {part: preprocess.transform(run.part(part)[0]) for part in holdout_splits(run)}
    most = max_rows(len(chosen), np.shape(learnt)[1] if np.ndim(learnt) == 2 else 1)
    target = run.data.target.iloc[chosen].to_numpy()
    if most < len(chosen):
        own = np.sort(np.random.default_rng(run.seed).permutation(len(chosen))[:most])
        learnt, target = (learnt.iloc[own] if hasattr(learnt, "iloc") else learnt[own]), target[own]
    return BaselineData(learnt, target, parts)


def holdout_splits(run: Run) -> list[str]:
    """Return the parts that a baseline is scored on: those that nothing is learnt from."""
    return [part for part in ("validation", "test") if len(run.split.rows(part))]


def max_rows(rows: int, columns: int) -> int:
    """Return how many rows are learnt from."""
    return min(rows, max(CELLS // max(columns, 1), FEWEST))


def _recalled_rows(run: Run, preprocess: Any, part: str) -> Any:
    return run.recall("rows", (run.preprocessed, part), lambda: preprocess.transform(run.part(part)[0]))


def numeric_obstacle(rows: Any) -> str:
    """Return why rows are no table of numbers; empty where they are one."""
    import numpy as np

    if hasattr(rows, "dtypes") and hasattr(rows, "columns"):
        words = [str(name) for name, dtype in rows.dtypes.items() if getattr(dtype, "kind", "O") not in "biuf"]
        if words:
            return f"columns that are no numbers: {', '.join(words[:3])}" + (", …" if len(words) > 3 else "")
    elif not isinstance(rows, np.ndarray) or rows.dtype.kind not in "biuf" or rows.ndim != 2:
        return "the prepared rows are no table of numbers"
    if rows.shape[1] > WIDEST:
        return f"{rows.shape[1]:,} columns, and it takes {WIDEST:,} at most"
    return ""


def numeric_columns(learnt: Any) -> "Callable[[Any], Array]":
    """Return what takes the numbers of rows, without columns that are empty in those that are learnt from."""
    import numpy as np

    known = ~np.isnan(_numbers(learnt)).all(axis=0)
    return lambda rows: _numbers(rows)[:, known]


def empty_column(rows: Any) -> "Array":
    """Return as many rows with nothing in them."""
    import numpy as np

    return np.zeros((len(rows), 1))


def _numbers(rows: Any) -> "Array":
    """Return a table of numbers as float64, what is infinite as missing."""
    import numpy as np

    found = np.asarray(rows, dtype=float)
    return np.where(np.isinf(found), np.nan, found) if np.isinf(found).any() else found


SHOWN = 3  # significant digits of a sentence


def compare_on_test(context: EvaluationContext, other: Answers) -> dict[str, Any]:
    """Return the gain of the model over `other` in the ranked metric on the test part: above 0 where it is better.

    Areas under the curve of two classes are compared by DeLong, shares of right answers by McNemar, all else by a
    paired bootstrap, which gives way to the plain difference where no resamples are asked for.
    """
    own = context.predictions["test"]
    found = _compared(context, own, other)
    sign = 1 if context.direction == "maximize" else -1
    low, high = (found.low, found.high) if sign == 1 else (-found.high, -found.low)
    return {
        "metric": context.metric.name,
        "part": "test",
        "value": _number(sign * found.value),
        "low": _number(low),
        "high": _number(high),
        "p": _number(found.p),
        "method": found.method,
    }


def _compared(context: EvaluationContext, own: Answers, other: Answers) -> "Comparison":
    from runtree.statistics.paired_test import compare_predictions

    asked, groups = context.options.intervals, context.groups("test")
    return compare_predictions(own, other, context.metric, asked.resamples, asked.level, context.run.seed, groups)


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def is_tie(found: dict[str, Any]) -> bool:
    """Tell whether a gain may as well be none: its interval holds 0."""
    low, high = found["low"], found["high"]
    return low is not None and high is not None and low <= 0 <= high


def format_gain(found: dict[str, Any]) -> str:
    """Return ``+0.012 [-0.003, 0.03]``."""
    if found["value"] is None:
        return "not known"
    between = f" [{found['low']:.{SHOWN}g}, {found['high']:.{SHOWN}g}]" if found["low"] is not None else ""
    return f"{found['value']:+.{SHOWN}g}{between}"


# --- How much better a model is than the models that anybody would have tried first.

LEFT_OUT = "baselines_left_out"
NOTHING_LEARNT = "nothing was learnt from the columns: look at target and columns with runtree check"


@dataclass(frozen=True)
class FittedBaseline:
    """A baseline that was fitted and asked; `rows` of the train part were learnt from."""

    algorithm: str
    answers: Mapping[str, Answers]
    seconds: float
    rows: int


def selected_baselines(asked: str | list[str]) -> list[Baseline]:
    """Return the baselines that are asked for: all for "auto"."""
    names = (
        BASELINE_NAMES if asked == "auto" else () if asked == "none" else [asked] if isinstance(asked, str) else asked
    )
    return [one for one in BASELINES if one.name in names]


def compare_with_baselines(context: EvaluationContext) -> list[dict[str, Any]] | None:
    """Return each baseline with its metrics and the model's gain over it; why others are left out is noted beside it.

    They are fitted on the train part and never by folds: under cross-validation they have no validation metrics.
    """
    run = context.run
    asked = selected_baselines(context.options.baselines)
    if not asked or "test" not in context.predictions:
        return None
    left: dict[str, str] = {one.name: itself for one in asked if (itself := _itself(run, one))}
    found = []
    rows: BaselineData | None = None
    for one in (one for one in asked if one.name not in left):
        try:
            rows = rows or prepare_rows(run)
            fitted = _recalled_baseline(run, one, rows)
        except (RuntreeError, ValueError, ArithmeticError, MemoryError) as error:
            left[one.name] = first_line(error)
        else:
            found.append(_told(context, one, fitted))
    if left:
        context.results[LEFT_OUT] = [{"name": name, "reason": reason} for name, reason in left.items()]
    return found


def _itself(run: Run, one: Baseline) -> str:
    last = type(run.model.steps[-1][1] if hasattr(run.model, "steps") else run.model).__name__
    return f"the model is a {last} itself" if last in one.kin else ""


def _recalled_baseline(run: Run, one: Baseline, rows: BaselineData) -> FittedBaseline:
    obstacle = rows.obstacle if one.reads else ""
    if obstacle:
        raise ValueError(obstacle)
    key = (run.preprocessed, run.seed, one.name)
    found: FittedBaseline = run.recall("baseline", key, lambda: _fit(run, one, rows))
    return found


def _fit(run: Run, one: Baseline, rows: BaselineData) -> FittedBaseline:
    """Fit a baseline and ask it; whatever its library warns of is no matter of the user's."""
    model = one.make(run.data.task, len(run.data.classes), run.seed)
    take = numeric_columns(rows.learnt) if one.reads else empty_column
    clock = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(take(rows.learnt), rows.target)
        answers = {
            part: ask(model, take(block), actual(run.part(part)[1], run.data.classes), run.data.classes)
            for part, block in rows.parts.items()
        }
    name = type(model[-1] if hasattr(model, "steps") else model).__name__
    return FittedBaseline(name, answers, round(time.monotonic() - clock, 6), len(rows.target))


def _told(context: EvaluationContext, one: Baseline, fitted: FittedBaseline) -> dict[str, Any]:
    found = compare_on_test(context, fitted.answers["test"])
    metrics = {part: answers.values(context.metrics) for part, answers in fitted.answers.items()}
    return {
        "name": one.name,
        "algorithm": fitted.algorithm,
        "rows": fitted.rows,
        "sampled": fitted.rows < len(context.run.split.train),
        "seconds": fitted.seconds,
        "metrics": metrics,
        "gain": found,
        "finding": _finding(context, one, found).plain(),
    }


def _finding(context: EvaluationContext, one: Baseline, found: dict[str, Any]) -> Finding:
    name, shown = f"against {one.name}", f"test {found['metric']} {format_gain(found)}"
    if found["value"] is None:
        return Finding(name, "note", f"not compared with {one.name}: {shown}", "choose another objective.metric")
    if found["value"] > 0 and not is_tie(found):
        return Finding(name, "good", f"better than {one.name}: {shown}")
    instead = one.instead.get(context.run.data.task)
    advice = f"prefer it, or tune the model: algorithm={instead}" if instead else NOTHING_LEARNT
    level: Level = "note" if instead else "warning"
    return Finding(name, level, f"no better than {one.name}: {shown}", advice)
