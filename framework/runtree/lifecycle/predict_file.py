"""Predict the rows of a file in batches: it may be larger than memory, and a process that is killed is gone on with.

The predictions are made in parts of many batches. Where there are several, each is written, complete and durable, into
a hidden folder beside the output, with what they were made from and how far they reach. The same command goes on after
the last of them; when all are there, they are joined, and become the output by a rename.
"""

import io
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runtree.contract.errors import DataError, RequestError
from runtree.contract.files import create_file
from runtree.contract.storage import reason, remedy
from runtree.contract.urls import scheme_of
from runtree.lifecycle.predict import OTHERWISE, Predictor, RowCounts
from runtree.records.environment import package_versions
from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256
from runtree.records.sealed import SealKey, sealed_file, unsealed_chunks
from runtree.records.writer import dump_json, write_bytes
from runtree.tables.csv_files import check_format, find_format
from runtree.tables.csv_tables import csv_errors
from runtree.tables.file_formats import FileOptions, choose_kind, file_batches
from runtree.tables.file_signatures import refuse_other_kind
from runtree.tables.fingerprint import frame_fingerprint
from runtree.tables.places import DataFiles, local_files

if TYPE_CHECKING:
    import pandas as pd

    Source = str | Path | pd.DataFrame

log = logging.getLogger(__name__)

# rows in memory at a time: enough that the cost of a call is negligible, and few enough for a wide table
BATCH_ROWS = 50_000
# after so many rows, or bytes, a part is complete: what a kill costs, and what is held in memory
PART_ROWS, PART_BYTES = 500_000, 64_000_000
FORMATS = (".csv", ".parquet")  # of files of predictions
WITH_EXAMPLE = ("unreadable", "against_schema")  # of the counts, those with an example


def predict_file(
    predictor: Predictor,
    source: "Source",
    target: Path,
    keep: Sequence[str] = (),
    batch: int = BATCH_ROWS,
    key: SealKey | None = None,
) -> RowCounts:
    """Predict the rows of files, which are read as a table in training is; write a CSV or Parquet file.

    Parameters
    ----------
    source
        A file, a folder, a glob, a URL, or a table.
    key
        With one the predictions are sealed, and are nowhere on a disk in plain.

    Returns
    -------
    What was found in the rows.
    """
    if target.suffix not in FORMATS:
        raise RequestError(f"-o {target}: predictions are written as .csv or .parquet")
    with _found(source, predictor) as found, output_errors(target), ExitStack() as stack:
        _try_folder(target)
        parts = Parts(target, key, predictor.refuse, lambda: _made_from(predictor, found, keep, batch), stack)
        parts.resume()
        try:
            # what was predicted before is read again, which costs little, so that the batches are the same
            for chunk in islice(_batches(found, predictor, keep, batch), parts.batches, None):
                # a file may have empty batches, and scikit-learn refuses to predict no rows
                parts.add(None if chunk.empty else predictor.predict(chunk, keep, parts.counts))
        except BaseException:
            if parts.saved:
                kept = f"{parts.saved:,}"
                log.warning("%s holds %s rows; the same command goes on after them", parts.folder.path, kept)
            raise
        if not parts.counts.rows:
            raise DataError(f"{source}: the file has no rows")
        parts.finish()
    return parts.counts


def _made_from(
    predictor: Predictor, source: "DataFiles | pd.DataFrame", keep: Sequence[str], batch: int
) -> dict[str, Any]:
    """Return what the same predictions follow from, and in the same parts."""
    if isinstance(source, DataFiles):
        # a copy of a file at a URL has the time of the download
        is_copy = scheme_of(source.name) not in ("", "file")
        stats = [(source.label(file), file, file.stat()) for file in source.files]
        rows: Any = [[name, at.st_size, sha256(file) if is_copy else at.st_mtime_ns] for name, file, at in stats]
    else:
        rows = frame_fingerprint(source)
    reading = {"csv": asdict(predictor.csv), "sheet": predictor.sheet, "keep": list(keep), "batch": batch}
    facts = {"model": predictor.identity, "rows": rows, **reading}
    plain: dict[str, Any] = json.loads(dump_json({**facts, "packages": package_versions()}))
    return plain


class Parts:
    """The predictions for `target` as they come: in memory up to a part, and from then on in a folder beside it.

    Attributes
    ----------
    batches
        How many are done.
    counts
        What was found in their rows.
    saved
        How many rows are in parts on the disk.
    """

    def __init__(
        self, target: Path, key: SealKey | None, refuse: bool, made_from: Callable[[], Any], stack: ExitStack
    ) -> None:
        self.target, self.key, self.refuse, self.made_from, self._stack = target, key, refuse, made_from, stack
        self.folder = RunFolder(target.with_name(f".{target.name}.parts"))
        self.batches, self.counts, self.saved = 0, RowCounts(), 0
        self._count, self._is_held = 0, False
        self._is_parquet, self._schema, self._writer = target.suffix == ".parquet", None, None  # type: Any, Any, Any
        self._buffer = io.BytesIO()

    def _part(self, number: int) -> Path:
        return self.folder.path / f"{number}{self.target.suffix}"

    @property
    def _state(self) -> Path:
        return self.folder.path / "state.json"

    def _hold(self) -> None:
        if not self._is_held:
            self.folder.path.mkdir(exist_ok=True)
            self._stack.enter_context(self.folder.held())
            self._is_held = True

    def resume(self) -> None:
        """Go on after the parts that an earlier process has left, if they were made from the same."""
        if not self.folder.path.is_dir():
            return
        self._hold()
        try:
            state = json.loads(self._read(self._state))
        except FileNotFoundError:  # it was killed within the first part
            return
        except (RequestError, ValueError):  # another key has sealed it
            state = {}
        # rows that were all right to a stricter command are so to this one
        if state.get("from") != self.made_from() or self.refuse > state["refuse"]:
            log.warning("%s: is of other rows, another model or other options; begun anew", self.folder.path)
            return
        self.batches, self._count, found = state["batches"], state["parts"], state["counts"]
        unreadable, against = ({name: tuple(pair) for name, pair in found[one].items()} for one in WITH_EXAMPLE)
        self.saved = found["rows"]
        self.counts = RowCounts(self.saved, Counter(found["missing"]), unreadable, against, self.saved)

    def add(self, frame: "pd.DataFrame | None") -> None:
        """Add the predictions of a batch; None if it had no rows."""
        self.batches += 1
        if frame is None:
            return
        if self._is_parquet:
            self._add_table(frame)
        else:
            frame.to_csv(self._buffer, index=False, header=not (self._count or self._buffer.tell()), mode="wb")
        if self.counts.rows - self.saved >= PART_ROWS or self._buffer.tell() >= PART_BYTES:
            self._save()

    def _add_table(self, frame: "pd.DataFrame") -> None:
        import pyarrow as pa
        from pyarrow import parquet

        if self._schema is None:
            # the first batch fixes the schema: a Parquet file has one, while the types of a column may differ later
            first = parquet.read_schema(io.BytesIO(self._read(self._part(0)))) if self._count else None
            self._schema = first or pa.Schema.from_pandas(frame, preserve_index=False)
        self._writer = self._writer or parquet.ParquetWriter(self._buffer, self._schema)
        self._writer.write_table(pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False))

    def _complete(self) -> bytes:
        """Return the part that is in memory, and begin another."""
        if self._writer is not None:
            self._writer.close()  # a Parquet file is unreadable until its footer is written
        content, self._writer, self._buffer = self._buffer.getvalue(), None, io.BytesIO()
        return content

    def _save(self) -> None:
        self._hold()
        self._write(self._part(self._count), self._complete())
        self._count, self.saved = self._count + 1, self.counts.rows
        state = {"from": self.made_from(), "refuse": self.refuse, "batches": self.batches, "parts": self._count}
        # this counts: a part that it does not name is made again
        self._write(self._state, dump_json({**state, "counts": vars(self.counts)}))

    def finish(self) -> None:
        """Put all parts together, and in the place of the output."""
        if self._count and self.counts.rows > self.saved:
            self._save()
        if not self._count:
            with replace_file(self.target) as draft, self._output(draft) as out:
                out.write(self._complete())
        else:
            draft, contents = self.folder.path / "whole", map(self._read, map(self._part, range(self._count)))
            with self._output(draft) as out:
                _join_tables(contents, out) if self._is_parquet else out.writelines(contents)
            draft.replace(self.target)
        if self._is_held:
            shutil.rmtree(self.folder.path, ignore_errors=True)

    def _output(self, draft: Path) -> Any:
        return sealed_file(draft, self.key, self.target.name) if self.key else draft.open("wb")

    def _write(self, file: Path, content: bytes) -> None:
        if self.key is None:
            write_bytes(file, content)
            return
        with sealed_file(file, self.key, self._place(file)) as sealed:
            sealed.write(content)

    def _read(self, file: Path) -> bytes:
        return file.read_bytes() if self.key is None else b"".join(unsealed_chunks(file, self._place(file), self.key))

    def _place(self, file: Path) -> str:
        return f"{self.target.name}/{file.name}"  # a part of another output is refused


def _join_tables(contents: Iterable[bytes], out: IO[bytes]) -> None:
    from pyarrow import parquet

    files = (parquet.ParquetFile(io.BytesIO(content)) for content in contents)
    first = next(files)
    with parquet.ParquetWriter(out, first.schema_arrow) as writer:
        for file in chain([first], files):
            for group in range(file.num_row_groups):
                writer.write_table(file.read_row_group(group))


@contextmanager
def _found(source: "Source", predictor: Predictor) -> "Iterator[DataFiles | pd.DataFrame]":
    """Yield the files on this machine that a source means; a table as it is."""
    if not isinstance(source, str | Path):
        yield source
        return
    check_format(predictor.csv, ("--separator", "--decimal", "--encoding"))
    with local_files(str(source), FileOptions().suffixes, "FILE") as files:
        yield files


def batches(source: "Source", predictor: Predictor, keep: Sequence[str], size: int) -> "Iterator[pd.DataFrame]":
    """Yield the rows in tables of at most `size`; text columns stay text even if a batch holds only digits."""
    with _found(source, predictor) as found:
        yield from _batches(found, predictor, keep, size)


def _batches(
    source: "DataFiles | pd.DataFrame", predictor: Predictor, keep: Sequence[str], size: int
) -> "Iterator[pd.DataFrame]":
    from runtree.tables.nested import unfold

    hidden = predictor.protection.ways if predictor.protection else ()
    for rows in _raw_batches(source, predictor, keep, size):
        yield unfold(rows, predictor.reading.types, expected=[*predictor.columns, *keep, *hidden])[0]


def _raw_batches(
    source: "DataFiles | pd.DataFrame", predictor: Predictor, keep: Sequence[str], size: int
) -> "Iterator[pd.DataFrame]":
    if not isinstance(source, DataFiles):
        yield from (source.iloc[start : start + size] for start in range(0, len(source), size))
        return
    texts = {name for name, contract in predictor.columns.items() if contract.is_text}
    texts |= {name for name, kind in predictor.reading.types.items() if kind != "number"}
    options = FileOptions(csv=predictor.csv, sheet=predictor.sheet)
    for file in source.files:
        name = source.label(file)
        kind = choose_kind(file.name, options, name)
        refuse_other_kind(file, name, kind, predictor.csv.encoding, chosen_by="")
        with csv_errors(name, predictor.csv, f"it is read as {predictor.csv.describe()}, {OTHERWISE}"):
            form = find_format(file, predictor.csv) if kind == "csv" else predictor.csv
            read = replace(options, csv=form)
            yield from file_batches(file, name, read, predictor.reading, {*texts, *keep}, size)


@contextmanager
def output_errors(target: Path) -> Iterator[None]:
    """Tell that `target` cannot be written; errors of other files, such as that of the rows, pass."""
    try:
        yield
    except OSError as error:
        places = Path(error.filename or target).parts[-2:]  # of the folder of the parts, too
        if any(place.lstrip(".").startswith(target.name) for place in places):
            raise RequestError(f"-o {target}: cannot be written ({reason(error)})", remedy(error)) from None
        raise


def _try_folder(target: Path) -> None:
    """Raise OSError if no file can be made beside `target`: before rows are predicted, not hours later."""
    draft = _draft(target)
    os.close(create_file(draft))
    draft.unlink()


def _draft(target: Path) -> Path:
    # in the same folder, since a rename is atomic only within one file system; the process id keeps two predictions
    # apart
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a file beside `target` that takes its place once all is written; a failure leaves `target` as it was."""
    draft = _draft(target)
    with output_errors(target):
        try:
            os.close(create_file(draft))  # and not by the writer, which would follow a link
            yield draft
            draft.replace(target)
        finally:
            with suppress(OSError):  # the first error is the one to tell
                draft.unlink(missing_ok=True)
