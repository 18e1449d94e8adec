"""Tables that are larger than memory: read again in each epoch, split and scored by all rows, examined by a sample.

`data.batches=true` reads CSV and Parquet files in batches. Of each row only what a split needs stays in memory: its
target, group, time, weight, and a hash of its features (the outline). So the split is that of the table read whole.
What needs whole rows works on a sample in memory: types, the statistics of the preprocessing, baselines, explanation,
diagnosis.
"""

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, DataError, unknown
from runtree.contract.types import SPLITS, Split, Table
from runtree.lifecycle.load import check_frame, fingerprint_beside, read_weights, to_table
from runtree.lifecycle.row_choice import find_repeats, read_split_file
from runtree.lifecycle.sources import part_node
from runtree.lifecycle.table_options import TableOptions, source_node
from runtree.tables.csv_files import CsvFormat
from runtree.tables.file_formats import FileOptions
from runtree.tables.fingerprint import TableHash
from runtree.tables.places import LIMIT, local_files
from runtree.tables.stacking import check_same_columns
from runtree.tables.stream import BATCH_ROWS, FileStream, open_stream, widen

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

READER = "runtree.data.files.TableFile"
NOT_IN_BATCHES = ("sample", "join")  # keys of `data` that need the whole table
ADVICE = "without data.batches, on a machine with enough memory"
LEAST_SHARE = 0.1  # of the rows in memory, for each named part that has so many


@dataclass(frozen=True)
class StreamedTable:
    """The rows of a table that stays in its files, read as its sample in memory was.

    Attributes
    ----------
    parts
        The named parts of the table, in their order, each with its rows; without names one part "".
    sampled
        The numbers of the rows in memory, ascending.
    outline
        A table of all rows without features: what a split depends on.
    """

    stream: FileStream
    options: TableOptions
    decimal: str
    parts: tuple[tuple[str, int], ...]
    sampled: "Array"
    types: Mapping[str, str]
    outline: Table | None = field(default=None, repr=False)

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

    def rows_of(self, split: Split, parts: Sequence[str]) -> "Iterator[tuple[Array, pd.DataFrame]]":
        """Yield the rows of some parts of a split in batches, each with the numbers of its rows."""
        import numpy as np

        wanted = [SPLITS.index(part) for part in parts]
        assert split.sides is not None
        for start, frame in self.frames():
            kept = np.isin(split.sides[start : start + len(frame)], wanted)
            if kept.any():
                yield start + np.flatnonzero(kept), frame if kept.all() else frame[kept]


def load_batches(config: Mapping[str, Any], options: TableOptions) -> Table:
    """Return the table of a sample, with the stream of all rows in `Table.streamed`.

    Raises
    ------
    ConfigError
        A source or a key that needs the whole table in memory.
    """
    node = config["data"]
    if node.get("_target_") != READER:
        raise ConfigError(f"data.batches: data={node.get('name')} is read whole", "possible: data=csv, data=parquet")
    for key in NOT_IN_BATCHES:
        if getattr(options, key):
            raise ConfigError(f"data.{key}: it needs the whole table in memory", f"leave it out, or {ADVICE}")
    decimal = str(node.get("decimal", "."))
    streams = _open_parts(node, options, decimal)
    stream = _chain(streams)
    options.protection.check_columns(list(stream.types))
    parts = tuple((name, each.rows) for name, each in streams.items())
    sampled = _choose_rows(parts, options.batch_sample, int(config["seed"]))
    streamed = StreamedTable(stream, options, decimal, parts, sampled, dict(options.reading.types))
    read = _read_all(streamed)
    labels = _labels(streamed)
    given = read_split_file(stream.rows, options) if options.split_file else None
    check_frame(read.sample, options)
    table = to_table(
        read.sample,
        options,
        str(node.get("name", "data")),
        int(config["seed"]),
        decimal,
        None if labels is None else labels.iloc[sampled].astype("str").reset_index(drop=True),
        None if given is None else given.iloc[sampled].reset_index(drop=True),
    )
    if table.types != streamed.types:  # the sample has shown more than is declared
        streamed = replace(streamed, types=table.types)
        read = _read_all(streamed)
    outline = _outline(table, streamed, read, labels, given)
    named = [(name, rows) for name, rows in parts if name]
    says = (
        f"{stream.rows:,} rows are read in batches of {BATCH_ROWS:,}; {len(sampled):,} of them, by chance, are in "
        "memory: the statistics of the preprocessing, scores of train rows, baselines and all examinations are of these"
    )
    facts = {"sampled": len(sampled), "missing": read.missing}
    sources = [{**each.origin.describe(), **({"part": name} if name else {})} for name, each in streams.items()]
    return replace(
        table,
        fingerprint=fingerprint_beside(read.hashed.fingerprint, named, outline.weights),
        sketch=read.hashed.sketch,
        notes=(*table.notes, says),
        sources=({**sources[0], **facts}, *sources[1:]),
        streamed=replace(streamed, outline=outline),
    )


# --- Files and parts.


def _open_parts(node: Mapping[str, Any], options: TableOptions, decimal: str) -> dict[str, FileStream]:
    """Return the stream of each named part; "" for a table without parts."""
    own = source_node(node)
    for name in options.parts:
        if name not in SPLITS:
            raise unknown("part at data.parts:", name, SPLITS, error=ConfigError)
    if not options.parts:
        return {"": _open(own, options, decimal, "data.path")}
    chosen = {"train": options.parts.get("train") or {}}
    chosen |= {name: options.parts[name] for name in SPLITS[1:] if options.parts.get(name)}
    nodes = {name: part_node(own, item, f"data.parts.{name}") for name, item in chosen.items()}
    return {name: _open(each, options, decimal, f"data.parts.{name}") for name, each in nodes.items()}


def _open(node: Mapping[str, Any], options: TableOptions, decimal: str, where: str) -> FileStream:
    """Open the files of a part; copies of remote ones stay on this machine as long as the stream."""
    thousands = node.get("thousands")
    csv = CsvFormat(
        str(node.get("separator", "auto")), decimal, str(node.get("encoding", "auto")), thousands and str(thousands)
    )
    reader = FileOptions(str(node.get("format", "auto")), csv)
    limit, storage = float(node.get("max_download_mb", LIMIT)), node.get("storage") or {}
    with ExitStack() as stack:
        files = stack.enter_context(local_files(str(node["path"]), reader.suffixes, where, limit, storage))
        stream = open_stream(files, reader, options.reading, where)
        weakref.finalize(stream, _close, stack.pop_all(), os.getpid())
    return stream


def _close(files: ExitStack, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker reads the files of its parent
        files.close()


def _chain(streams: Mapping[str, FileStream]) -> FileStream:
    """Return the streams of parts as one, with the types that hold the values of all."""
    first, *others = streams.values()
    if not others:
        return first
    check_same_columns({f"the {name} part": list(each.types) for name, each in streams.items()}, "data.parts")
    types = dict(first.types)
    for each in others:
        types = widen(types, each.types)
    paths = tuple(path for each in streams.values() for path in each.paths)
    chained = replace(first, paths=paths, rows=sum(each.rows for each in streams.values()), types=types)
    # the copies of remote files belong to the parts
    weakref.finalize(chained, list, tuple(streams.values()))
    return chained


def _choose_rows(parts: Sequence[tuple[str, int]], count: int, seed: int) -> "Array":
    """Return the numbers of the rows in memory, ascending; a small part has its share at least."""
    import numpy as np

    generator, start, chosen = np.random.default_rng(seed), 0, []
    total = sum(rows for _, rows in parts)
    for _, rows in parts:
        least = int(count * LEAST_SHARE) if len(parts) > 1 else 0
        some = min(max(round(count * rows / total), least, 1), rows)
        chosen.append(start + np.sort(generator.choice(rows, some, replace=False, shuffle=False)))
        start += rows
    return np.concatenate(chosen)


def _labels(streamed: StreamedTable) -> "pd.Series[Any] | None":
    """Return the named part of each row, as categories."""
    import numpy as np
    import pandas as pd

    names, counts = zip(*streamed.parts, strict=True)
    if not names[0]:
        return None
    codes = np.repeat(np.arange(len(names), dtype=np.int8), counts)
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(names)))


# --- One reading of all rows.


@dataclass(frozen=True)
class _Reading:
    """What one reading of all rows has found; `roles` holds the columns that a split depends on."""

    sample: "pd.DataFrame"
    roles: "pd.DataFrame"
    hashed: TableHash
    hashes: "Array"
    missing: Mapping[str, int]


def _read_all(streamed: StreamedTable) -> _Reading:
    import numpy as np
    import pandas as pd

    options, hashed = streamed.options, TableHash()
    roles = [options.target, options.group, options.time, options.split_column, options.weight]
    roles = [name for name in dict.fromkeys(roles) if name in streamed.stream.types]
    dropped = [name for name, kind in streamed.types.items() if kind == "drop"]
    aside = {*(options.drop or ()), *dropped, options.target, options.group, options.split_column, options.weight}
    features = [name for name in streamed.stream.types if name not in aside]
    sample, kept, hashes = [], [], []
    missing: dict[str, int] = {}
    # a table without its target or another column is refused by what is said of the sample
    reading = streamed.frames() if options.target in streamed.stream.types else streamed.stream.batches()
    for start, frame in reading:
        first, last = np.searchsorted(streamed.sampled, [start, start + len(frame)])
        sample.append(frame.iloc[streamed.sampled[first:last] - start])
        kept.append(frame[roles])
        if options.target in frame:
            there = [name for name in features if name in frame]  # but for what is sensitive and dropped
            hashes.append(hashed.update(frame[there], frame[options.target]))
        for name, holes in frame.isna().sum().items():
            missing[str(name)] = missing.get(str(name), 0) + int(holes)
    return _Reading(
        pd.concat(sample, ignore_index=True),
        pd.concat(kept, ignore_index=True),
        hashed,
        np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint64),
        missing,
    )


def _outline(
    table: Table,
    streamed: StreamedTable,
    read: _Reading,
    labels: "pd.Series[Any] | None",
    given: "pd.Series[Any] | None",
) -> Table:
    """Return a table of all rows without features."""
    import pandas as pd

    from runtree.tables import roles
    from runtree.tables.strata import read_given

    options, columns = streamed.options, read.roles
    target = columns.pop(options.target)
    if table.classes:
        target = _as_classes(target, table)
    if options.split_column:
        given = read_given(columns[options.split_column], "data.split_column")
    firsts, repeated = find_repeats(read.hashes, options.duplicates, table.features, streamed.sampled)
    return Table(
        features=pd.DataFrame(index=pd.RangeIndex(len(target))),
        target=target,
        task=table.task,
        classes=table.classes,
        fingerprint=read.hashed.fingerprint,
        groups=roles.read_groups(columns[options.group]) if options.group else None,
        times=roles.read_times(columns[options.time])[0] if options.time else None,
        given=given,
        firsts=firsts,
        repeated=repeated,
        parts=labels,
        weights=read_weights(columns[options.weight]) if options.weight else None,
    )


def _as_classes(target: "pd.Series[Any]", table: Table) -> "pd.Series[Any]":
    """Return labels as categories, in their order; refuse one that the sample does not have.

    The model would have no class for it.
    """
    import numpy as np
    import pandas as pd

    # in the order in which NumPy, and with it scikit-learn's splitters, sorts them
    classes = pd.Index(sorted(table.classes))
    codes = classes.get_indexer(pd.Index(target))
    unknown_rows = np.flatnonzero(codes < 0)
    if len(unknown_rows):
        raise DataError(
            f"data.target: class {target.iloc[unknown_rows[0]]!r} is in row {unknown_rows[0] + 1:,} and "
            f"{len(unknown_rows) - 1:,} more, and in none of the {len(table.target):,} rows in memory",
            "type a larger data.batch_sample, or leave out the rows of rare classes",
        )
    return pd.Series(pd.Categorical.from_codes(codes, categories=classes), name=target.name)
