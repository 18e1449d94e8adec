"""Read a prediction log, with the late truths: batches of rows in constant memory, from files or a database.

The labels are put into a table of SQLite on disk, in which those of each batch are looked up: they may be millions, and
come long after their predictions, in any order.
"""

import json
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import NotFoundError, RequestError
from runtree.records.prediction_segments import (
    LABELS,
    LINES,
    ROLLED,
    count_entries,
    open_parquet,
    read_segment,
    segment_names,
    to_table,
)
from runtree.records.sealed import SealKey

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
KEY = ("request_id", "row")
KEEP_LAST = (
    "insert into labels values (?, ?, ?, ?, ?) on conflict do update set label = excluded.label, time = excluded.time"
    " where excluded.time >= time"
)
LOOKED_UP = "select asked.number, labels.label, labels.kind from asked join labels using (request_id, row)"
OVERRIDE = "override"  # the kind of a label that a reviewer gave; a late truth has none
TRUTH = "truth"
JOINED = ("label", "label_source", "override")


def read_prediction_log(
    place: str | Path,
    columns: Collection[str] | None = None,
    since: str = "",
    key: SealKey | None = None,
    batch_rows: int = BATCH_ROWS,
    request_ids: Sequence[str] | None = None,
) -> Iterator["pa.RecordBatch"]:
    """Yield the predictions of a log, each with its `label` (a text; null where none came).

    A label is the late truth, else what a reviewer overrode the prediction with: `label_source` is "truth" or
    "override", and `override` holds the reviewer's value also where a truth came.
    A column that is not in all files is null where it is missing; one of several types is text. Rows of one process are
    in the order of their time.

    Parameters
    ----------
    place
        A folder, or the URL of a database.
    columns
        Those to read, such as ``["time", "inputs.age", "outputs.prediction"]``; None for all.
    since
        ISO 8601, UTC: earlier predictions are left out.
    key
        Of a sealed log; None for one that the environment holds.
    request_ids
        Those of the requests to find; None for all.

    Raises
    ------
    NotFoundError
        There is no log.
    RequestError
        A file is sealed with another key, or was changed; or `since` is no date.
    """
    if since:
        _moment(since)
    if "://" in str(place):
        yield from _from_database(str(place), columns, since, key, batch_rows, request_ids)
        return
    with closing(LogFiles(Path(place), key)) as files:
        yield from files.batches(columns, since, batch_rows=batch_rows, request_ids=request_ids)


class LogFiles:
    """The files of a log as they are now. They may be read several times: labels are gathered once.

    Raises
    ------
    NotFoundError
        There is no log.
    """

    def __init__(self, folder: Path, key: SealKey | None = None) -> None:
        if not folder.is_dir():
            raise NotFoundError(f"{folder}: there is no prediction log", "a service writes it: runtree serve MODEL")
        self._folder, self._key = folder, key
        # what is still written to is kept as it is now, so that all readings are of the same rows
        self._sources = {name: source for name, source in _named_sources(folder, key) if not _is_rolled(source)}
        names = {file.stem for file in folder.glob(f"*{ROLLED}")} | self._sources.keys()
        self._names, self._spans = sorted(names), dict[str, tuple[datetime, datetime]]()
        self._schema = _schema(map(self._open, self._names))
        self._place = tempfile.TemporaryDirectory(prefix="runtree-")
        self._labels: _Labels | None = None

    def batches(
        self,
        columns: Collection[str] | None = None,
        since: str = "",
        until: str = "",
        batch_rows: int = BATCH_ROWS,
        request_ids: Sequence[str] | None = None,
        with_labels: bool = True,
    ) -> Iterator["pa.RecordBatch"]:
        """Yield the predictions as `read_prediction_log` does, before the moment `until`."""
        begin, end = (_moment(text) if text else None for text in (since, until))
        wanted = None if columns is None else {*columns, *KEY, "time"}
        for name in self._names:
            span = self._spans.get(name)
            if span and ((begin and span[1] < begin) or (end and span[0] >= end)):
                continue
            times = _Span()
            for batch in _batches(self._open(name), self._schema, wanted, batch_rows, request_ids):
                times.add(batch)
                batch = _between(batch, begin, end)
                if not len(batch):
                    continue
                joined = self._join(batch) if with_labels else batch
                chosen = [one for one in joined.schema.names if columns is None or one in (*columns, "label")]
                yield joined.select(chosen)
            if request_ids is None and times.found:
                self._spans[name] = times.found

    def _open(self, name: str) -> Any:
        return (
            self._sources[name] if name in self._sources else open_parquet(self._folder / f"{name}{ROLLED}", self._key)
        )

    def _join(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        if self._labels is None:
            self._labels = _Labels(Path(self._place.name) / "labels.db", self._folder / LABELS, self._key)
        return self._labels.join(batch)

    def close(self) -> None:
        """Remove what was gathered."""
        if self._labels is not None:
            self._labels.close()
        self._place.cleanup()


class _Span:
    """The first and the last moment of the batches of a file."""

    found: tuple[datetime, datetime] | None = None

    def add(self, batch: "pa.RecordBatch") -> None:
        import pyarrow.compute as pc

        both = pc.min_max(batch.column("time")).as_py()
        if both["min"] is not None:
            known = self.found or (both["min"], both["max"])
            self.found = (min(known[0], both["min"]), max(known[1], both["max"]))


def _between(batch: "pa.RecordBatch", begin: datetime | None, end: datetime | None) -> "pa.RecordBatch":
    import pyarrow as pa
    import pyarrow.compute as pc

    for moment, compare in ((begin, pc.greater_equal), (end, pc.less)):
        if moment is not None:
            batch = batch.filter(compare(batch.column("time"), pa.scalar(moment, batch["time"].type)))
    return batch


def _is_rolled(source: Any) -> bool:
    import pyarrow as pa

    return not isinstance(source, pa.Table)


def _sources(folder: Path, key: SealKey | None) -> Iterator[Any]:
    return (source for _, source in _named_sources(folder, key))


def _named_sources(folder: Path, key: SealKey | None) -> Iterator[tuple[str, Any]]:
    """Yield each segment: a table if it is still written to, else what pyarrow reads as Parquet."""
    for name, is_rolled in segment_names(folder).items():
        try:
            if is_rolled:
                yield name, open_parquet(folder / f"{name}{ROLLED}", key)
            else:
                yield name, to_table(read_segment(folder / f"{name}{LINES}", key).lines)
        except FileNotFoundError:  # rolled in this moment
            yield name, open_parquet(folder / f"{name}{ROLLED}", key)


def _schema(sources: Iterator[Any]) -> "pa.Schema":
    """Return the columns of all sources; one whose types differ is a number if all are numbers, else text."""
    import pyarrow as pa
    from pyarrow import parquet, types

    kinds: dict[str, set[pa.DataType]] = {}
    for source in sources:
        schema = source.schema if isinstance(source, pa.Table) else parquet.read_schema(source)
        for field in schema:
            kinds.setdefault(field.name, set()).add(field.type)

    def common(found: set[pa.DataType]) -> pa.DataType:
        known = [kind for kind in found if not types.is_null(kind)]
        if len(known) <= 1:
            return known[0] if known else pa.string()
        return pa.float64() if all(types.is_integer(k) or types.is_floating(k) for k in known) else pa.string()

    return pa.schema([(name, common(found)) for name, found in kinds.items()])


def _batches(
    source: Any,
    schema: "pa.Schema",
    wanted: Collection[str] | None,
    rows: int,
    request_ids: Sequence[str] | None = None,
) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    asked = None if request_ids is None else pc.field("request_id").isin(list(request_ids))
    if isinstance(source, pa.Table):
        found = (source if asked is None else source.filter(asked)).to_batches(max_chunksize=rows)
    elif asked is not None:  # row groups without such an id are passed over
        found = parquet.read_table(source, filters=asked).to_batches(max_chunksize=rows)
    else:
        file = parquet.ParquetFile(source)
        names = [name for name in file.schema_arrow.names if wanted is None or name in wanted]
        found = file.iter_batches(rows, columns=names)
    fields = [field for field in schema if wanted is None or field.name in wanted]
    for batch in found:
        arrays = [
            batch.column(field.name).cast(field.type)
            if field.name in batch.schema.names
            else pa.nulls(len(batch), field.type)
            for field in fields
        ]
        made = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
        if len(made):
            yield made


def _moment(since: str) -> datetime:
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise RequestError(f"--since {since} is not a date", "type: 2026-11-28, or 2026-11-28T14:30") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Labels:
    """The last label of each predicted row, in a file of SQLite."""

    def __init__(self, file: Path, folder: Path, key: SealKey | None) -> None:
        self._database = sqlite3.connect(file)
        self._database.executescript(
            "pragma journal_mode=off; pragma synchronous=off;"
            "create table labels (request_id text, row int, kind text, label text, time int,"
            " primary key (request_id, row, kind)) without rowid;"
            "create temp table asked (number int, request_id text, row int);"
        )
        self.any = False
        for source in _sources(folder, key) if folder.is_dir() else ():
            for batch in _batches(source, _schema(iter([source])), (*KEY, "kind", "label", "time"), BATCH_ROWS):
                times = batch.column("time").cast("int64").to_pylist()
                kinds = batch.column("kind").to_pylist() if "kind" in batch.schema.names else [None] * len(batch)
                ids, rows, labels = (batch.column(name).to_pylist() for name in (*KEY, "label"))
                values = zip(ids, rows, (kind or TRUTH for kind in kinds), labels, times, strict=True)
                self._database.executemany(KEEP_LAST, values)
                self.any = True

    def join(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        """Return a batch with columns for the labels."""
        import pyarrow as pa

        found: dict[str, list[str | None]] = {kind: [None] * len(batch) for kind in (TRUTH, OVERRIDE)}
        if self.any:
            ids, rows = (batch.column(name).to_pylist() for name in KEY)
            self._database.execute("delete from asked")
            self._database.executemany(
                "insert into asked values (?, ?, ?)", zip(range(len(batch)), ids, rows, strict=True)
            )
            for number, label, kind in self._database.execute(LOOKED_UP):
                found[kind][number] = plain_label(label)
        joined = [offered_label(*pair) for pair in zip(found[TRUTH], found[OVERRIDE], strict=True)]
        arrays = [pa.array(list(values), pa.string()) for values in zip(*joined, strict=True)]
        schema = pa.schema([*batch.schema, *(pa.field(name, pa.string()) for name in JOINED)])
        return pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def offered_label(truth: str | None, override: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the values of the columns `label`, `label_source` and `override`: a truth wins over a reviewer."""
    source = TRUTH if truth is not None else OVERRIDE if override is not None else None
    return (truth if truth is not None else override), source, override


def plain_label(text: str | None) -> str | None:
    """Return a label as text, from the JSON in which it is logged."""
    value = json.loads(text) if text is not None else None
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _from_database(
    url: str,
    columns: Collection[str] | None,
    since: str,
    key: SealKey | None,
    batch_rows: int,
    request_ids: Sequence[str] | None,
) -> Iterator["pa.RecordBatch"]:

    from runtree.records.prediction_database import PredictionDatabase

    database = PredictionDatabase(url)
    entries = database.entries(_moment(since).astimezone(UTC).isoformat() if since else "", key, request_ids)
    try:
        while part := list(islice(entries, batch_rows)):
            yield _to_batch(part, columns)
    finally:
        entries.close()  # type: ignore[attr-defined]
        database.close()


def _to_batch(entries: Sequence[dict[str, Any]], columns: Collection[str] | None) -> "pa.RecordBatch":
    from runtree.records.prediction_segments import _mixed_table

    for entry in entries:
        found = offered_label(plain_label(entry["label"]), plain_label(entry["override"]))
        entry.update(zip(JOINED, found, strict=True))
    table = _mixed_table(entries)
    names = [name for name in table.column_names if columns is None or name in (*columns, "label")]
    return table.select(names).combine_chunks().to_batches()[0]


def count_log(place: str | Path, key: SealKey | None = None) -> Any:
    """Return what a log received, wrote, dropped and lost."""
    if "://" not in str(place):
        return count_entries(Path(place), key)
    from runtree.records.prediction_database import PredictionDatabase

    database = PredictionDatabase(str(place))
    try:
        return database.counts()
    finally:
        database.close()
