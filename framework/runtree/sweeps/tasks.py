"""From a trial to a job: a config, a folder, limits; and what is left to do for one that died."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtree.config.compose import Composer
from runtree.config.freeze import OUTSIDE, FrozenConfig
from runtree.config.resources import Resources
from runtree.config.space.grammar import override
from runtree.contract.errors import ConfigError, NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder, SweepFolder, timestamp
from runtree.records.record import new_record, read_record, write_record
from runtree.records.writer import write_json, write_yaml
from runtree.sweeps.attempts import AttemptEnd
from runtree.sweeps.messages import MetricDirections, RunRequest
from runtree.sweeps.options import LoopOptions
from runtree.sweeps.overrides import SweepOverrides
from runtree.sweeps.search_space import SearchSpace
from runtree.sweeps.state import RunState, Trial
from runtree.workers.executor import Job

RECHECK_EVALUATOR = "cross_validation"  # the evaluator by which the best few are judged once more


@dataclass
class Tasks:
    """Makes jobs of trials."""

    composer: Composer
    families: Sequence[SearchSpace]
    folder: SweepFolder
    options: LoopOptions
    resources: Resources
    axes: SweepOverrides
    objectives: MetricDirections
    prunes: bool = False

    def __post_init__(self) -> None:
        self._families = {family.name: family for family in self.families}
        self._left: dict[int, Path] = {}
        self._last: tuple[Mapping[str, Any], tuple[FrozenConfig, str]] | None = None
        self._composed = {*self.axes.composed, *(group for family in self.families for group in family.choices)}

    def freeze(self, family: SearchSpace, values: Mapping[str, Any]) -> tuple[FrozenConfig, str]:
        """Return the config of a configuration, and what any two that are the same have in common.

        What lies outside the science, such as `compute.threads`, makes two runs differ if it was asked for.
        """
        if self._last is not None and self._last[0] is values:  # what was proposed a moment ago is begun now
            return self._last[1]
        frozen = self.composer.freeze({**family.choices, **values}, self._composed)
        asked = {path: value for path, value in values.items() if path.partition(".")[0] in OUTSIDE}
        same = frozen.fingerprint + (json.dumps(asked, sort_keys=True, default=str) if asked else "")
        self._last = (values, (frozen, same))
        return frozen, same

    def config(self, entry: RunState, trial: Trial) -> FrozenConfig:
        """Return the config of a run: that of its trial, a repeat with a seed of its own."""
        family = self._families[trial.key[0]]
        frozen, _ = self.freeze(family, trial.values)
        if not entry.repeat:
            return frozen
        seed = int(frozen.config["seed"]) + entry.repeat
        return self.freeze(family, {**trial.values, "seed": seed})[0]

    def job(self, entry: RunState, trial: Trial, front: tuple[tuple[float, ...], ...]) -> Job:
        """Return what an executor is given; the run's folder is made."""
        work = self.work(entry, trial, front)
        work.folder.mkdir()
        self._carry_over(self._left.pop(entry.number, None), work.folder)
        log = work.folder / "log.txt"
        return Job(entry.number, work, self.resources.max_seconds, self.resources.bytes, log)

    def work(self, entry: RunState, trial: Trial, front: tuple[tuple[float, ...], ...] = ()) -> RunRequest:
        """Return what a worker is given."""
        frozen = self.config(entry, trial)
        return RunRequest(
            entry.number,
            frozen.config,
            frozen.fingerprint,
            self.folder.run(entry.number).path.absolute(),
            self.folder.path.name,
            self.overrides(entry, trial, frozen),
            self.options.keep,  # type: ignore[arg-type]
            self.objectives,
            front,
            self.prunes,
        )

    def by_folds(self, entry: RunState, trial: Trial) -> RunRequest:
        """Return the work of judging a configuration once more, by folds, in a folder of its own.

        Raises
        ------
        ConfigError
            The sweep judges by folds already, or sets what an evaluator with folds does not have.
        """
        family = self._families[trial.key[0]]
        if "cross_validation" in str(self.config(entry, trial).config["evaluator"].get("_target_")):
            raise ConfigError("the evaluator has folds already")
        values = {**family.choices, **trial.values, "evaluator": RECHECK_EVALUATOR}
        frozen = self.composer.freeze(values, self._composed | {"evaluator"})
        folder = self.folder.rechecked(entry.number).path.absolute()
        folder.parent.mkdir(exist_ok=True)
        words = (*self.overrides(entry, trial, frozen), f"evaluator={RECHECK_EVALUATOR}")
        name = f"{self.folder.path.name}/rechecked"
        return RunRequest(entry.number, frozen.config, frozen.fingerprint, folder, name, words, "none", self.objectives)

    def overrides(self, entry: RunState, trial: Trial, frozen: FrozenConfig) -> tuple[str, ...]:
        """Return what one would type to have this run alone."""
        family = self._families[trial.key[0]]
        chosen = {**family.choices, **trial.values}
        if entry.repeat:
            chosen["seed"] = frozen.config["seed"]
        composed, pairs = self._composed, chosen.items()
        texts = (f"{path}={value}" if path in composed else override(path, value) for path, value in pairs)
        return (*texts, *self.axes.fixed)

    def aside(self, entry: RunState) -> None:
        """Move what an earlier attempt left out of the way."""
        place = self.folder.set_aside(self.folder.run(entry.number).path, max(1, entry.attempts - 1))
        if place is not None:
            self._left[entry.number] = place

    def _carry_over(self, left: Path | None, folder: Path) -> None:
        """Let an attempt go on from the checkpoints of the one before; what they are of is seen when they are read."""
        if left is not None and RunFolder(left).checkpoints.is_dir():
            RunFolder(left).checkpoints.rename(RunFolder(folder).checkpoints)
            if RunFolder(left).history.is_file():
                shutil.copy(RunFolder(left).history, RunFolder(folder).history)

    def failed(self, entry: RunState, ending: AttemptEnd, trial: Trial) -> None:
        """Write the record of a run whose process is gone: it cannot do so any more."""
        folder = self.folder.run(entry.number)
        frozen = self.config(entry, trial)
        try:
            record = read_record(folder)
        except NotFoundError:
            record = _unwritten(f"{self.folder.path.name}/{folder.path.name}", frozen, folder.path)
        folder.path.mkdir(exist_ok=True)
        if not folder.config.exists():
            write_yaml(folder.config, frozen.written, durable=False)
        record = replace(
            record,
            state=ending.state,
            reason=ending.reason,
            finished=timestamp(),
            seconds=round(ending.seconds, 6),
            error=dict(ending.error) if ending.error else None,
            overrides=record.overrides or self.overrides(entry, trial, frozen),
        )
        write_record(folder, record, durable=False)

    def asked_to_stop(self) -> str | None:
        """Return "finish" or "terminate" where `runtree stop` asks for it."""
        try:
            return self.folder.request.read_text(encoding="utf-8").strip() or "finish"
        except OSError:
            return None


def restore_run_files(work: RunRequest, entry: RunState) -> None:
    """Write config, record and metrics of a run that has ended as the ledger tells of it."""
    folder, frozen, known = RunFolder(work.folder), FrozenConfig(dict(work.config), work.fingerprint), entry.outcome
    try:
        record = read_record(folder)
    except NotFoundError:
        record = _unwritten(f"{work.sweep}/{folder.path.name}", frozen, folder.path)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_yaml(folder.config, frozen.written)
    metrics = known.get("metrics") or {}
    if metrics:
        write_json(folder.metrics, metrics)
    objective = {}
    if entry.objectives:
        metric, direction = work.objectives[0]
        objective = {"metric": metric, "direction": direction, "part": "validation", "value": entry.objectives[0]}
    record = replace(
        record,
        state=entry.state,
        reason=known.get("reason"),
        finished=record.finished or timestamp(),
        seconds=known.get("seconds"),
        overrides=work.overrides,
        metrics=metrics,
        objective=objective or record.objective,
        fingerprints=known.get("fingerprints") or record.fingerprints,
        stages=known.get("stages") or record.stages,
        task=known.get("task") or record.task,
        error=known.get("error"),
        missed=tuple(known.get("missed") or ()),
    )
    write_record(folder, record)


def _unwritten(name: str, frozen: FrozenConfig, folder: Path) -> RunRecord:
    experiment = str(frozen.config["experiment"]["name"])
    return new_record(name, experiment, "failed", (), frozen.flat, frozen.fingerprint, folder)
