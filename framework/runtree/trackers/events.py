"""Event files as TensorBoard reads them, written by its own record writer; no TensorFlow is needed."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter


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
