"""From a run to a job: its config, its folder, its limits; and the record of a run that could not write its own."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from runtree.config.compose import Composer
from runtree.config.freeze import FrozenConfig
from runtree.config.resources import Resources
from runtree.config.space.grammar import override
from runtree.contract.errors import ConfigError, NotFoundError
from runtree.contract.files import read_regular
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.types import RunRecord
from runtree.records.find import is_chosen
from runtree.records.layout import RunFolder, SweepFolder, timestamp
from runtree.records.record import new_record, read_record, write_record
from runtree.records.writer import write_json, write_yaml
from runtree.sweeps.attempts import difference_from_request
from runtree.sweeps.messages import AttemptResult, MetricDirections, RunRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.overrides import SweepOverrides
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import RunState, Trial
from runtree.workers.executor import Job

RECHECK_EVALUATOR = "cross_validation"  # `tuner.recheck` evaluates the best trials with it


@dataclass
class Tasks:
    """Makes the jobs of a sweep, and does the file work of its runs.

    Attributes
    ----------
    session
        Which session of the sweep this is.
    champion
        The run that `latest` or `best` in ``evaluator.benchmark.run`` meant when the sweep began: its workers look for
        it at different times.
    """

    composer: Composer
    spaces: Sequence[SearchSpace]
    folder: SweepFolder
    options: LoopOptions
    resources: Resources
    overrides: SweepOverrides
    objectives: MetricDirections
    prunes: bool = False
    session: int = 1
    champion: str | None = None

    def __post_init__(self) -> None:
        self._spaces = {space.name: space for space in self.spaces}
        self._archived: dict[int, Path] = {}  # the folder of a run's former attempt
        self._frozen: tuple[Mapping[str, Any], tuple[FrozenConfig, str]] | None = None
        self._predictions: list[tuple[float, int, int]] = []  # a heap of (score, number, bytes), the worst first
        self._predicted = 0  # their bytes in all
        self._composed = {*self.overrides.composed, *(group for space in self.spaces for group in space.groups)}

    def freeze(self, space: SearchSpace, values: Mapping[str, Any]) -> tuple[FrozenConfig, str]:
        """Return the config of a trial, and its config key: equal for two trials with the same config.

        The fingerprint leaves out what does not change the result, such as `compute.threads`. If the sweep searches
        such a key, it makes two trials differ.
        """
        if self._frozen is not None and self._frozen[0] is values:  # proposed a moment ago, begins now
            return self._frozen[1]
        frozen = self.composer.freeze({**space.choices, **values}, self._composed)
        outside = {path: value for path, value in values.items() if path.partition(".")[0] in IGNORED_GROUPS}
        key = frozen.fingerprint + (json.dumps(outside, sort_keys=True, default=str) if outside else "")
        # one entry is enough: a trial is frozen when it is proposed, and again when its run begins
        self._frozen = (values, (frozen, key))
        return frozen, key

    def config(self, run: RunState, trial: Trial) -> FrozenConfig:
        """Return the config of a run: that of its trial; a repeat has its own seed."""
        space, seeds = self._spaces[trial.key[0]], self.overrides.seeds
        frozen, _ = self.freeze(space, trial.values)
        if not run.repeat and not seeds:
            return frozen
        seed = seeds[run.repeat] if seeds else int(frozen.config["seed"]) + run.repeat
        return self.freeze(space, {**trial.values, "seed": seed})[0]

    def make_job(self, run: RunState, trial: Trial, front: tuple[tuple[float, ...], ...]) -> Job:
        """Make the run's folder, and return the job for an executor."""
        request = self.run_request(run, trial, front)
        # Not `exist_ok`: what an earlier attempt left has been archived, and no run may overwrite another
        request.folder.mkdir()
        self._adopt_checkpoints(self._archived.pop(run.number, None), request.folder)
        log = request.folder / "log.txt"
        return Job(run.number, request, self.resources.max_seconds, self.resources.bytes, log)

    def run_request(self, run: RunState, trial: Trial, front: tuple[tuple[float, ...], ...] = ()) -> RunRequest:
        """Return the request for a run."""
        frozen = self.config(run, trial)
        return RunRequest(
            run.number,
            self._with_champion(frozen.config),
            frozen.fingerprint,
            self.folder.run(run.number).path.absolute(),
            self.folder.path.name,
            f"{self.session}.{run.attempts}",
            self.run_overrides(run, trial, frozen),
            self.options.keep,  # type: ignore[arg-type]
            self.objectives,
            front,
            self.prunes,
            self.options.prediction_bytes,
        )

    def _with_champion(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        benchmark = config["evaluator"].get("benchmark") or {}
        if self.champion is None or not is_chosen(str(benchmark.get("run"))):
            return config
        named = {**benchmark, "run": self.champion}  # evaluations do not belong to the fingerprint
        return {**config, "evaluator": {**config["evaluator"], "benchmark": named}}

    def count_predictions(self, run: RunState) -> None:
        """Count the validation predictions of a run that has ended; beyond the limit those of the worst are removed."""
        if not self.options.prediction_bytes or run.kept:  # a kept run has them in a file of its own, too
            return
        try:
            size = self.folder.run(run.number).validation.stat().st_size
        except OSError:  # none were written
            return
        sign = 1 if self.objectives[0][1] == "maximize" else -1
        score = sign * run.objectives[0] if run.objectives else -math.inf
        heappush(self._predictions, (score, run.number, size))
        self._predicted += size
        while self._predicted > self.options.prediction_bytes:
            _, number, size = heappop(self._predictions)
            self.folder.run(number).validation.unlink(missing_ok=True)
            self._predicted -= size

    def recheck_request(self, run: RunState, trial: Trial) -> RunRequest:
        """Return the request to cross-validate a trial, in a folder of its own.

        Raises
        ------
        ConfigError
            The sweep cross-validates already, or sets a key that this evaluator does not have.
        """
        space = self._spaces[trial.key[0]]
        config = self.config(run, trial).config
        if "cross_validation" in str(config["evaluator"].get("_target_")):
            raise ConfigError("the evaluator has folds already")
        values = {**space.choices, **trial.values, "seed": config["seed"], "evaluator": RECHECK_EVALUATOR}
        frozen = self.composer.freeze(values, self._composed | {"evaluator"})
        folder = self.folder.rechecked(run.number).path.absolute()
        folder.parent.mkdir(exist_ok=True)
        overrides = (*self.run_overrides(run, trial, frozen), f"evaluator={RECHECK_EVALUATOR}")
        sweep = f"{self.folder.path.name}/rechecked"
        attempt = f"{self.session}.1"
        return RunRequest(
            run.number, frozen.config, frozen.fingerprint, folder, sweep, attempt, overrides, "none", self.objectives
        )

    def run_overrides(self, run: RunState, trial: Trial, frozen: FrozenConfig) -> tuple[str, ...]:
        """Return the overrides that run this run alone."""
        values = {**self._spaces[trial.key[0]].choices, **trial.values}
        if run.repeat or self.overrides.seeds:
            values["seed"] = frozen.config["seed"]
        texts = {
            path: f"{path}={value}" if path in self._composed else override(path, value)
            for path, value in values.items()
        }
        return tuple(self.overrides.arrange(texts))

    def archive_attempt(self, run: RunState) -> None:
        """Move the folder that an earlier attempt left, if there is one."""
        # moved, not removed: the log of an attempt that crashed is what explains the crash
        archived = self.folder.set_aside(self.folder.run(run.number).path, max(1, run.attempts - 1))
        if archived is not None:
            self._archived[run.number] = archived

    def _adopt_checkpoints(self, archived: Path | None, folder: Path) -> None:
        """Let an attempt continue from the checkpoints of the former one; whether they fit is checked on reading."""
        if archived is not None and RunFolder(archived).checkpoints.is_dir():
            # moved, as checkpoints may be large; the history is copied, because the archive should show how far the
            # attempt came
            RunFolder(archived).checkpoints.rename(RunFolder(folder).checkpoints)
            if RunFolder(archived).history.is_file():
                shutil.copy(RunFolder(archived).history, RunFolder(folder).history)

    def record_failure(self, run: RunState, result: AttemptResult, trial: Trial) -> None:
        """Write the record of a run whose process could not."""
        folder, request = self.folder.run(run.number), self.run_request(run, trial)
        frozen = FrozenConfig(dict(request.config), request.fingerprint)
        # what this attempt itself has written is kept, such as when it started
        record = _own_record(request, attempt=True)
        folder.path.mkdir(exist_ok=True)
        # Not durable: should the power fail, the ledger knows the run, and `repair_run_files` writes it again
        if not folder.config.exists():
            write_yaml(folder.config, frozen.written, durable=False)
        record = replace(
            record,
            state=result.state,
            reason=result.reason,
            finished=timestamp(),
            seconds=round(result.seconds, 6),
            error=dict(result.error) if result.error else None,
            overrides=record.overrides or request.overrides,
        )
        write_record(folder, record, durable=False)

    def stop_request(self) -> str | None:
        """Return "finish" or "terminate" after `runtree stop`, else None."""
        try:
            # an empty file asks for the milder way
            return read_regular(self.folder.request).decode(errors="replace").strip() or "finish"
        except OSError:
            return None


def restore_run_files(request: RunRequest, run: RunState) -> None:
    """Write config, record and metrics of an ended run again, from what the ledger knows."""
    folder, frozen, result = (
        RunFolder(request.folder),
        FrozenConfig(dict(request.config), request.fingerprint),
        run.result,
    )
    record = _own_record(request, attempt=False)
    folder.path.mkdir(parents=True, exist_ok=True)
    # durable: these files replace ones that a loss of power has damaged, and the record comes last
    write_yaml(folder.config, frozen.written)
    if result.metrics:
        write_json(folder.metrics, result.metrics)
    objective = {}
    if result.objectives:
        metric, direction = request.objectives[0]
        objective = {"metric": metric, "direction": direction, "part": "validation", "value": result.objectives[0]}
    record = replace(
        record,
        state=run.state,
        reason=result.reason,
        finished=record.finished or timestamp(),
        seconds=result.seconds,
        overrides=request.overrides,
        metrics=dict(result.metrics),
        objective=objective or record.objective,
        fingerprints=result.fingerprints or record.fingerprints,
        stages=result.stages or record.stages,
        task=result.task or record.task,
        error=result.error,
        missed=result.failed_gates,
        plugins=result.plugins or record.plugins,
    )
    write_record(folder, record)


def _own_record(request: RunRequest, attempt: bool) -> RunRecord:
    """Return the record that a run has written to its folder; a new one if there is none, or one of another run."""
    folder, frozen = RunFolder(request.folder), FrozenConfig(dict(request.config), request.fingerprint)
    with suppress(NotFoundError):
        record = read_record(folder)
        if not difference_from_request(record, request, attempt):
            return record
    name, experiment = f"{request.sweep}/{folder.path.name}", str(frozen.config["experiment"]["name"])
    record = new_record(name, experiment, "failed", (), frozen.flat, frozen.fingerprint, folder.path)
    return replace(record, number=request.number, attempt=request.attempt)
