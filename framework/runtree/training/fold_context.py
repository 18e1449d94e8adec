"""What a fold is fitted with: the run's data, config and unfitted pipeline, apart from whoever listens to the run."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.resources import compute_arguments, read_resources
from runtree.contract.errors import UntrustedError
from runtree.contract.folds import Fold
from runtree.contract.predictions import Predictions, predict_table
from runtree.training.active_run import ActiveRun
from runtree.training.decision import rewrap, unwrap
from runtree.training.fit_plan import make_fit_plan, resolve_fit_options
from runtree.training.pipeline import make_preprocess, refit_pipeline

COUNTS = ("n_jobs", "threads")  # parameters of algorithms that follow compute.threads


class DetachedHooks:
    """Hears nothing, and vouches for nothing: a copy is neither reported nor built from a config."""

    def moment(self, name: str, **arguments: Any) -> None:
        """Hear nothing."""

    def contributions(self, name: str) -> Iterator[tuple[str, Any]]:
        """Contribute nothing."""
        return iter(())

    def first(self, name: str, **arguments: Any) -> Any:
        """Answer nothing."""
        return None

    def resolve(self, target: str, path: str) -> Any:
        """Refuse."""
        raise UntrustedError(f"{path}: '{target}' cannot be built while a fold is fitted")


@dataclass(frozen=True)
class FoldContext:
    """A run to fit copies of, and the compute that each of them has.

    The slot `model` of `run` holds the pipeline, not fitted.
    """

    run: ActiveRun
    compute: Any

    def with_algorithm(self, algorithm: Any, plan: Any) -> "FoldContext":
        """Return the bench for another algorithm."""
        last = rewrap(self.run.model[-1], algorithm)
        return FoldContext(_apart(self.run, self.run.model[0], last, plan), self.compute)


def make_fold_context(run: ActiveRun) -> FoldContext:
    """Return what the folds of a run are fitted with. Its threads are shared out where it has several slots."""
    node = dict(run.config.to_dict()["compute"])
    threads = node.get("threads")
    if run.options.slots > 1 and threads is not None:
        node["threads"] = read_resources(node).threads_each
    algorithm = share_threads(run.estimator, threads, node.get("threads"))
    compute = build(compute_arguments(node), "compute", run.trust)
    last = rewrap(run.model[-1], algorithm) if run.is_set("model") else algorithm
    return FoldContext(_apart(run, make_preprocess(run), last, run.plan), compute)


def share_threads(algorithm: Any, before: Any, share: Any) -> Any:
    """Return a copy of an algorithm, not fitted, that takes its share of the threads where it took all of them."""
    from sklearn.base import clone

    copy = clone(algorithm)
    known = copy.get_params(deep=False)
    return copy.set_params(**{name: share for name in COUNTS if name in known and known[name] == before != share})


def _apart(run: ActiveRun, preprocess: Any, last: Any, plan: Any) -> ActiveRun:
    """Return a run of its own round the last step of a pipeline: an algorithm, or what decides for one."""
    from sklearn.pipeline import Pipeline

    apart = ActiveRun(run.config.to_dict(), run.folder, DetachedHooks(), DetachedHooks(), run.catalogue)
    apart.data, apart.estimator, apart.plan = run.data, unwrap(last), plan
    apart.model = Pipeline([("preprocess", preprocess), ("algorithm", last)])
    return apart


def build_variant(run: ActiveRun, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the algorithm of a run, and its plan, with other values of the config, by path.

    Raises
    ------
    ConfigError
        Values that the algorithm refuses.
    """
    options, iterations, node = resolve_fit_options(set_values(run.config.to_dict(), values), run.data.task)
    algorithm = build_algorithm(node, run.data.task, run.trust)
    return algorithm, make_fit_plan(options, iterations, algorithm, run.options.prunable, run.trust)


def set_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested config with some values set; what is given is left as it is."""
    changed = dict(config)
    for path, value in values.items():
        key, _, rest = path.partition(".")
        changed[key] = set_values(changed.get(key) or {}, {rest: value}) if rest else value
    return changed


def fit_fold(bench: FoldContext, fold: Fold) -> tuple[Predictions, float]:
    """Fit a copy on a fold's rows, with the run's own seed, and ask it about the others; also return the seconds."""
    data = bench.run.data
    with bench.compute.session(bench.run.seed):
        clock = time.monotonic()
        model = refit_pipeline(bench.run, data.features.iloc[fold.train], data.target.iloc[fold.train].to_numpy())
        seconds = time.monotonic() - clock
        found = predict_table(model, data.features.iloc[fold.held_out], data.target.iloc[fold.held_out], data.classes)
    return found, seconds
