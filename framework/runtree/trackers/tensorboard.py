"""TensorBoard: history, metrics and settings of each run as event files, by TensorBoard's own record writer.

TensorFlow is not needed.
"""

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

FOLDER = "tensorboard"
TEST_TAG = "test/"
GROUPS = ("data", "preprocess", "algorithm", "evaluator")
MAX_CHARACTERS = 200  # of a setting
HIDDEN = {"_target_", "space", "iterations"}  # keys that describe an option and not a run


class Events:
    """An event file in a folder, created by the first event and written to disk after each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: RecordWriter | None = None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step."""
        shown = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step=step, summary=Summary(value=shown))

    def restart(self, step: int) -> None:
        """Mark earlier events of this step and later ones as outdated, as TensorBoard expects of a restart."""
        self._write(step=step, session_log=SessionLog(status=SessionLog.START))

    def parameters(self, values: Mapping[str, Any], started: float) -> None:
        """Write the settings of a run; `started` in seconds since 1970."""
        start = SessionStartInfo(start_time_secs=started)
        for name, value in values.items():
            field = start.hparams[name]
            # first, since a boolean is an integer in Python, too
            if isinstance(value, bool):
                field.bool_value = value
            elif isinstance(value, (int, float)):
                field.number_value = float(value)
            else:
                field.string_value = str(value)
        self._write_hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))

    def end(self, succeeded: bool, finished: float) -> None:
        """Write the final state of a run."""
        status = Status.STATUS_SUCCESS if succeeded else Status.STATUS_FAILURE
        end = SessionEndInfo(status=status, end_time_secs=finished)
        self._write_hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))

    def _write_hparams(self, tag: str, data: HParamsPluginData) -> None:
        data.version = metadata.PLUGIN_DATA_VERSION
        plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))
        self._write(summary=Summary(value=[value]))

    def _write(self, **content: Any) -> None:
        if self._writer is None:
            # only with the first event: a run that fails before its fit leaves no empty folder
            self.folder.mkdir(exist_ok=True)
            # TensorBoard finds event files by this pattern. Time, host and process keep two writers of one folder apart
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            # unbuffered: TensorBoard follows a running fit, and events before a kill are not lost
            self._writer = RecordWriter((self.folder / name).open("wb", buffering=0))
            # the format wants its version as the first event of a file
            self._write(file_version="brain.Event:2")
        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class TensorBoard:
    """Tracker that writes ``tensorboard/`` below a run's folder, for ``tensorboard --logdir outputs``."""

    def run_started(self, run: Run) -> None:
        """Set the folder, which the first event creates."""
        self._events = Events(run.folder / FOLDER)
        self._began = False

    def run_iterated(self, run: Run, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an iteration."""
        if not self._began:  # a resumed run repeats the steps since its last checkpoint
            self._began = True
            self._events.restart(step)
        self._events.scalars(step, numbers(metrics))

    def run_finished(self, run: Run, record: RunRecord) -> None:
        """Write the settings and the metrics by split."""
        self._end(vars(record), succeeded=True)

    def run_failed(self, run: Run, error: BaseException) -> None:
        """Write settings, metrics and the failure from `run.json`: there is no record object."""
        self._end(json.loads((run.folder / "run.json").read_bytes()), succeeded=False)

    def _end(self, record: Mapping[str, Any], succeeded: bool) -> None:
        self._events.parameters(settings(record["config"], record["overrides"]), seconds(record["started"]))
        self._events.scalars(0, by_split(record["metrics"]))
        self._events.end(succeeded, seconds(record["finished"]))
        self._events.close()

    def sweep_finished(self, folder: Path, best: Sequence[RunRecord], stop: Mapping[str, Any]) -> None:
        """Add the test scores of the best runs, which are computed after the search."""
        for record in best:
            folder = record.folder / FOLDER
            scores = {tag: value for tag, value in by_split(record.metrics).items() if tag.startswith(TEST_TAG)}
            # a run of a sweep that was finalized by a second fit has written its test scores itself
            if scores and folder.is_dir() and not has_tag(folder, TEST_TAG):
                events = Events(folder)
                events.scalars(0, scores)
                events.close()


def has_tag(folder: Path, tag: str) -> bool:
    """Whether events with a tag of this prefix exist; a tag is plain bytes in its file, so nothing has to be parsed."""
    return any(tag.encode() in file.read_bytes() for file in folder.iterdir())


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numeric metrics."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


def by_split(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics with tags such as ``test/accuracy``."""
    splits = ((split, scores) for split, scores in metrics.items() if isinstance(scores, Mapping))
    return {f"{split}/{name}": value for split, scores in splits for name, value in numbers(scores).items()}


def settings(config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings that distinguish runs: seed, options, parameters of the algorithm, overrides.

    `config` is flat, with dotted paths as keys.
    """
    # what was typed distinguishes runs; the whole config has a hundred columns that are equal in all of them
    typed = {text.lstrip("+~").partition("=")[0] for text in overrides} - {"trackers"}
    kept = {"seed", *(f"{group}.name" for group in GROUPS), *typed}
    return {
        path: value if isinstance(value, (bool, int, float)) and math.isfinite(value) else str(value)[:MAX_CHARACTERS]
        for path, value in config.items()
        if (path in kept or path.startswith("algorithm.")) and not set(path.split(".")) & HIDDEN and value is not None
    }


def seconds(time: str) -> float:
    """Return a time of a record in seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()
