"""Look before many runs: load, check and split, build every algorithm, and fit nothing."""

import tempfile
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from runtree.config.build import build_algorithm
from runtree.contract.errors import ConfigError
from runtree.contract.protocols import Hooks, TargetResolver
from runtree.contract.run import Run
from runtree.lifecycle.execute import write_environment
from runtree.lifecycle.stages import stages_before_fit
from runtree.records.layout import RunFolder
from runtree.statistics import metrics
from runtree.sweeps.messages import PreflightRequest, PreflightResult
from runtree.training.fit_plan import resolve_fit_options

Recall = Callable[[str, Hashable, Callable[[], Any]], Any]


def probe(asked: PreflightRequest, hooks: Hooks, trust: TargetResolver, recall: Recall) -> PreflightResult:
    """Do all of a run that comes before the fit, and try every config of `asked.trials`.

    Raises
    ------
    RuntreeError
        What any run would have raised, or a value that the algorithm refuses, named by its text.
    """
    known = metrics.catalogue(hooks.contributions("register_metrics"))
    with tempfile.TemporaryDirectory() as folder:
        run = Run(asked.config, Path(folder), hooks, trust, known, cached=recall, prunable=asked.prunes)
        for stage in stages_before_fit(hooks):
            stage.run(run)
        if asked.environment is not None:
            write_environment(RunFolder(asked.environment), run, hooks)
    for text, config in asked.trials.items():
        try_out(text, config, run.data.task, trust)
    return PreflightResult(
        task=run.data.task,
        data=run.data.fingerprint,
        split=run.split.id,
        rows=len(run.data.features),
        objectives=tuple(metrics.objectives(asked.config["objective"], run.data.task, known)),
        reports=reports(run),
        bytes=int(run.data.features.memory_usage(deep=False).sum()),
        searched=searched(run),
        metrics=scored(run),
    )


def scored(run: Run) -> tuple[str, ...]:
    """Return the names of the metrics that a run scores."""
    wanted = metrics.select_metrics(
        run.config.to_dict()["evaluator"].get("metrics", "auto"), run.data.task, run.catalogue
    )
    return tuple(dict.fromkeys([*(metric.name for metric in wanted), run.objective[0].name]))


def searched(run: Run) -> tuple[str, ...]:
    """Return what an evaluator that searches chooses in each run."""
    return tuple(one.path for one in run.space()) if callable(getattr(run.evaluator, "choose", None)) else ()


def try_out(text: str, config: Mapping[str, Any], task: Any, trust: TargetResolver) -> None:
    """Build an algorithm as one end of the space has it."""
    try:
        build_algorithm(resolve_fit_options(config, task)[2], task, trust)
    except ConfigError as error:
        raise ConfigError(f"{text} in the space: {error.message}", *error.hints, *whole(text, error.message)) from None


def whole(text: str, message: str) -> list[str]:
    """Return how whole numbers are asked for, where that is what a range's end was refused for."""
    path, _, value = text.partition("=")
    return [f"for whole numbers: '{path}=int(…)'"] if value.endswith(".0") and "an int" in message else []


def reports(run: Run) -> bool:
    """Tell whether a run of this config reports steps: the algorithm its iterations, or the evaluator its folds."""
    return run.plan.steps or getattr(run.evaluator, "reports", False)
