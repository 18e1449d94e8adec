"""What a worker of a sweep does: it probes, runs, and keeps the best until it is told which that was."""

import gc
import math
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from runtree.app.application import App, rest_idle_threads
from runtree.config.freeze import FrozenConfig
from runtree.contract.errors import RuntreeError
from runtree.contract.run import Run
from runtree.contract.types import RunRecord
from runtree.plugins import make_plugins
from runtree.records.layout import RunFolder
from runtree.sweeps.attempts import error_record, is_disk_full
from runtree.sweeps.messages import (
    AttemptResult,
    FinalizeRequest,
    PreflightRequest,
    PreflightResult,
    RunRequest,
    dominates,
)

# What nearly every run imports: loaded once, before workers are forked.
PRELOADED_MODULES = ("pandas", "sklearn.pipeline", "sklearn.metrics", "sklearn.model_selection", "typeguard", "yaml")
MAX_HELD_RUNS = 20  # runs of a Pareto front that a worker holds on to at most


class Channel(Protocol):
    """The way to the driver."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Tell intermediate metrics, and hear whether the run is given up."""
        ...


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker needs to know of its driver."""

    overrides: tuple[str, ...] = ()
    extra: tuple[tuple[str, object], ...] = ()
    targets: tuple[str, ...] = ()


def make_sweep_worker(setting: WorkerConfig) -> "SweepWorker":
    """Load what runs need, once for all workers."""
    rest_idle_threads()
    app = App(make_plugins(extra=setting.extra)) if setting.extra else App()
    worker = SweepWorker(app, setting.overrides)
    for library in PRELOADED_MODULES:
        import_module(library)
    for target in setting.targets:
        worker.trust.resolve(target, "config")
    gc.collect()
    gc.freeze()  # what is loaded by now stays: neither is it searched for garbage, nor are its pages copied for that
    return worker


class SweepWorker:
    """Does one piece of work after another; what it learns of the data it remembers."""

    def __init__(self, app: App, overrides: tuple[str, ...]) -> None:
        from runtree.lifecycle.cache import RunCache

        self.hooks = app.plugins
        self.trust = app.allow_list(overrides)
        self.memory = RunCache()
        self.held: dict[int, tuple[Run, RunRecord, tuple[float, ...]]] = {}

    def __call__(self, payload: Any, channel: Channel) -> Any:
        """Do what the payload asks for; what a user can mend comes back as an error, not as an exception."""
        try:
            if isinstance(payload, PreflightRequest):
                return self.probe(payload)
            if isinstance(payload, FinalizeRequest):
                return self.complete(payload, channel)
            return self.work(payload, channel)
        except RuntreeError as error:
            return error
        except OSError as error:  # not even a record could be written
            if not is_disk_full(error):
                raise
            return disk_full_result(error)

    def probe(self, probe: PreflightRequest) -> PreflightResult:
        """Load, check and split; build every trial."""
        from runtree.app.probing import probe as look

        return look(probe, self.hooks, self.trust, self.memory.get_or_compute)

    def work(self, work: RunRequest, channel: Channel) -> AttemptResult:
        """Do a run and return how it ended, whatever came in between."""
        from runtree.lifecycle.execute import Request, execute

        records: list[RunRecord] = []
        request = Request(
            FrozenConfig(dict(work.config), work.fingerprint),
            lambda: make_folder(work.folder),
            work.overrides,
            work.sweep,
            keep=lambda run: work.keep == "all",
            cached=self.memory.get_or_compute,
            given_up=channel.report,
            prunable=work.prunes,
            validated=True,
            ended=records.append,
        )
        run: Run | None = None
        try:
            run = execute(request, self.hooks, self.trust)
        except KeyboardInterrupt:
            if not records:  # it never began; else its record says so, and the driver knows why it was told to end
                raise
        except SystemExit as error:
            sys.stderr.write(f"the algorithm called sys.exit({error.code})\n")
        except Exception:
            if not records:  # it never began; else its record and its log tell the error, and the driver judges it
                raise
        return self._outcome(work, run, records[-1])

    def _outcome(self, work: RunRequest, run: Run | None, record: RunRecord) -> AttemptResult:
        objectives = objective_values(record, work.objectives)
        if record.state == "completed" and objectives is None:
            record = mark_diverged(record, work)
        if run is not None and record.state == "completed" and objectives is not None and work.keep == "best":
            self._hold(work, run, record, objectives)
        if record.state != "interrupted" and work.keep != "all" and work.number not in self.held:
            drop_checkpoints(work.folder)
        return AttemptResult.from_record(record, objectives, kept=work.keep == "all")

    def _hold(self, work: RunRequest, run: Run, record: RunRecord, objectives: tuple[float, ...]) -> None:
        rivals = [*work.front, *(known for _, _, known in self.held.values())]
        if any(dominates(rival, objectives, work.objectives) for rival in rivals):
            return
        worse = [number for number, (_, _, known) in self.held.items() if dominates(objectives, known, work.objectives)]
        self.held[work.number] = (run, record, objectives)
        many = [number for number in self.held if number not in worse]
        for number in [*worse, *many[:-MAX_HELD_RUNS]]:
            drop_checkpoints(self.held.pop(number)[0].folder)

    def complete(self, asked: FinalizeRequest, channel: Channel) -> AttemptResult | None:
        """Keep a run that this worker holds, or do it again where it is told how."""
        from runtree.lifecycle.execute import complete_later
        from runtree.records.layout import drop_artifacts

        if asked.number in self.held:
            run, record, objectives = self.held.pop(asked.number)
            return AttemptResult.from_record(complete_later(run, record, self.hooks, self.trust), objectives, kept=True)
        if asked.refit is None:
            return None
        drop_artifacts(RunFolder(asked.refit.folder))
        return self.work(replace(asked.refit, keep="all"), channel)


def drop_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that nobody will go on with."""
    shutil.rmtree(RunFolder(folder).checkpoints, ignore_errors=True)


def make_folder(path: Path) -> RunFolder:
    """Return a run's folder, made unless the run is done again in its own."""
    path.mkdir(exist_ok=True)
    return RunFolder(path)


def objective_values(record: RunRecord, objectives: tuple[tuple[str, str], ...]) -> tuple[float, ...] | None:
    """Return the numbers that a run is judged by, None where one is missing or is no number."""
    scored = {**record.metrics.get("validation", {}), "fit_seconds": record.stages.get("fit")}
    found = [scored.get(name) for name, _ in objectives]
    if any(value is None or not math.isfinite(value) for value in found):
        return None
    return tuple(float(value) for value in found if value is not None)


def mark_diverged(record: RunRecord, work: RunRequest) -> RunRecord:
    """Turn a run without a finite objective into a failed one, in its folder too."""
    from runtree.records.record import write_record

    names = ", ".join(name for name, _ in work.objectives)
    error = {"type": "Diverged", "message": f"{names} on the validation part is no finite number", "hints": []}
    record = replace(record, state="failed", reason="diverged", error=error)
    write_record(RunFolder(work.folder), record, durable=False)
    return record


def disk_full_result(error: OSError) -> AttemptResult:
    """Return what the driver is told of a run whose folder takes no more."""
    return AttemptResult("failed", "error", error=error_record("OSError", str(error)))
