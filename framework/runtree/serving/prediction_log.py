"""The prediction log: what was asked and answered, without delaying a request.

`append` puts an entry into a bounded queue; a thread writes it a moment later. What the queue cannot take is dropped,
and what a kill loses is lost: both are counted in the log itself (`runtree.records.prediction_segments`).
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtree.contract.errors import ConfigError, RuntreeError, first_line
from runtree.contract.files import create_file, read_regular
from runtree.records.prediction_labels import label_lines
from runtree.records.prediction_segments import LABELS, LogCounts, Segment, dump_entry, roll_left, write_parquet
from runtree.records.sealed import SealKey

log = logging.getLogger(__name__)

COLUMN_CHOICES = ("all", "hash", "none")
GATHER_SECONDS = 0.02  # entries of so long are written by one call, and lost by a kill
TICK_SECONDS = 1.0
RETRY_SECONDS = 30.0
DATABASE_SECONDS = 2.0  # a database gets its entries after so long
SALT = ".salt"
Number = float | int


@dataclass(frozen=True)
class LoggedPrediction:
    """One predicted row.

    Attributes
    ----------
    request_id
        By which a late truth names it, with the number of the `row` in its request.
    time
        ISO 8601, UTC.
    inputs, outputs
        By column; the prediction, probabilities, and whatever the answer had.
    seconds
        From the arrival of the request to its answer.
    """

    request_id: str
    time: str
    model: str
    version: int | str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    seconds: float
    route: str
    row: int = 0


@dataclass(frozen=True)
class LogOptions:
    """The keys below `serve.log`."""

    to: str | None = "predictions"  # a folder, or the URL of a database; null: nothing is logged
    spool: str = "predictions"  # with a database: the folder where entries wait for it
    columns: str | Sequence[str] = "all"  # all but sensitive ones | hash | none | names, which may be sensitive
    sensitive: Sequence[str] = ()  # besides evaluator.fairness.columns of the model
    queue: int = 20_000  # entries that wait in memory
    megabytes: Number = 64  # a file of so much, or that old, becomes Parquet
    minutes: Number = 60


def check_log_options(options: LogOptions, path: str = "serve.log") -> None:
    """Refuse values that are not possible."""
    if isinstance(options.columns, str) and options.columns not in COLUMN_CHOICES:
        raise ConfigError(
            f"{path}.columns: '{options.columns}'", f"possible: {', '.join(COLUMN_CHOICES)}, or a list of names"
        )
    for name in ("queue", "megabytes", "minutes"):
        if getattr(options, name) <= 0:
            raise ConfigError(f"{path}.{name}: {getattr(options, name)} must be above 0")


def sensitive_columns(config: Mapping[str, Any]) -> set[str]:
    """Return the sensitive columns that a run's config names: those whose groups it compares for fairness.

    `config` is flat, as in a record.
    """
    return {str(name) for name in config.get("evaluator.fairness.columns") or ()}


@dataclass
class _Stream:
    """A folder of segments and the one that this process writes to."""

    folder: Path
    key: SealKey | None
    segment: Segment = field(init=False)
    began: float = field(default=0.0, init=False)
    ended: LogCounts = field(default_factory=LogCounts, init=False)  # of earlier segments of this process

    def __post_init__(self) -> None:
        self.segment, self.began = Segment(self.folder, self.key), time.monotonic()

    def rotate(self) -> None:
        """Go on in a new segment. No entry is written meanwhile: the caller is the only writer."""
        old = self.segment
        with old.lock:  # entries that wait are counted where they will be written
            counts = old.counts
            pending = counts.received - counts.dropped - counts.written
            # the new one first: a kill in between counts them twice, and not never
            self.segment, self.began = Segment(self.folder, self.key, pending), time.monotonic()
            old.release(pending)
            self.ended += LogCounts(counts.received - pending, counts.written, counts.dropped)


class PredictionLog:
    """A log that is open for writing, in one process."""

    def __init__(
        self,
        options: LogOptions,
        key: SealKey | None = None,
        on_counts: Callable[[LogCounts], None] = lambda counts: None,
    ) -> None:
        check_log_options(options)
        place = str(options.to)
        self._options, self.key, self._on_counts = options, key, on_counts
        self._store, self._seconds = write_parquet, 60.0 * options.minutes
        folder, self._database = Path(place), None
        if "://" in place:
            from runtree.records.prediction_database import PredictionDatabase

            self._database = PredictionDatabase(place)
            self._store, self._seconds = self._database.store, DATABASE_SECONDS
            folder = Path(options.spool)
        self._sensitive = set(options.sensitive)
        self._predictions, self._labels = _Stream(folder, key), _Stream(folder / LABELS, key)
        self._salt = _salt(folder, key) if options.columns == "hash" else b""
        self._queue: deque[LoggedPrediction] = deque()
        self._writing, self._wake, self._closing = threading.RLock(), threading.Event(), threading.Event()
        self._rolling, self._retry, self._complained = threading.Lock(), 0.0, ""
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, options: LogOptions, key: SealKey | None = None, **more: Any) -> "PredictionLog":
        """Open a log; segments that a killed process left are rolled.

        `on_counts` is called with the counts of this process after each change, in a thread.

        Raises
        ------
        RuntreeError
            The folder cannot be written to, or a key is not right.
        """
        try:
            return cls(options, key, **more)
        except OSError as error:
            raise ConfigError(f"serve.log.to: {options.to}: {first_line(error)}") from None

    def protect(self, columns: Iterable[str]) -> None:
        """Leave further columns out from now on: those that a model that is loaded names as sensitive."""
        self._sensitive = self._sensitive | set(columns)

    def append(self, entry: LoggedPrediction) -> None:
        """Log a predicted row. It never waits: if the queue is full the entry is dropped, and counted."""
        while True:
            segment = self._predictions.segment
            with segment.lock:
                if segment is not self._predictions.segment:  # rotated in between
                    continue
                is_full = len(self._queue) >= self._options.queue
                segment.receive(dropped=is_full)
                if not is_full:
                    self._queue.append(entry)
            break
        if not self._wake.is_set():
            self._wake.set()

    def add_labels(self, labels: Iterable[Mapping[str, Any]], by: str = "") -> int:
        """Log late truths, durably; return how many.

        Parameters
        ----------
        labels
            Each with `request_id`, `label`, and `row` where the request had several rows; those of reviewers also with
            `kind` and `reason`.
        """
        lines = label_lines(labels, by)
        with self._writing:
            segment = self._labels.segment
            with segment.lock:
                for _ in lines:
                    segment.receive()
            segment.write(lines)
            segment.sync()
        return len(lines)

    @property
    def counts(self) -> LogCounts:
        """Entries of this process: received, written, dropped."""
        stream = self._predictions
        return stream.ended + stream.segment.counts

    def flush(self) -> None:
        """Write what is queued, and make it survive a power failure."""
        with self._writing:
            self._drain()
            self._predictions.segment.sync()

    def close(self) -> None:
        """Write what is queued, and roll the files of this process."""
        self._closing.set()
        self._wake.set()
        self._thread.join()
        with self._writing:
            self._drain()
            for stream in (self._predictions, self._labels):
                stream.segment.release()
        self._roll()
        if self._database is not None:
            self._database.close()

    def _run(self) -> None:
        self._roll_aside()  # what was left behind
        synced = time.monotonic()
        while not self._closing.is_set():
            if self._wake.wait(TICK_SECONDS):
                time.sleep(GATHER_SECONDS)
                self._wake.clear()
            with self._writing:
                self._drain()
                self._on_counts(self.counts)
                if time.monotonic() - synced > TICK_SECONDS:
                    self._predictions.segment.sync()
                    synced = time.monotonic()
                self._rotate_if_due()

    def _drain(self) -> None:
        entries = []
        while self._queue:
            entries.append(self._queue.popleft())
        if not entries:
            return
        try:
            self._predictions.segment.write([dump_entry(self._select(entry)) for entry in entries])
        except OSError as error:
            self._complain(f"predictions are not logged: {first_line(error)}")

    def _select(self, entry: LoggedPrediction) -> dict[str, Any]:
        """Return what is written of an entry."""
        columns, inputs = self._options.columns, entry.inputs
        written: dict[str, Any] = {
            "request_id": entry.request_id,
            "row": entry.row,
            "time": entry.time,
            "model": entry.model,
            "version": str(entry.version),
            "route": entry.route,
            "seconds": entry.seconds,
        }
        if columns == "all":
            written["inputs"] = {name: inputs[name] for name in inputs if name not in self._sensitive}
        elif columns == "hash":
            content = json.dumps(dict(inputs), sort_keys=True, default=str).encode()
            written["inputs_hash"] = hmac.new(self._salt, content, hashlib.sha256).hexdigest()
        elif columns != "none":
            written["inputs"] = {name: inputs.get(name) for name in columns}
        written["outputs"] = entry.outputs
        return written

    def _rotate_if_due(self) -> None:
        now, due = time.monotonic(), False
        for stream in (self._predictions, self._labels):
            segment = stream.segment
            is_old = now - stream.began > self._seconds
            if (is_old and segment.counts.received) or segment.bytes > 1_000_000 * self._options.megabytes:
                stream.rotate()
                due = True
        if due or (self._retry and now > self._retry):
            self._retry = 0.0
            self._roll_aside()

    def _roll_aside(self) -> None:
        """Roll in another thread: a file takes a second, in which the queue could fill."""
        threading.Thread(target=self._roll, name="prediction files", daemon=True).start()

    def _roll(self) -> None:
        with self._rolling:
            for stream in (self._predictions, self._labels):
                try:
                    roll_left(stream.folder, self._store, self.key)
                except (OSError, RuntreeError) as error:
                    # the files stay where they are, and nothing is lost
                    self._retry = time.monotonic() + RETRY_SECONDS
                    self._complain(f"files of the prediction log wait in {stream.folder}: {first_line(error)}")

    def _complain(self, message: str) -> None:
        if message != self._complained:  # and not for each line
            log.warning("serve.log: %s", message)
        self._complained = message


def _salt(folder: Path, key: SealKey | None) -> bytes:
    """Return what is mixed into hashes of inputs, the same for all processes: they cannot be found by trying."""
    if key:
        return key.derive(b"", b"runtree hashed inputs")
    file = folder / SALT
    draft = folder / f"{SALT}.{secrets.token_hex(4)}.part"
    handle = create_file(draft)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, secrets.token_bytes(32))
    finally:
        os.close(handle)
    try:
        os.link(draft, file)  # the first process decides
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return read_regular(file, 64)
