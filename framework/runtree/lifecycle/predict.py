"""Predict the rows of a file with the model of a run, in batches: the file may be larger than memory."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, MissingError, NotFoundError, RequestError, first_line
from runtree.contract.protocols import Hooks
from runtree.records.cleanup import removed_artifacts
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest

if TYPE_CHECKING:
    import pandas as pd

# rows in memory at a time: enough that the cost of a call is negligible, and few enough for a wide table
BATCH_ROWS = 50_000
PREDICTION = "prediction"


@dataclass(frozen=True)
class Predictor:
    """A run's model, the names and types of the columns that it was trained on, and its classes."""

    model: Any
    columns: Mapping[str, str]
    classes: tuple[Any, ...]

    def predict(self, rows: "pd.DataFrame", keep: Sequence[str] = ()) -> "pd.DataFrame":
        """Return for each row the columns `keep`, the prediction, and ``p_<class>`` if there are probabilities."""
        import pandas as pd
        from joblib import parallel_config

        features = self.select_columns(rows)
        with parallel_config("sequential"):  # a forest sums its trees in thread order, which changes the last digit
            columns: dict[str, Any] = {PREDICTION: self.model.predict(features)}
            if self.classes and hasattr(self.model, "predict_proba"):
                y_proba = self.model.predict_proba(features)
                columns |= {f"p_{label}": y_proba[:, code] for code, label in enumerate(self.model.classes_.tolist())}
        predictions = pd.DataFrame(columns, index=rows.index)
        return pd.concat([rows[list(keep)], predictions], axis=1) if keep else predictions

    def select_columns(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Return the model's columns in their order; raise `DataError` if some are missing."""
        missing = [name for name in self.columns if name not in rows.columns]
        if missing:
            raise DataError(
                f"the file lacks {len(missing)} of the {len(self.columns)} columns that the model was trained on: "
                + ", ".join(missing[:5]),
                f"it has: {', '.join(str(name) for name in rows.columns[:8])}",
            )
        return rows[list(self.columns)]


def load_predictor(folder: RunFolder, hooks: Hooks, trust: Iterable[str] = ()) -> Predictor:
    """Load a run's model; refuse files that have changed since the run, and types that are not trusted."""
    card_file = folder.model / "model.json"
    if not card_file.is_file():
        refuse_cleaned(folder)
        raise NotFoundError(f"{folder.path}: this run kept no model", "only completed runs do: runtree runs")
    # hashes come before the first file is parsed: a damaged or exchanged model must not reach a parser
    check_manifest(folder, folder.model)
    return read_predictor(folder.model, hooks, trust)


def read_predictor(folder: Path, hooks: Hooks, trust: Iterable[str] = ()) -> Predictor:
    """Read the folder of a model without a manifest, for example a copy."""
    card = json.loads((folder / "model.json").read_text())
    model = hooks.first("load_model", folder=folder, format=card["format"], trust=tuple(trust))
    if model is None:
        raise MissingError(f"no installed plugin reads the model format '{card['format']}'", "see: runtree plugins")
    return Predictor(model, {item["name"]: item["dtype"] for item in card["columns"]}, tuple(card["classes"]))


def refuse_cleaned(folder: RunFolder) -> None:
    """Raise if `runtree clean` removed the model, with the command that trains it again."""
    removal = removed_artifacts(folder).get(folder.model.name)
    if removal is not None:
        raise NotFoundError(
            f"{folder.path}: its model was removed by runtree clean on {str(removal.get('removed'))[:10]}",
            f"train it again: runtree rerun {folder.path}",
        )


def predict_file(
    predictor: Predictor, source: Path, target: Path, keep: Sequence[str] = (), batch: int = BATCH_ROWS
) -> int:
    """Predict every row of a CSV or Parquet file and write a CSV or Parquet file; return the number of rows."""
    if target.suffix not in (".csv", ".parquet"):
        raise RequestError(f"-o {target}: predictions are written as .csv or .parquet")
    rows = 0
    # the format is checked above, before hours of predictions; a failure in here leaves an existing `target` as it was
    with replace_file(target) as draft:
        writer = _parquet_writer(draft) if target.suffix == ".parquet" else _csv_writer(draft)
        # a generator holds the open file between batches; it has to reach its first `yield` before it takes a batch
        next(writer)
        for chunk in batches(source, predictor.columns, keep, batch):
            # a file may have empty batches, and scikit-learn refuses to predict no rows
            if chunk.empty:
                continue
            writer.send(predictor.predict(chunk, keep))
            rows += len(chunk)
        # closed before the rename in `written_aside`: a Parquet file is unreadable until its footer is written
        writer.close()
        if not rows:
            raise DataError(f"{source}: the file has no rows")
    return rows


def batches(source: Path, columns: Mapping[str, str], keep: Sequence[str], size: int) -> "Iterator[pd.DataFrame]":
    """Yield a file's rows in tables of at most `size`; text columns stay text even if a batch holds only digits."""
    if not source.is_file():
        raise DataError(f"no file {source}")
    if source.suffix == ".parquet":
        yield from _parquet_batches(source, size)
    elif source.suffix in (".csv", ".txt", ".gz", ".zip", ".zst"):
        text = {name: "str" for name, dtype in columns.items() if dtype in ("str", "object", "category", "string")}
        yield from _csv_batches(source, {**text, **dict.fromkeys(keep, "str")}, size)
    else:
        raise RequestError(f"{source}: rows are read from .csv or .parquet")


def _csv_batches(source: Path, types: Mapping[str, str], size: int) -> "Iterator[pd.DataFrame]":
    import pandas as pd

    try:
        # dtypes of columns that the file has; one that it lacks is reported by `checked`
        header = pd.read_csv(source, nrows=0).columns
        dtypes: Any = {name: dtype for name, dtype in types.items() if name in header}
        yield from pd.read_csv(source, chunksize=size, dtype=dtypes, low_memory=False)
    except pd.errors.EmptyDataError:
        raise DataError(f"{source}: the file is empty") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: not a table: {first_line(error)}") from None


def _parquet_batches(source: Path, size: int) -> "Iterator[pd.DataFrame]":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(source) as file:
            for batch in file.iter_batches(batch_size=size):
                yield batch.to_pandas()
    except pa.ArrowInvalid as error:
        raise DataError(f"{source}: not a Parquet file: {str(error).partition('. ')[0]}") from None


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """Yield a file beside `target` that takes its place once all is written; a failure leaves `target` as it was."""
    # in the same folder, since a rename is atomic only within one file system; the process id keeps two predictions
    # apart
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(target)
    except OSError as error:
        raise RequestError(f"-o {target}: cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)


def _csv_writer(file: Path) -> Any:
    # newline="": pandas writes line ends itself, and text mode would translate them again on Windows
    with file.open("w", encoding="utf-8", newline="") as out:
        frame = yield
        frame.to_csv(out, index=False)
        while True:
            frame = yield
            frame.to_csv(out, index=False, header=False)


def _parquet_writer(file: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    frame = yield
    # the first batch fixes the schema: a Parquet file has one, while the types of a column may differ between batches
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with parquet.ParquetWriter(file, schema) as out:
        while True:
            out.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            frame = yield
