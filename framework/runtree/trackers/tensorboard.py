"""Event files as TensorBoard reads them, written by its own record writer; no TensorFlow is needed."""

import json
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from runtree.contract.run import Run
from runtree.contract.types import RunRecord


class Events:
    """An event file in a folder: made when the first event comes, and on disk after each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: RecordWriter | None = None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers of one step."""
        shown = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step=step, summary=Summary(value=shown))

    def going_on(self, step: int) -> None:
        """Say that what was told before of this step and later ones does not count any more."""
        self._write(step=step, session_log=SessionLog(status=SessionLog.START))

    def parameters(self, values: Mapping[str, Any], started: float) -> None:
        """Write what a run was given: numbers, texts, booleans. `started` in seconds since 1970."""
        start = SessionStartInfo(start_time_secs=started)
        for name, value in values.items():
            field = start.hparams[name]
            if isinstance(value, bool):
                field.bool_value = value
            elif isinstance(value, (int, float)):
                field.number_value = float(value)
            else:
                field.string_value = str(value)
        self._of_hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))

    def ended(self, well: bool, finished: float) -> None:
        """Write how a run ended."""
        status = Status.STATUS_SUCCESS if well else Status.STATUS_FAILURE
        end = SessionEndInfo(status=status, end_time_secs=finished)
        self._of_hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))

    def _of_hparams(self, tag: str, data: HParamsPluginData) -> None:
        data.version = metadata.PLUGIN_DATA_VERSION
        plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))
        self._write(summary=Summary(value=[value]))

    def _write(self, **content: Any) -> None:
        if self._writer is None:
            self.folder.mkdir(exist_ok=True)
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            self._writer = RecordWriter((self.folder / name).open("wb", buffering=0))
            self._write(file_version="brain.Event:2")
        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())

    def close(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()


# --- TensorBoard: the history, the metrics and the settings of each run as event files in the run's own folder.

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
