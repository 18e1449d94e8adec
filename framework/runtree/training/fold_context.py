"""The data, config and unfitted pipeline that folds are fitted with, detached from the run's hooks and files."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.resources import compute_arguments, read_resources
from runtree.contract.errors import UntrustedError
from runtree.contract.folds import Fold
from runtree.contract.predictions import Predictions, predict_table
from runtree.contract.types import PluginIdentity
from runtree.training.active_run import ActiveRun
from runtree.training.decision import rewrap, unwrap
from runtree.training.fit_plan import make_fit_plan, resolve_fit_options
from runtree.training.pipeline import make_preprocess, refit_pipeline

THREAD_PARAMETERS = ("n_jobs", "threads")  # of algorithms whose config refers to compute.threads


class DetachedHooks:
    """Hooks and target resolver of a fold: a copy reports to no plugin, and is not built from a config."""

    identities: Mapping[str, PluginIdentity] = MappingProxyType({})

    def moment(self, name: str, /, **arguments: Any) -> None:
        """Notify no plugin."""

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield nothing."""
        return iter(())

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Return None."""
        return None

    def resolve(self, target: str, path: str) -> Any:
        """Refuse every target."""
        raise UntrustedError(f"{path}: '{target}' cannot be built while a fold is fitted")

    def authorize(self, node: Mapping[str, Any], path: str) -> None:
        """Refuse every node."""
        raise UntrustedError(f"{path}: it cannot be built while a fold is fitted")


@dataclass(frozen=True)
class FoldContext:
    """A detached run whose slot `model` holds the unfitted pipeline, and the compute of each fold.

    It is pickled once for all folds, so that it must not hold hooks, open files or the fitted model.
    """

    run: ActiveRun
    compute: Any

    def with_algorithm(self, algorithm: Any, plan: Any) -> "FoldContext":
        """Return a context with another algorithm and the same preprocessing."""
        last = rewrap(self.run.model[-1], algorithm)
        return FoldContext(_detach(self.run, self.run.model[0], last, plan), self.compute)


def make_fold_context(run: ActiveRun) -> FoldContext:
    """Return the context of a run's folds; with several slots each fold gets its share of the threads.

    The share is the same when folds are fitted one after another: the number of threads may change the last digit.
    """
    node = dict(run.config.to_dict()["compute"])
    threads = node.get("threads")
    if run.options.slots > 1 and threads is not None:
        node["threads"] = read_resources(node).threads_each
    algorithm = share_threads(run.estimator, threads, node.get("threads"))
    compute = build(compute_arguments(node), "compute", run.trust)
    last = rewrap(run.model[-1], algorithm) if run.is_set("model") else algorithm
    return FoldContext(_detach(run, make_preprocess(run), last, run.plan), compute)


def share_threads(algorithm: Any, before: Any, share: Any) -> Any:
    """Return an unfitted clone that uses its share of the threads if the algorithm used all of `compute.threads`."""
    from sklearn.base import clone

    # a clone: the run's own algorithm may be fitted already, and must keep its threads
    copy = clone(algorithm)
    known = copy.get_params(deep=False)
    # a value that differs from `compute.threads` was set by the user for this algorithm, and stays
    return copy.set_params(
        **{name: share for name in THREAD_PARAMETERS if name in known and known[name] == before != share}
    )


def _detach(run: ActiveRun, preprocess: Any, last: Any, plan: Any) -> ActiveRun:
    """Return a detached run for a pipeline's last step: an algorithm, or the decision wrapper around one."""
    from sklearn.pipeline import Pipeline

    # a new run and not a copy: the attributes of the original hold plugins, caches and files, which cannot be pickled
    detached = ActiveRun(run.config.to_dict(), run.folder, DetachedHooks(), DetachedHooks(), run.catalogue)
    detached.contributors = run.contributors
    detached.data, detached.estimator, detached.plan = run.data, unwrap(last), plan
    detached.model = Pipeline([("preprocess", preprocess), ("algorithm", last)])
    return detached


def build_variant(run: ActiveRun, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the algorithm of a run and its fit plan with other config values, by path.

    Raises
    ------
    ConfigError
        The algorithm refuses the values.
    """
    options, iterations, node = resolve_fit_options(set_values(run.config.to_dict(), values), run.data.task)
    algorithm = build_algorithm(node, run.data.task, run.trust)
    return algorithm, make_fit_plan(options, iterations, algorithm, run.options.prunable, run.trust)


def set_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a nested config with some values set by path."""
    # copies only the mappings along the path; the others are shared, since no code changes a config in place
    changed = dict(config)
    for path, value in values.items():
        key, _, rest = path.partition(".")
        changed[key] = set_values(changed.get(key) or {}, {rest: value}) if rest else value
    return changed


def fit_fold(context: FoldContext, fold: Fold) -> tuple[Predictions, float]:
    """Fit a copy on the train rows of a fold with the run's seed; return its predictions and the seconds of the fit."""
    data = context.run.data
    # each fold begins with the run's seed, whatever was fitted before it in this process: so the process makes no
    # difference
    with context.compute.session(context.run.seed):
        started = time.monotonic()
        model = refit_pipeline(context.run, data.features.iloc[fold.train], data.target.iloc[fold.train].to_numpy())
        # the fit alone: predictions of a large fold would distort the estimate of how long the next fold takes
        seconds = time.monotonic() - started
        predictions = predict_table(
            model, data.features.iloc[fold.held_out], data.target.iloc[fold.held_out], data.classes
        )
    return predictions, seconds
