"""Tables that are larger than memory: a sample in memory is split and evaluated, and all other rows train in batches.

`data.batches=true` reads CSV and Parquet files again in each epoch. What needs a table works on the sample: types, the
statistics of the preprocessing, validation and test split, baselines, explanation, diagnosis.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError
from runtree.contract.types import Table
from runtree.lifecycle.load import check_frame, to_table
from runtree.lifecycle.table_options import TableOptions
from runtree.tables.csv_files import CsvFormat
from runtree.tables.file_formats import FileOptions
from runtree.tables.places import local_files
from runtree.tables.stream import BATCH_ROWS, FileStream, open_stream

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Rows = np.ndarray[Any, Any]

READER = "runtree.data.files.TableFile"
NOT_IN_BATCHES = ("sample", "parts", "join", "split_file")  # keys of `data` that need the whole table
ADVICE = "without data.batches, on a machine with enough memory"


@dataclass(frozen=True)
class StreamedTable:
    """The rows of a table that stays in its files, read as its sample in memory was.

    Attributes
    ----------
    sampled
        The numbers of the rows in memory, ascending.
    """

    stream: FileStream
    options: TableOptions
    decimal: str
    sampled: "Rows"
    types: Mapping[str, str]

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return self.stream.rows

    def frames(self) -> "Iterator[tuple[int, pd.DataFrame]]":
        """Yield the number of the first row, and a batch with its declared types and a target without holes."""
        from runtree.tables.declared import apply_missing, apply_types
        from runtree.tables.roles import read_target

        protection = self.options.protection
        for start, frame in self.stream.batches():
            if not self.stream.origin.csv:
                frame = apply_missing(frame, self.options.reading)
            frame = apply_types(protection.frame(frame), self.types, self.decimal)
            yield start, frame.assign(**{self.options.target: read_target(frame[self.options.target])})


def load_batches(config: Mapping[str, Any], options: TableOptions) -> Table:
    """Return the table of a sample, with the stream of all rows in `Table.streamed`.

    Raises
    ------
    ConfigError
        A source or a key that needs the whole table in memory.
    """
    import numpy as np

    from runtree.tables.fingerprint import TableHash

    node = config["data"]
    if node.get("_target_") != READER:
        raise ConfigError(f"data.batches: data={node.get('name')} is read whole", "possible: data=csv, data=parquet")
    for key in NOT_IN_BATCHES:
        if getattr(options, key):
            raise ConfigError(f"data.{key}: it needs the whole table in memory", f"leave it out, or {ADVICE}")
    decimal = str(node.get("decimal", "."))
    csv = CsvFormat(str(node.get("separator", "auto")), decimal, str(node.get("encoding", "auto")))
    reader = FileOptions(str(node.get("format", "auto")), csv)
    if "://" in str(node["path"]):
        raise ConfigError("data.batches: reads files of this machine, again in each epoch", "copy the file first")
    with local_files(str(node["path"]), reader.suffixes, "data.path") as files:
        stream = open_stream(files, reader, options.reading, "data.path")
    options.protection.check_columns(list(stream.types))
    count = min(options.batch_sample, stream.rows)
    generator = np.random.default_rng(int(config["seed"]))
    sampled = np.sort(generator.choice(stream.rows, count, replace=False, shuffle=False))
    streamed = StreamedTable(stream, options, decimal, sampled, dict(options.reading.types))
    frame = _take(streamed)
    check_frame(frame, options)
    table = to_table(frame, options, str(node.get("name", "data")), int(config["seed"]), decimal)
    # the time column may be text, whose format the sample has shown
    streamed = replace(streamed, types=table.types)
    hashed = TableHash()
    missing: dict[str, int] = {}
    for start, rows in streamed.frames():
        _check_classes(table, rows, start)
        hashed.update(rows[list(table.features.columns)], rows[options.target])
        for name, holes in rows.isna().sum().items():
            missing[str(name)] = missing.get(str(name), 0) + int(holes)
    says = (
        f"{stream.rows:,} rows are read in batches of {BATCH_ROWS:,}; {count:,} of them, by chance, are in memory: "
        "validation and test split, the statistics of the preprocessing, and all evaluation are of these"
    )
    source = {**stream.origin.describe(), "sampled": count, "missing": missing}
    return replace(
        table,
        fingerprint=hashed.fingerprint,
        sketch=hashed.sketch,
        notes=(*table.notes, says),
        sources=(source,),
        streamed=streamed,
    )


def _take(streamed: StreamedTable) -> "pd.DataFrame":
    """Return the sampled rows."""
    import numpy as np
    import pandas as pd

    taken = []
    for start, frame in streamed.frames():
        first, last = np.searchsorted(streamed.sampled, [start, start + len(frame)])
        taken.append(frame.iloc[streamed.sampled[first:last] - start])
    return pd.concat(taken, ignore_index=True)


def _check_classes(table: Table, rows: "pd.DataFrame", start: int) -> None:
    """Refuse a label that the sample does not have: the model would have no class for it."""
    if not table.classes:
        return
    new = set(rows[str(table.target.name)].unique().tolist()) - set(table.classes)
    if new:
        raise DataError(
            f"data.target: class {min(new, key=str)!r} is in the rows from {start + 1:,} on, and in none of the "
            f"{len(table.target):,} rows in memory",
            "type a larger data.batch_sample, or leave out the rows of rare classes",
        )
