"""What a fold is fitted with: the run's data, config and unfitted pipeline, apart from whoever listens to the run."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtree.config.build import build, build_algorithm
from runtree.config.resources import compute_arguments, read_resources
from runtree.contract.answers import Answers, answer
from runtree.contract.errors import UntrustedError
from runtree.contract.folds import Fold
from runtree.contract.run import Run
from runtree.lifecycle.decision.wrapping import algorithm_of, with_algorithm
from runtree.lifecycle.fit import make_preprocess, refit
from runtree.lifecycle.fitting.plan import make_plan, settle

COUNTS = ("n_jobs", "threads")  # parameters of algorithms that follow compute.threads


class Nobody:
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
class Bench:
    """A run to fit copies of, and the compute that each of them has.

    The slot `model` of `run` holds the pipeline, not fitted.
    """

    run: Run
    compute: Any

    def with_algorithm(self, algorithm: Any, plan: Any) -> "Bench":
        """Return the bench for another algorithm."""
        last = with_algorithm(self.run.model[-1], algorithm)
        return Bench(_apart(self.run, self.run.model[0], last, plan), self.compute)


def make_bench(run: Run) -> Bench:
    """Return what the folds of a run are fitted with. Its threads are shared out where it has several slots."""
    node = dict(run.config.plain()["compute"])
    threads = node.get("threads")
    if run.slots > 1 and threads is not None:
        node["threads"] = read_resources(node).threads_each
    algorithm = sharing(run.estimator, threads, node.get("threads"))
    compute = build(compute_arguments(node), "compute", run.trust)
    last = with_algorithm(run.model[-1], algorithm) if run.filled("model") else algorithm
    return Bench(_apart(run, make_preprocess(run), last, run.plan), compute)


def sharing(algorithm: Any, before: Any, share: Any) -> Any:
    """Return a copy of an algorithm, not fitted, that takes its share of the threads where it took all of them."""
    from sklearn.base import clone

    copy = clone(algorithm)
    known = copy.get_params(deep=False)
    return copy.set_params(**{name: share for name in COUNTS if name in known and known[name] == before != share})


def _apart(run: Run, preprocess: Any, last: Any, plan: Any) -> Run:
    """Return a run of its own round the last step of a pipeline: an algorithm, or what decides for one."""
    from sklearn.pipeline import Pipeline

    apart = Run(run.config.plain(), run.folder, Nobody(), Nobody(), run.catalogue)
    apart.data, apart.estimator, apart.plan = run.data, algorithm_of(last), plan
    apart.model = Pipeline([("preprocess", preprocess), ("algorithm", last)])
    return apart


def variant(run: Run, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the algorithm of a run, and its plan, with other values of the config, by path.

    Raises
    ------
    ConfigError
        Values that the algorithm refuses.
    """
    options, iterations, node = settle(with_values(run.config.plain(), values), run.data.task)
    algorithm = build_algorithm(node, run.data.task, run.trust)
    return algorithm, make_plan(options, iterations, algorithm, run.prunes, run.trust)


def with_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested config with some values set; what is given is left as it is."""
    changed = dict(config)
    for path, value in values.items():
        key, _, rest = path.partition(".")
        changed[key] = with_values(changed.get(key) or {}, {rest: value}) if rest else value
    return changed


def fit_and_answer(bench: Bench, fold: Fold) -> tuple[Answers, float]:
    """Fit a copy on a fold's rows, with the run's own seed, and ask it about the others; also return the seconds."""
    data = bench.run.data
    with bench.compute.session(bench.run.seed):
        clock = time.monotonic()
        model = refit(bench.run, data.features.iloc[fold.train], data.target.iloc[fold.train].to_numpy())
        seconds = time.monotonic() - clock
        found = answer(model, data.features.iloc[fold.held_out], data.target.iloc[fold.held_out], data.classes)
    return found, seconds
