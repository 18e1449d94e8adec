"""TensorBoard: the history, the metrics and the settings of each run as event files in the run's own folder."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runtree.contract.run import Run
from runtree.contract.types import RunRecord
from runtree.trackers.events import Events

FOLDER = "tensorboard"
TEST = "test/"
GROUPS = ("data", "preprocess", "algorithm", "evaluator")
LONGEST = 200  # characters of a setting
HIDDEN = {"_target_", "space", "iterations"}  # what an option says of itself


class TensorBoard:
    """Writes ``tensorboard/`` below a run's folder; ``tensorboard --logdir outputs`` reads it."""

    def run_started(self, run: Run) -> None:
        """Choose the folder; there is none before the first event."""
        self._events = Events(run.folder / FOLDER)
        self._began = False

    def run_iterated(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an iteration under their own names."""
        if not self._began:  # a run that goes on tells some steps anew
            self._began = True
            self._events.going_on(step)
        self._events.scalars(step, numbers(metrics))

    def run_finished(self, run: Run, record: RunRecord) -> None:
        """Write the metrics by part, and what tells this run from others."""
        self._end(vars(record), well=True)

    def run_failed(self, run: Run, error: BaseException) -> None:
        """Write that it failed."""
        self._end(json.loads((run.folder / "run.json").read_bytes()), well=False)

    def _end(self, told: Mapping[str, Any], well: bool) -> None:
        self._events.parameters(settings(told["config"], told["overrides"]), seconds(told["started"]))
        self._events.scalars(0, by_part(told["metrics"]))
        self._events.ended(well, seconds(told["finished"]))
        self._events.close()

    def sweep_finished(self, folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
        """Add what the test part says of the best runs, which was not known when they ended."""
        for record in best:
            place = record.folder / FOLDER
            found = {tag: value for tag, value in by_part(record.metrics).items() if tag.startswith(TEST)}
            if found and place.is_dir() and not told(place, TEST):
                events = Events(place)
                events.scalars(0, found)
                events.close()


def told(folder: Path, tag: str) -> bool:
    """Tell whether events of a tag that begins so were written: a tag stands in its event as it is."""
    return any(tag.encode() in file.read_bytes() for file in folder.iterdir())


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return what can be drawn."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


def by_part(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as ``test/accuracy``."""
    parts = ((part, found) for part, found in metrics.items() if isinstance(found, Mapping))
    return {f"{part}/{name}": value for part, found in parts for name, value in numbers(found).items()}


def settings(config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return what a reader compares runs by: the seed, the options, the algorithm's parameters, what was overridden.

    `config` is flat: by dotted path.
    """
    typed = {text.lstrip("+~").partition("=")[0] for text in overrides} - {"trackers"}
    kept = {"seed", *(f"{group}.name" for group in GROUPS), *typed}
    return {
        path: value if isinstance(value, (bool, int, float)) and math.isfinite(value) else str(value)[:LONGEST]
        for path, value in config.items()
        if (path in kept or path.startswith("algorithm.")) and not set(path.split(".")) & HIDDEN and value is not None
    }


def seconds(time: str) -> float:
    """Return a record's time as seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()
