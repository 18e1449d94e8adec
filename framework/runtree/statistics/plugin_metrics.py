"""Metrics of plugins: called with what they take, on arrays that they cannot change, and named if they fail."""

import inspect
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RunFailedError, describe_error, raise_if_ours
from runtree.contract.faults import warn_of_fault
from runtree.contract.run import read_only
from runtree.contract.types import Metric

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

# where a config names metrics
GROUPS = ("objective", "evaluator", "fit", "decision", "tuner", "metrics")


class PluginMetric:
    """The function of a plugin's metric.

    Attributes
    ----------
    failure
        Why it has no value, if it failed where nobody asked for it: then its value is NaN.
    """

    def __init__(self, plugin: str, name: str, function: Callable[..., Any], asked: bool) -> None:
        # its module and name stay those of the function: they say which package provides it
        update_wrapper(self, function, updated=())
        self.plugin, self.name, self.function, self.asked = plugin, name, function, asked
        self.takes_labels = _takes_labels(function)
        self.failure = ""

    def __call__(self, y_true: "Array", y_score: "Array", labels: Sequence[int] | None = None) -> float:
        """Return the value.

        Raises
        ------
        RunFailedError
            It failed, and the config names it.
        """
        more = {"labels": labels} if labels is not None and self.takes_labels else {}
        try:
            return _number(self.function(read_only(y_true), read_only(y_score), **more))
        except BaseException as error:
            raise_if_ours(error)
            failure = f"metric '{self.name}' of the plugin '{self.plugin}' failed: {describe_error(error)}"
            if self.asked:
                raise RunFailedError(failure, f"leave the plugin out: runtree --block {self.plugin} …") from error
            if not self.failure:
                warn_of_fault(log, f"{failure}; the score is left out")
            self.failure = failure
            return math.nan


def of_plugin(plugin: str, metric: Metric, config: Mapping[str, Any] | None) -> Metric:
    """Return a metric whose function is guarded; a failure is an error if the config names it, or there is none."""
    asked = config is None or names_metric(config, metric.name)
    return replace(metric, function=PluginMetric(plugin, metric.name, metric.function, asked))


def names_metric(config: Mapping[str, Any], name: str) -> bool:
    """Return whether a config names a metric: as objective, in `evaluator.metrics`, in a criterion to stop by, …"""
    text = str([config.get(group) for group in GROUPS])
    # a criterion names it with its split: validation_youden
    return re.search(rf"(?<![\w-])(?:(?:train|validation|test)_)?{re.escape(name)}(?![\w-])", text) is not None


def strict(metric: Metric) -> Metric:
    """Return a metric that raises if it fails, also where nobody asked for it."""
    function = metric.function
    if not isinstance(function, PluginMetric) or function.asked:
        return metric
    return replace(metric, function=PluginMetric(function.plugin, function.name, function.function, asked=True))


def failure_of(metric: Metric) -> str:
    """Return why a plugin's metric failed, empty if it did not."""
    return metric.function.failure if isinstance(metric.function, PluginMetric) else ""


def _takes_labels(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # it is written in C
        return False
    by_name = [one for one in parameters if one.kind is not one.POSITIONAL_ONLY]
    return any(one.name == "labels" or one.kind is one.VAR_KEYWORD for one in by_name)


def _number(value: Any) -> float:
    import numpy as np

    if isinstance(value, (str, bytes)) or np.ndim(value) or np.iscomplexobj(value):
        raise TypeError(f"it returned {value!r:.80}, not a number")
    return float(value)
