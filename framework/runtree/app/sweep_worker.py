"""The job function of a sweep's workers: check the request, run a trial, finalize the best run."""

import gc
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.config.freeze import FrozenConfig
from runtree.config.provenance import TypedWords
from runtree.contract.errors import ConfigError, RuntreeError
from runtree.contract.faults import collected_faults
from runtree.contract.types import RunRecord
from runtree.plugins import installed_plugins_with
from runtree.records.layout import RunFolder
from runtree.sweeps.attempts import error_record, is_disk_full
from runtree.sweeps.messages import (
    AttemptResult,
    FinalizeRequest,
    MetricDirections,
    PreflightRequest,
    PreflightResult,
    RunRequest,
    dominates,
)
from runtree.training.active_run import ActiveRun
from runtree.workers.executor import Channel

# The lifecycle is imported inside functions: the driver imports this module for its names alone, and would wait for
# libraries that only workers use.

# Imported by nearly every run: once, before the workers are forked
PRELOADED_MODULES = ("pandas", "sklearn.pipeline", "sklearn.metrics", "sklearn.model_selection", "typeguard", "yaml")
MAX_HELD_RUNS = 20  # fitted models that a worker keeps in memory, of a sweep with several objectives


@dataclass(frozen=True)
class WorkerConfig:
    """The argument of the factory: what the user typed, and plugins that were registered by hand."""

    typed: TypedWords = field(default_factory=TypedWords)
    extra: tuple[tuple[str, object], ...] = ()


def make_sweep_worker(config: WorkerConfig) -> "SweepWorker":
    """Load plugins and libraries, once for all workers."""
    app = App(installed_plugins_with(*config.extra)) if config.extra else App()
    worker = SweepWorker(app, config.typed)
    for module in PRELOADED_MODULES:
        import_module(module)
    # collected first, as garbage would be frozen, too. Frozen objects also stay in pages that the forked workers share:
    # the collector would write into them
    gc.collect()
    gc.freeze()  # the collector need not visit the objects of all these modules again
    return worker


class SweepWorker:
    """Handles one request after another, and keeps tables, splits and prepared rows in memory between them.

    Attributes
    ----------
    reported
        Faults of plugins that the driver knows of.
    best_candidates
        Runs whose fitted model is kept in memory, by number: at the end of the sweep one of them may be the best, and
        is then finalized without a second fit.
    """

    def __init__(self, app: App, typed: TypedWords) -> None:
        from runtree.lifecycle.cache import RunCache

        self.hooks = app.plugins
        self.trust = app.allow_list(typed)
        self.cache = RunCache()
        self.reported: set[str] = set()
        self.best_candidates: dict[int, tuple[ActiveRun, RunRecord, tuple[float, ...]]] = {}

    def __call__(self, payload: Any, channel: Channel) -> Any:
        """Handle a request. An error that the user can mend is returned; one that is raised ends the worker."""
        with collected_faults() as faults:
            result = self._handle(payload, channel)
        new = tuple(text for text in dict.fromkeys(faults) if text not in self.reported)
        self.reported.update(new)
        if isinstance(result, PreflightResult):
            return replace(result, notes=(*result.notes, *new))
        return replace(result, warnings=new) if isinstance(result, AttemptResult) else result

    def _handle(self, payload: Any, channel: Channel) -> Any:
        try:
            if isinstance(payload, PreflightRequest):
                return self.preflight(payload)
            if isinstance(payload, FinalizeRequest):
                return self.finalize(payload, channel)
            return self.run_trial(payload, channel)
        except RuntreeError as error:
            return error
        except OSError as error:
            if not is_disk_full(error):
                raise
            # Not even the run's record could be written: the driver alone can still say so
            return AttemptResult("failed", "error", error=error_record("OSError", str(error)))

    def preflight(self, request: PreflightRequest) -> PreflightResult:
        """Run every stage before the fit, and build the algorithm of each config in `request.trials`.

        Raises
        ------
        RuntreeError
            As any run of the sweep would, or a value that the algorithm refuses, named by its key in `trials`.
        """
        from runtree.checks.notes import note_text, table_findings
        from runtree.lifecycle.execute import find_contributors, write_environment
        from runtree.lifecycle.stages import choose_stages, run_stage, stages_before_fit
        from runtree.records.validation_predictions import predictions_size
        from runtree.statistics import metrics
        from runtree.training.active_run import ActiveRun, RunOptions

        contributed = list(self.hooks.contributions("register_metrics"))
        catalogue = metrics.catalogue(contributed, request.config)
        registered = list(self.hooks.contributions("register_stages"))
        stages = choose_stages(registered, request.config)
        contributors = find_contributors(self.hooks, stages, registered, contributed)
        with tempfile.TemporaryDirectory() as folder:
            # with the worker's cache: the table that is loaded here is that of its first run
            options = RunOptions(cached=self.cache.get_or_compute, prunable=request.prunes)
            run = ActiveRun(request.config, Path(folder), self.hooks, self.trust, catalogue, options)
            run.contributors = contributors
            for stage in stages_before_fit(self.hooks, request.config):
                run_stage(stage, run)
            notes = tuple(map(note_text, table_findings(run))) if not request.trials else ()
            if request.environment is not None:
                write_environment(RunFolder(request.environment), run, self.hooks)
        for text, config in request.trials.items():
            self._try_building(text, config, run.data.task)
        scored = metrics.select_metrics(
            run.config.to_dict()["evaluator"].get("metrics", "auto"), run.data.task, catalogue
        )
        # what the runs will keep, if their evaluator gives it
        holds_out = bool(run.evaluator.holds_out)
        predicted = predictions_size(run.split.count("validation"), len(run.data.classes)) if holds_out else 0
        searches = callable(getattr(run.evaluator, "choose", None))
        return PreflightResult(
            task=run.data.task,
            data=run.data.fingerprint,
            split=run.split.id,
            rows=len(run.data.features),
            objectives=tuple(metrics.objectives(request.config["objective"], run.data.task, catalogue)),
            # steps to prune by: the iterations of the algorithm, or the folds of the evaluator
            reports=run.plan.steps or getattr(run.evaluator, "reports", False),
            bytes=int(run.data.features.memory_usage(deep=False).sum()),
            searched=tuple(dimension.path for dimension in run.space()) if searches else (),
            notes=notes,
            has_folds=not holds_out,
            prediction_bytes=predicted,
            metrics=tuple(dict.fromkeys([*(metric.name for metric in scored), run.objective[0].name])),
            scoring=contributors.scoring(scored, type(run.evaluator)),
            plugins=contributors.entries(run.config.to_dict(), [metric.name for metric in scored]),
        )

    def _try_building(self, text: str, config: Mapping[str, Any], task: Any) -> None:
        """Build an algorithm with one end of a range; `text` is the override that sets it."""
        from runtree.config.build import build_algorithm
        from runtree.training.fit_plan import resolve_fit_options

        try:
            build_algorithm(resolve_fit_options(config, task)[2], task, self.trust)
        except ConfigError as error:
            path, _, value = text.partition("=")
            whole = value.endswith(".0") and "an int" in error.message  # the range is one of floats
            hints = [*error.hints, *([f"for whole numbers: '{path}=int(…)'"] if whole else [])]
            raise ConfigError(f"{text} in the space: {error.message}", *hints) from None

    def run_trial(self, request: RunRequest, channel: Channel) -> AttemptResult:
        """Run the lifecycle and return how the run ended; an exception after its start is in its record."""
        from runtree.lifecycle.execute import ExecutionRequest, execute
        from runtree.training.active_run import RunOptions

        records: list[RunRecord] = []
        run: ActiveRun | None = None
        try:
            run = execute(
                ExecutionRequest(
                    FrozenConfig(dict(request.config), request.fingerprint),
                    lambda: make_folder(request.folder),
                    request.sweep,
                    keep=lambda run: request.keep == "all",
                    on_end=records.append,
                    options=RunOptions(
                        request.overrides,
                        number=request.number,
                        attempt=request.attempt,
                        cached=self.cache.get_or_compute,
                        should_prune=channel.report,
                        prunable=request.prunes,
                        prediction_bytes=request.prediction_bytes,
                        validated=True,  # the preflight has built the algorithms at the ends of the space
                        saves=request.keep != "none",
                    ),
                ),
                self.hooks,
                self.trust,
            )
        except KeyboardInterrupt:
            if not records:  # before the run had a folder; else its record says so, and the driver knows why
                raise
        except Exception:
            if not records:
                raise
        return self._end_trial(request, run, records[-1])

    def _end_trial(self, request: RunRequest, run: ActiveRun | None, record: RunRecord) -> AttemptResult:
        objectives = objective_values(record, request.objectives)
        if run is not None and record.state == "completed" and objectives is not None and request.keep == "best":
            self._add_candidate(request, run, record, objectives)
        # Another attempt continues from the checkpoints of an interrupted run; nothing else reads them. One that failed
        # begins anew: it is tried again when its code has changed
        dropped = record.state != "interrupted" and request.keep != "all" and request.number not in self.best_candidates
        if record.state == "failed" or dropped:
            drop_checkpoints(request.folder)
        return AttemptResult.from_record(record, objectives, kept=request.keep == "all")

    def _add_candidate(self, request: RunRequest, run: ActiveRun, record: RunRecord, values: tuple[float, ...]) -> None:
        """Keep a run in memory unless another one dominates it, and drop those that it dominates."""
        candidates = {number: values for number, (_, _, values) in self.best_candidates.items()}
        # the front of the whole sweep comes with the request: a run that another worker has beaten need not be held
        rivals = [*request.front, *candidates.values()]
        if any(dominates(rival, values, request.objectives) for rival in rivals):
            return
        dominated = [number for number, rival in candidates.items() if dominates(values, rival, request.objectives)]
        self.best_candidates[request.number] = (run, record, values)
        remaining = [number for number in self.best_candidates if number not in dominated]
        # at most MAX_HELD_RUNS, the latest: one that is dropped and turns out to be the best is fitted again
        for number in [*dominated, *remaining[:-MAX_HELD_RUNS]]:
            drop_checkpoints(self.best_candidates.pop(number)[0].folder)

    def finalize(self, request: FinalizeRequest, channel: Channel) -> AttemptResult | None:
        """Score the test part and save the model of a run that is in memory, or run it again where `refit` says how."""
        from runtree.lifecycle.execute import finalize_later
        from runtree.records.folder_claims import drop_artifacts

        if request.number in self.best_candidates:
            run, record, objectives = self.best_candidates.pop(request.number)
            return AttemptResult.from_record(finalize_later(run, record, self.hooks, self.trust), objectives, kept=True)
        if request.refit is None:
            return None
        # what the first attempt left would make the stage save fail, which expects no folder of a model
        drop_artifacts(RunFolder(request.refit.folder))
        return self.run_trial(replace(request.refit, keep="all"), channel)


def drop_checkpoints(folder: Path) -> None:
    shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)


def make_folder(path: Path) -> RunFolder:
    """Make the run's folder; it exists already where a run is finalized by a second fit."""
    path.mkdir(exist_ok=True)
    return RunFolder(path)


def objective_values(record: RunRecord, objectives: MetricDirections) -> tuple[float, ...] | None:
    """Return the values of the objectives, None if one is missing or not finite."""
    # `fit_seconds` is no metric of the evaluator, yet may be an objective beside one
    metrics = {**record.metrics.get("validation", {}), "fit_seconds": record.stages.get("fit")}
    values = [metrics.get(name) for name, _ in objectives]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    return tuple(float(value) for value in values if value is not None)
