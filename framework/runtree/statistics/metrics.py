"""The built-in metrics, each scikit-learn's function under the field's name, equal to it to the last digit.

They are computed without its checks (`statistics.fast_metrics`), which take far longer than the sums.

For classification the functions receive class codes (0 … classes-1) and `labels`. With two classes precision, recall,
F1 and the curves are those of the positive class, the second; with more they are averaged over the classes with
equal weight (macro), and ROC AUC is one-versus-rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from runtree.contract.errors import ConfigError, unknown
from runtree.contract.settings import SWITCH, read_settings
from runtree.contract.types import Direction, Metric, Task
from runtree.contract.validation import unique_by_name
from runtree.statistics.plugin_metrics import names_metric, of_plugin

CLASSIFICATION: tuple[Task, ...] = ("classification",)
REGRESSION: tuple[Task, ...] = ("regression",)
SHARE, POSITIVE = (0.0, 1.0), (0.0, inf)  # what a metric can be
OWN = "runtree"  # the plugin that contributes the metrics below
FIT_SECONDS = "fit_seconds"  # an objective that is no metric: how long the fit took
OBJECTIVES: Mapping[str, str] = {"classification": "balanced_accuracy", "regression": "rmse"}


def accuracy(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """Share of rows whose class is predicted (scikit-learn's `accuracy_score`)."""
    # a mean needs no confusion matrix, whose size grows with the square of the number of classes
    return float((y_true == y_pred).mean())


def balanced_accuracy(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """Mean of the recalls of the classes that are there (scikit-learn's `balanced_accuracy_score`).

    Counted here: it is scored at each iteration of each fit, and scikit-learn's checks take a hundred times as long.
    """
    import numpy as np

    rows = np.bincount(y_true, minlength=len(labels))
    hits = np.bincount(y_true[y_true == y_pred], minlength=len(labels))
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def _of_cells(name: str, y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    from runtree.statistics.fast_metrics import score_classes

    return score_classes(name, y_true, y_pred, len(labels))


def precision(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """TP / (TP + FP); 0 where nothing is predicted (`precision_score`)."""
    return _of_cells("precision", y_true, y_pred, labels)


def recall(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """TP / (TP + FN); 0 where there is none to find (`recall_score`)."""
    return _of_cells("recall", y_true, y_pred, labels)


def f1(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """Harmonic mean of precision and recall (`f1_score`)."""
    return _of_cells("f1", y_true, y_pred, labels)


def mcc(y_true: Any, y_pred: Any, labels: Sequence[int]) -> float:
    """Matthews' correlation; 0 where only one class is there, true or predicted (`matthews_corrcoef`)."""
    return _of_cells("mcc", y_true, y_pred, labels)


def roc_auc(y_true: Any, y_score: Any, labels: Sequence[int]) -> float:
    """Area under the ROC curve; one-versus-rest, macro, for more than two classes. NaN where a class is missing."""
    from runtree.statistics import fast_metrics

    # scikit-learn raises here in some versions and warns in others
    if len(set(y_true.tolist())) < len(labels):
        return float("nan")
    if len(labels) == 2 and _is_finite(y_score):
        return fast_metrics.roc_auc_once(y_true == 1, y_score)
    if len(labels) > 2 and fast_metrics.are_probabilities(y_score):
        return fast_metrics.mean_over_classes(fast_metrics.roc_auc_once, y_true, y_score)
    from sklearn.metrics import roc_auc_score  # whose errors name what is not a probability

    more = {} if len(labels) == 2 else {"multi_class": "ovr", "average": "macro", "labels": list(labels)}
    return float(roc_auc_score(y_true, y_score, **more))


def pr_auc(y_true: Any, y_score: Any, labels: Sequence[int]) -> float:
    """Average precision: the area under the precision-recall curve in steps. NaN where a class is missing."""
    from runtree.statistics import fast_metrics

    if len(set(y_true.tolist())) < len(labels):
        return float("nan")
    # scikit-learn's own error is wanted for NaN, which a network may predict
    if not _is_finite(y_score):
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(y_true, y_score, average="macro"))
    if len(labels) == 2:
        return fast_metrics.average_precision_once(y_true == 1, y_score)
    return fast_metrics.mean_over_classes(fast_metrics.average_precision_once, y_true, y_score)


def log_loss(y_true: Any, y_score: Any, labels: Sequence[int]) -> float:
    """Mean negative log of the probability of the true class."""
    from runtree.statistics import fast_metrics

    probabilities = _both(y_score)
    if fast_metrics.are_probabilities(probabilities):
        return fast_metrics.score_rows("log_loss", y_true, probabilities)
    from sklearn.metrics import log_loss as score

    return float(score(y_true, y_score, labels=list(labels)))


def brier(y_true: Any, y_score: Any, labels: Sequence[int]) -> float:
    """Mean squared distance between probabilities and outcomes; for more than two classes summed over them."""
    from runtree.statistics import fast_metrics

    probabilities = _both(y_score)
    if fast_metrics.are_probabilities(probabilities):
        return fast_metrics.score_rows("brier", y_true, probabilities)
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(y_true, y_score, labels=list(labels)))


def _is_finite(values: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(values).all())


def _both(y_score: Any) -> Any:
    """Return the probabilities of both classes from those of the second."""
    import numpy as np

    return y_score if y_score.ndim == 2 else np.column_stack([1 - y_score, y_score])


def _regression(name: str) -> Any:
    def score(y_true: Any, y_pred: Any) -> float:
        from runtree.statistics.fast_metrics import score_rows

        if len(y_true) < 2 and name == "r2_score":  # where scikit-learn warns; the run tells the reason
            return float("nan")
        if len(y_true) > 1 and _is_finite(y_true) and _is_finite(y_pred):
            return score_rows(name, y_true, y_pred)
        import sklearn.metrics  # which says in its own words what is wrong with them

        return float(getattr(sklearn.metrics, name)(y_true, y_pred))

    score.__name__, score.__doc__ = name, f"scikit-learn's `{name}`."
    return score


BUILTIN = (
    Metric("accuracy", accuracy, "maximize", tasks=CLASSIFICATION, bounds=SHARE),
    Metric("balanced_accuracy", balanced_accuracy, "maximize", tasks=CLASSIFICATION, bounds=SHARE),
    Metric("precision", precision, "maximize", tasks=CLASSIFICATION, bounds=SHARE),
    Metric("recall", recall, "maximize", tasks=CLASSIFICATION, bounds=SHARE),
    Metric("f1", f1, "maximize", tasks=CLASSIFICATION, bounds=SHARE),
    Metric("roc_auc", roc_auc, "maximize", "probability", CLASSIFICATION, bounds=SHARE),
    Metric("pr_auc", pr_auc, "maximize", "probability", CLASSIFICATION, bounds=SHARE),
    Metric("log_loss", log_loss, "minimize", "probability", CLASSIFICATION, bounds=POSITIVE),
    Metric("brier", brier, "minimize", "probability", CLASSIFICATION, bounds=(0.0, 2.0)),
    Metric("mcc", mcc, "maximize", tasks=CLASSIFICATION, bounds=(-1.0, 1.0)),
    Metric("mae", _regression("mean_absolute_error"), "minimize", tasks=REGRESSION, bounds=POSITIVE),
    Metric("mse", _regression("mean_squared_error"), "minimize", tasks=REGRESSION, bounds=POSITIVE),
    Metric("rmse", _regression("root_mean_squared_error"), "minimize", tasks=REGRESSION, bounds=POSITIVE),
    Metric("r2", _regression("r2_score"), "maximize", tasks=REGRESSION, bounds=(-inf, 1.0)),
    Metric("mape", _regression("mean_absolute_percentage_error"), "minimize", tasks=REGRESSION, bounds=POSITIVE),
    Metric("median_ae", _regression("median_absolute_error"), "minimize", tasks=REGRESSION, bounds=POSITIVE),
)


def catalogue(contributed: Iterable[tuple[str, Metric]], config: Mapping[str, Any] | None = None) -> dict[str, Metric]:
    """Return metrics by name, each with its settings; a name that two plugins claim is refused if the config has it.

    Those of plugins are guarded: one that fails has no value in a run whose config does not name it.
    """
    known = unique_by_name("metric", contributed, lambda name: names_metric(config or {}, name))
    chosen = (config or {}).get("metrics")
    settings = read_settings("metrics", chosen, {name: metric.settings for name, (_, metric) in known.items()})
    configured = {name: _configure(metric, settings.get(name, {})) for name, (_, metric) in known.items()}
    return {
        name: metric if known[name][0] == OWN else of_plugin(known[name][0], metric, config)
        for name, metric in configured.items()
    }


def _configure(metric: Metric, values: Mapping[str, Any]) -> Metric:
    """Return a metric with the settings that a config chooses; `enabled` decides whether it is computed by default."""
    settings = {**metric.settings, **values}
    default = settings.pop(SWITCH, metric.default)
    if not settings:
        return metric if default is metric.default else replace(metric, default=default)
    return replace(metric, function=partial(metric.function, **settings), default=default, settings=settings)


def select_metrics(wanted: str | Iterable[str], task: Task, known: Mapping[str, Metric]) -> list[Metric]:
    """Return the metrics for a task: all defaults for "auto", else those named."""
    fitting = {name: metric for name, metric in known.items() if task in metric.tasks}
    if wanted == "auto":
        return [metric for metric in fitting.values() if metric.default]
    return list(_named([wanted] if isinstance(wanted, str) else wanted, task, fitting))


def _named(names: Iterable[str], task: Task, fitting: Mapping[str, Metric]) -> Iterator[Metric]:
    for name in names:
        if name not in fitting:
            raise unknown(f"{task} metric at evaluator.metrics:", name, fitting, error=ConfigError)
        yield fitting[name]


def objectives(config: Mapping[str, Any], task: Task, known: Mapping[str, Metric]) -> list[tuple[str, Direction]]:
    """Return what runs are judged by, each with its direction: metrics of the validation part, or `fit_seconds`."""
    names = config.get("metric", "auto")
    names = list(names) if isinstance(names, (list, tuple)) else [names]
    wanted = config.get("direction", "auto")
    # one direction holds for all metrics
    wanted = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted] * len(names)
    if len(wanted) != len(names) or not names:
        raise ConfigError(f"objective.direction: {len(wanted)} directions for {len(names)} metrics")
    return [_objective(name, direction, task, known) for name, direction in zip(names, wanted, strict=True)]


def _objective(name: str, direction: str, task: Task, known: Mapping[str, Metric]) -> tuple[str, Direction]:
    if name == FIT_SECONDS:
        return name, "maximize" if direction == "maximize" else "minimize"
    name = OBJECTIVES[task] if name == "auto" else name
    fitting = [other for other, metric in known.items() if task in metric.tasks]
    if name not in fitting:
        raise unknown(f"{task} metric at objective.metric:", name, [*fitting, FIT_SECONDS], error=ConfigError)
    if direction == "auto":
        return name, known[name].direction
    return name, "maximize" if direction == "maximize" else "minimize"


def objective(config: Mapping[str, Any], task: Task, known: Mapping[str, Metric]) -> tuple[Metric, Direction]:
    """Return the metric that runs are ranked by, and its direction: the first of the objectives that is a metric."""
    found = [(name, direction) for name, direction in objectives(config, task, known) if name != FIT_SECONDS]
    if not found:
        raise ConfigError(
            f"objective.metric: {FIT_SECONDS} alone ranks nothing", f"type: objective.metric=[f1,{FIT_SECONDS}]"
        )
    return known[found[0][0]], found[0][1]
