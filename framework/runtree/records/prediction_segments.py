"""Files of a prediction log: lines of JSON that one process appends to, and the Parquet files that become of them.

A process writes a segment of its own, which it holds by a kernel lock; several write beside each other. Beside it lie
two counters in shared memory: entries that were received, and that were dropped because the disk was slow. They survive
a kill, so that what was received and is on no line is counted as lost. A segment that nobody holds is rolled by the
process that finds it: into Parquet, or into a database.

    predictions/20261129-101500-250113-4711-9f3c2a.jsonl     and .counts: held by a process
    predictions/20261129-091500-114200-4711-1b77e0.parquet   rolled; its metadata has the counts
    predictions/labels/…                              the same for late truths
"""

import base64
import io
import json
import mmap
import os
import secrets
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RequestError
from runtree.contract.files import create_file, open_regular, read_regular
from runtree.records.locks import acquire_lock
from runtree.records.sealed import Seal, SealHeader, SealKey, is_sealed, seal_stream, unsealed_chunks

if TYPE_CHECKING:
    import pyarrow as pa

LINES, ROLLED, COUNTS = ".jsonl", ".parquet", ".counts"
LABELS = "labels"  # the folder of late truths in that of the predictions
METADATA = b"runtree"
TEXTS = ("request_id", "model", "route", "inputs_hash", "label", "by", "kind", "reason")
MAX_SEGMENT_BYTES = 2_000_000_000
COUNTER = struct.Struct("<QQ")


@dataclass(frozen=True)
class LogCounts:
    """Entries that were received, that are written, that were dropped, and that were lost by a kill."""

    received: int = 0
    written: int = 0
    dropped: int = 0
    lost: int = 0

    def __add__(self, other: "LogCounts") -> "LogCounts":
        """Add the counts of another segment."""
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return LogCounts(*(first + second for first, second in pairs))


class Segment:
    """The file that a process appends to. All is done under `lock`, or before another thread knows it."""

    def __init__(self, folder: Path, key: SealKey | None = None, pending: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = self.new_name()
        self.file = folder / f"{self.name}{LINES}"
        self.lock = Lock()
        self.lines = self.bytes = 0
        self._received, self._dropped = pending, 0
        self._counts = _map_counts(self.file.with_suffix(COUNTS), pending)
        self._seal = Seal.new(key, self.name) if key else None
        draft = self.file.with_name(f".{self.name}.part")
        self._handle = create_file(draft)
        os.fchmod(self._handle, 0o600)
        acquire_lock(self._handle, draft)
        if self._seal:
            os.write(self._handle, self._seal.header.line)
        # under its name only now that it is held: else another process could take it for one that was left behind
        draft.replace(self.file)

    @staticmethod
    def new_name() -> str:
        """Return a name that no other segment has: in the order of their beginning, as far as clocks go."""
        return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.getpid()}-{secrets.token_hex(3)}"

    def receive(self, dropped: bool = False) -> None:
        """Count an entry, before it is queued; the caller holds the lock."""
        self._received += 1
        self._dropped += dropped
        COUNTER.pack_into(self._counts, 0, self._received, self._dropped)

    @property
    def counts(self) -> LogCounts:
        """What was counted so far; what is received and neither written nor dropped is still queued."""
        return LogCounts(self._received, self.lines, self._dropped)

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines; if the disk refuses them they are counted as dropped, and the error is raised."""
        if self._seal:
            numbered = enumerate(lines, self.lines)
            lines = [base64.b64encode(self._seal.close(number, line)) for number, line in numbered]
        content = b"".join(line + b"\n" for line in lines)
        size, left = os.fstat(self._handle).st_size, memoryview(content)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError:
            os.ftruncate(self._handle, size)
            os.lseek(self._handle, size, os.SEEK_SET)  # else the next line begins behind a hole
            with self.lock:
                self._dropped += len(lines)
                COUNTER.pack_into(self._counts, 0, self._received, self._dropped)
            raise
        self.lines += len(lines)
        self.bytes += len(content)

    def sync(self) -> None:
        """Make the lines survive a power failure, too."""
        os.fdatasync(self._handle)

    def release(self, pending: int = 0) -> None:
        """Stop writing; `pending` entries are counted in the next segment, which was made with that number."""
        COUNTER.pack_into(self._counts, 0, self._received - pending, self._dropped)
        os.close(self._handle)
        self._counts.close()


def _map_counts(file: Path, received: int) -> mmap.mmap:
    handle = create_file(file)
    try:
        os.write(handle, COUNTER.pack(received, 0))
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    handle = open_regular(file, os.O_RDWR | os.O_NOFOLLOW)
    try:
        return mmap.mmap(handle, COUNTER.size)
    finally:
        os.close(handle)


def dump_entry(entry: Mapping[str, Any]) -> bytes:
    """Return the line of an entry: its mappings flattened (``inputs.age``, ``outputs.probabilities.yes``)."""
    from runtree.records.writer import dump_json

    return dump_json(dict(_flatten(entry)))


def _flatten(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# --- segments that nobody holds


@dataclass(frozen=True)
class LeftSegment:
    """A segment that no process writes to any more: its name, its lines, its counts, the seal it was written with."""

    file: Path
    lines: Sequence[bytes]
    counts: LogCounts
    seal: Seal | None

    @property
    def name(self) -> str:
        """Its name, by which a store knows whether it has it."""
        return self.file.stem

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield what was logged."""
        from msgspec.json import decode

        return map(decode, self.lines)


def roll_left(folder: Path, store: Callable[[LeftSegment], None], key: SealKey | None = None) -> None:
    """Hand each segment that nobody holds to a store, then remove it. `store` may be called twice for one."""
    for file in sorted(folder.glob(f"*{LINES}")):
        with _claimed(file) as is_left:
            if not is_left:
                continue
            left = read_segment(file, key)
            if left.counts.received or left.lines:
                store(left)
            file.with_suffix(COUNTS).unlink(missing_ok=True)
            file.unlink()


@contextmanager
def _claimed(file: Path) -> Iterator[bool]:
    """Hold a segment; yield whether it was left behind and is still there."""
    try:
        handle = open_regular(file, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            acquire_lock(handle, file)
        except BlockingIOError:
            yield False
            return
        # the process that held it before may have rolled and removed it meanwhile
        yield os.fstat(handle).st_nlink > 0
    finally:
        os.close(handle)


def read_segment(file: Path, key: SealKey | None = None) -> LeftSegment:
    """Read a segment up to its last whole line.

    Raises
    ------
    RequestError
        It is sealed, and changed or with another key.
    """
    lines = read_regular(file, MAX_SEGMENT_BYTES).split(b"\n")[:-1]
    seal = None
    if lines and lines[0].startswith(b'{"sealed":'):
        seal = Seal.of(SealHeader.read(lines[0] + b"\n", file), file, file.stem, key)
        lines = [_open_line(seal, number, line, file) for number, line in enumerate(lines[1:])]
    # a power failure may leave zeros where lines were
    lines = [line for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    try:
        received, dropped = COUNTER.unpack(read_regular(file.with_suffix(COUNTS), COUNTER.size))
    except (OSError, struct.error):
        received, dropped = len(lines), 0
    lost = max(0, received - dropped - len(lines))
    return LeftSegment(file, lines, LogCounts(received, len(lines), dropped, lost), seal)


def _open_line(seal: Seal, number: int, line: bytes, file: Path) -> bytes:
    try:
        return seal.open(number, base64.b64decode(line, validate=True), file)
    except ValueError:
        raise RequestError(f"{file}: line {number + 2} was changed after it was sealed") from None


def write_parquet(left: LeftSegment) -> None:
    """Store a segment as a Parquet file beside it; sealed if it was."""
    from pyarrow import parquet

    target = left.file.with_suffix(ROLLED)
    if target.exists():  # a kill came between the two files
        return
    table = to_table(left.lines)
    table = table.replace_schema_metadata({METADATA: json.dumps(asdict(left.counts)).encode()})
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    content.seek(0)
    if left.seal:
        seal_stream(content, target, left.seal.key, left.name)
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    with os.fdopen(create_file(draft), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def to_table(lines: Sequence[bytes]) -> "pa.Table":
    """Return the entries as a table. A column of several types is text."""
    import pyarrow as pa
    from msgspec.json import decode
    from pyarrow import json as arrow_json

    if not lines:
        return pa.table({"request_id": pa.array([], pa.string())})
    texts = {*TEXTS}
    # else Arrow takes texts that look like dates for moments, in some files and not in others
    for line in lines:
        texts.update(name for name, value in decode(line).items() if isinstance(value, str) and name != "time")
    known = [("time", pa.timestamp("us", "UTC")), ("row", pa.int32()), ("seconds", pa.float64())]
    content = b"\n".join(lines) + b"\n"
    first = decode(lines[0])
    schema = pa.schema([*known, *((name, pa.string()) for name in sorted(texts))])
    options = arrow_json.ParseOptions(explicit_schema=schema)
    # one thread, and Arrow's: a service answers at the same time
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(content) + 1)
    try:
        table = arrow_json.read_json(io.BytesIO(content), reading, options)
    except pa.ArrowInvalid:
        table = _mixed_table([decode(line) for line in lines])
    return table.select([*(name for name in first if name in table.column_names), *_others(table, first)])


def _others(table: "pa.Table", first: Collection[str]) -> list[str]:
    return [name for name in table.column_names if name not in first and table[name].null_count < len(table)]


def _mixed_table(entries: Sequence[Mapping[str, Any]]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute

    columns = {}
    for name in dict.fromkeys(name for entry in entries for name in entry):
        values = [entry.get(name) for entry in entries]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[name] = pa.array([value if value is None else str(value) for value in values], pa.string())
    table = pa.table(columns)
    moments = pa.compute.cast(table["time"], pa.timestamp("us", "UTC")) if "time" in columns else None
    return table if moments is None else table.set_column(table.column_names.index("time"), "time", moments)


def open_parquet(file: Path, key: SealKey | None = None) -> Any:
    """Return a source of a rolled segment, for pyarrow; one that is sealed is opened in memory."""
    import pyarrow as pa

    if not is_sealed(file):
        return file
    return pa.BufferReader(b"".join(unsealed_chunks(file, file.stem, key)))


def segment_names(folder: Path) -> dict[str, bool]:
    """Return the name of each segment of a folder, in the order of their beginning, and whether it is rolled."""
    # lines first: a segment that is rolled between the two looks is then in both, and not in neither
    names = {file.stem for file in folder.glob(f"*{LINES}")}
    rolled = {file.stem for file in folder.glob(f"*{ROLLED}")}
    return {name: name in rolled for name in sorted(names | rolled)}


def count_entries(folder: Path, key: SealKey | None = None) -> LogCounts:
    """Return the counts of all segments of a folder; of those that are written to, what is queued is not lost."""
    total = LogCounts()
    for name, is_rolled in segment_names(folder).items():
        counts = None if is_rolled else _written_counts(folder / f"{name}{LINES}", key)
        total += counts or _rolled_counts(folder / f"{name}{ROLLED}", key)
    return total


def _written_counts(file: Path, key: SealKey | None) -> LogCounts | None:
    """Return the counts of a segment that is not rolled; None if it was in this moment."""
    try:
        with _claimed(file) as is_left:
            counts = read_segment(file, key).counts
    except FileNotFoundError:
        return None
    if file.with_suffix(ROLLED).exists():  # its counters may have been removed before they were read
        return None
    return counts if is_left else LogCounts(counts.received, counts.written, counts.dropped)


def _rolled_counts(file: Path, key: SealKey | None) -> LogCounts:
    from pyarrow import parquet

    try:
        metadata = parquet.read_schema(open_parquet(file, key)).metadata or {}
    except FileNotFoundError:  # its lines went into a database
        return LogCounts()
    return LogCounts(**json.loads(metadata.get(METADATA, b"{}")))
