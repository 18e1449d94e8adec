"""What a check finds."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from runtree.contract.answers import Answers, actual, ask
from runtree.contract.errors import first_line
from runtree.contract.run import Run
from runtree.contract.types import PARTS, Direction, Metric
from runtree.lifecycle import metrics
from runtree.lifecycle.fit import make_preprocess
from runtree.lifecycle.split import holdout_rows

CheckState = Literal["passed", "warned", "failed", "skipped"]
CHECK_STATES: tuple[CheckState, ...] = ("passed", "warned", "failed", "skipped")


@dataclass(frozen=True)
class CheckResult:
    """What a check found, and what to do next; a warning fails nothing."""

    state: CheckState
    found: str
    advice: str = ""


def passed(found: str) -> CheckResult:
    """Say that all is well."""
    return CheckResult("passed", found)


def warned(found: str, advice: str) -> CheckResult:
    """Say what looks odd and may be right."""
    return CheckResult("warned", found, advice)


def failed(found: str, advice: str) -> CheckResult:
    """Say what is wrong and what to do."""
    return CheckResult("failed", found, advice)


def skipped(why: str) -> CheckResult:
    """Say why nothing was asked."""
    return CheckResult("skipped", why)


def quote_names(names: "list[str]", most: int = 3) -> str:
    """Return names in quotes, the first few of many: "'a', 'b', 'c' and 4 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def format_list(names: "list[str]") -> str:
    """Return names as an override's list is typed: ``[a,'b c']``."""
    quoted = [name if name.isidentifier() else "'" + name.replace("'", "\\'") + "'" for name in names]
    return f"[{','.join(quoted)}]"


if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    Rows = np.ndarray[Any, Any]

TRAIN, JUDGE = 2000, 1000  # rows at most that are fitted on once, and scored
AGAIN = 500  # … and that are fitted on several times


@dataclass(frozen=True)
class CheckContext:
    """A run up to its split, and what to fit and judge with.

    Attributes
    ----------
    session
        Given a seed: seeds the generators and limits the threads for the time of a fit, as a run does.
    metric, direction
        What runs are ranked by.
    train, validation
        Positions of the sampled rows.
    """

    run: Run
    session: Callable[[int], AbstractContextManager[None]]
    metric: Metric
    direction: Direction
    train: "Rows"
    validation: "Rows"

    @property
    def classes(self) -> tuple[Any, ...]:
        """The sorted labels of a classification, none for a regression."""
        return self.run.data.classes

    @property
    def algorithm(self) -> dict[str, Any]:
        """The config of the algorithm."""
        found: dict[str, Any] = self.run.config.plain()["algorithm"]
        return found

    @property
    def parts(self) -> list[str]:
        """The parts that the evaluator scores on rows of their own."""
        return [part for part in PARTS if part != "validation" or self.run.evaluator.holds_out]

    @cached_property
    def model(self) -> "Pipeline":
        """The pipeline, fitted on the sampled train rows."""
        return self.fit(self.train)

    @cached_property
    def trouble(self) -> CheckResult | None:
        """What keeps the pipeline from being fitted, or None."""
        try:
            self.model  # noqa: B018
        except Exception as error:
            return result_of_error(error)
        return None

    def few(self, rows: "Rows") -> "Rows":
        """Return fewer of some rows, for what is fitted several times."""
        return sample_rows(rows, self.run.data.target, self.classes, AGAIN, self.run.seed)

    def features(self, rows: "Rows") -> "pd.DataFrame":
        """Return the raw columns of some rows."""
        return self.run.data.features.iloc[rows]

    def target(self, rows: "Rows") -> "pd.Series[Any]":
        """Return what is true of some rows."""
        return self.run.data.target.iloc[rows]

    def prepare(self, rows: "Rows", target: "pd.Series[Any] | None" = None) -> tuple[Any, Any]:
        """Return the preprocessing fitted on some rows, and these rows as it left them."""
        preprocess = make_preprocess(self.run)
        with silent():
            return preprocess, preprocess.fit_transform(
                self.features(rows), self.target(rows) if target is None else target
            )

    def fit(self, rows: "Rows") -> "Pipeline":
        """Return a fresh pipeline fitted on some rows, as a run would."""
        from sklearn.base import clone

        return self._fitted(clone(self.run.estimator), rows, self.target(rows), self.run.seed)

    def fit_soon(self, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        """Return a fresh pipeline fitted on some rows and any target of theirs, with few iterations and a seed."""
        return self._fitted(shorten_training(self.run.estimator, self.algorithm, seed), rows, target, seed)

    def _fitted(self, algorithm: Any, rows: "Rows", target: "pd.Series[Any]", seed: int) -> "Pipeline":
        from sklearn.pipeline import Pipeline

        with self.session(seed), silent():
            preprocess, prepared = self.prepare(rows, target)
            algorithm.fit(prepared, target.to_numpy())
        return Pipeline([("preprocess", preprocess), ("algorithm", algorithm)])

    def answers(self, model: "Pipeline", rows: "Rows") -> Answers:
        """Ask a pipeline about some rows."""
        with silent():
            prepared = model[:-1].transform(self.features(rows))
            return ask(model[-1], prepared, actual(self.target(rows), self.classes), self.classes)

    def score(self, answers: Answers) -> float:
        """Return the metric that runs are ranked by; NaN where it is not defined."""
        with silent():
            return answers.values([self.metric]).get(self.metric.name, float("nan"))

    def gain(self, value: float, level: float) -> float:
        """Return by how much a score is better than a level: above 0 where it is."""
        return value - level if self.direction == "maximize" else level - value


@contextmanager
def silent() -> Iterator[None]:
    """Keep quiet about what libraries remark: that permuted labels were not learnt well is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_check_context(run: Run, session: Callable[[int], AbstractContextManager[None]]) -> CheckContext:
    """Sample the rows of a run that is split."""
    metric, direction = metrics.objective(run.config.objective, run.data.task, run.catalogue)
    train, validation = (
        sample_rows(rows, run.data.target, run.data.classes, limit, run.seed)
        for rows, limit in zip(holdout_rows(run), (TRAIN, JUDGE), strict=True)
    )
    return CheckContext(run, session, metric, direction, train, validation)


def result_of_error(error: Exception) -> CheckResult:
    """Return an error as a finding: runtree's own say what to do."""
    hints = getattr(error, "hints", ())
    advice = "; ".join(hints) or "see where: runtree --traceback train …"
    if not hints and ("NaN" in str(error) or "infinity" in str(error)):
        advice = "type: preprocess=tabular"
    kind = "" if hasattr(error, "hints") else f"{type(error).__name__}: "
    return failed(f"{kind}{first_line(error)}", advice)


LEAST = 2  # rows of a class that are kept where it has so many


def sample_rows(rows: "Rows", target: "pd.Series[Any]", classes: tuple[Any, ...], limit: int, seed: int) -> "Rows":
    """Return about `limit` of the row positions, in their order; the rows of each class in their share.

    Parameters
    ----------
    target
        Of the whole table; `rows` are positions in it.
    classes
        Empty for a regression.
    """
    import numpy as np

    if len(rows) <= limit:
        return rows
    generator = np.random.default_rng(seed)
    if not classes:
        return np.sort(generator.choice(rows, limit, replace=False))
    labels = target.iloc[rows].to_numpy()
    groups = [rows[labels == label] for label in np.unique(labels)]
    counts = [min(len(group), max(LEAST, round(limit * len(group) / len(rows)))) for group in groups]
    taken = [generator.choice(group, count, replace=False) for group, count in zip(groups, counts, strict=True)]
    return np.sort(np.concatenate(taken))


# --- Copies of an algorithm with some of its parameters changed: sooner done, or free to learn by heart.

BATCH = 16  # rows of a step, of which there are then several in an epoch
SOON = 30  # iterations or trees: what leaks shows at once
LENGTHS = ("max_epochs", "max_iter", "epochs", "n_estimators")
BY_GRADIENT = ("learning_rate_init", "eta0")  # what scikit-learn's algorithms that take steps call their first one
SEEDS = ("random_state", "seed")
UNHINDERED: Mapping[str, Any] = {  # what keeps a model from learning by heart
    "dropout": 0.0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "alpha": 1e-6,  # not 0: scikit-learn's schedule "optimal" divides by it
    "early_stopping": False,
    "tol": 0.0,
    "n_iter_no_change": 10**6,
}


def estimator_params(estimator: Any) -> dict[str, Any]:
    """Return an estimator's parameters, none where it does not tell them."""
    return dict(estimator.get_params(deep=False)) if hasattr(estimator, "get_params") else {}


def iterates_by_gradient(estimator: Any, node: Mapping[str, Any]) -> bool:
    """Tell whether an algorithm goes through the rows in epochs: as its option says, else by its parameters."""
    unit = (node.get("iterations") or {}).get("unit")
    return unit == "epoch" if unit else any(name in estimator_params(estimator) for name in BY_GRADIENT)


def shorten_training(estimator: Any, node: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted copy with few iterations or trees, and with a seed of its own where it is seeded."""
    from sklearn.base import clone

    known, copied = estimator_params(estimator), clone(estimator)
    changes: dict[str, Any] = {name: SOON for name in _lengths(node) if _counts(known.get(name)) and known[name] > SOON}
    changes |= {name: seed for name in SEEDS if _counts(known.get(name))}
    if "n_restarts_optimizer" in known:  # a Gaussian process, which is fitted some hundred times to find its kernel
        changes["optimizer"] = None
    return copied.set_params(**changes) if changes else copied


def allow_memorizing(estimator: Any, node: Mapping[str, Any], epochs: int) -> Any:
    """Return an unfitted copy with so many iterations, and without what keeps it from learning by heart."""
    from sklearn.base import clone

    known = estimator_params(estimator)
    changes = {**UNHINDERED, **dict.fromkeys(_lengths(node), epochs)}
    if _counts(known.get("batch_size")):
        changes["batch_size"] = BATCH
    return clone(estimator).set_params(**{name: value for name, value in changes.items() if name in known})


def _lengths(node: Mapping[str, Any]) -> list[str]:
    quote_names = ((node.get("iterations") or {}).get("honours") or {}).get("max_iterations")
    return [*LENGTHS, *([str(quote_names)] if quote_names else [])]


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
