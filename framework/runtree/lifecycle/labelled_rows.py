"""Labelled rows for a saved model: read as the table of its run was, and compared with the rows it was trained on."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import DataError, RuntreeError, first_line, unknown
from runtree.contract.predictions import Predictions, apply_preprocessing, predict
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import RunRecord, Table
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import Predictor, RowCounts, row_notes
from runtree.lifecycle.predict_file import BATCH_ROWS
from runtree.lifecycle.row_choice import sample_rows
from runtree.lifecycle.sources import read_sources
from runtree.lifecycle.table_options import TableOptions, source_node, table_options
from runtree.lifecycle.target import as_text
from runtree.records.layout import RunFolder
from runtree.records.sealed import plain_source
from runtree.tables.fingerprint import hash_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

log = logging.getLogger(__name__)

JOINED = "join with"  # begins what is noted of a join
MAX_LEVELS_SHOWN = 3
CATEGORIES = ("few", "many")  # kinds of columns whose values are levels


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a known target.

    Attributes
    ----------
    table
        The rows as a table: the model's columns, the target, groups, and the other columns of the file.
    y_true
        The target as class positions, or as floats for a regression, of shape (rows,).
    counts
        What was found: `rows`, `without_target`, `unknown_classes` (rows by class), `unreadable`, `missing_columns`.
    notes
        The same in sentences.
    """

    table: Table
    y_true: "Array"
    counts: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TrainedRows:
    """What the rows have in common with those that the model was made with.

    Attributes
    ----------
    seen
        For each row whether it, with its target, is one of the train or validation rows; None if that is not known.
    counts
        `train`, `validation`: rows that occur in that split; `unseen`: rows with an unknown level, by column.
    """

    seen: "Array | None" = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_labelled(
    config: Mapping[str, Any], predictor: Predictor, trust: TargetResolver, trained_target: str
) -> LabelledRows:
    """Read the rows of the source at `config["data"]` for a model.

    Parameters
    ----------
    config
        The run's config, with another `data`.
    trained_target
        The name of the target that the model was trained for.

    Raises
    ------
    RuntreeError
        The rows cannot be read, lack columns or the target, or hold values that the model was not trained with.
    """
    options = table_options(config["data"])
    frame = read_new_rows(config, predictor, trust)
    if options.target not in frame.columns:
        hint = "to predict rows without a target: runtree predict"
        raise unknown("column at data.target:", options.target, map(str, frame.columns), hint, error=DataError)
    frame = sample_rows(frame, replace(options, task="regression"), int(config["seed"]))
    decimal = str(config["data"].get("decimal", predictor.csv.decimal))
    y_true, known, notes, counts = _read_target(frame[options.target], predictor, decimal, trained_target)
    frame, row_counts = frame[known].reset_index(drop=True), RowCounts()
    features = replace(predictor, csv=replace(predictor.csv, decimal=decimal)).select_columns(frame, row_counts)
    counts |= {
        "rows": len(frame),
        "unreadable": {name: count for name, (count, _) in row_counts.unreadable.items()},
        "missing_columns": [name for name in predictor.columns if name not in frame.columns],
    }
    table = _make_table(frame, features, options, predictor, str(config["data"].get("name", "data")))
    return LabelledRows(table, y_true, counts, (*notes, *row_notes(predictor, row_counts), *_repeated(table)))


def read_new_rows(
    config: Mapping[str, Any], predictor: Predictor, trust: TargetResolver, texts: Collection[str] = ()
) -> "pd.DataFrame":
    """Read all columns of the source at `config["data"]`, as the table of the run was read.

    Parameters
    ----------
    texts
        Columns that stay text, besides those that were text in training.

    Raises
    ------
    RuntreeError
        The rows cannot be read, or there are none.
    """
    options = table_options(config["data"])
    # what was text in training is text here too, where a file holds digits alone
    kept = {*texts, *(name for name, contract in predictor.columns.items() if contract.is_text)}
    kept |= {options.target} if predictor.classes and isinstance(predictor.classes[0], str) else set()
    protection = options.protection
    if predictor.protection is not None:  # which knows whether the key is the one of training
        protection = replace(predictor.protection, secret=protection.secret or predictor.protection.secret)
    roles = (options.target, options.group, options.time, options.weight, options.split_column)
    reading = replace(
        predictor.reading,
        texts=frozenset({*kept, *protection.kept}),
        hidden=frozenset(protection.ways),
        fields=frozenset([*predictor.columns, *kept, *protection.ways, *(name for name in roles if name)]),
    )
    # the tables that were joined in training are joined here too; which rows were of which part is of no use
    rows = read_sources(source_node(config["data"]), {}, options.join, reading, (), trust, protection)
    for note in rows.notes:
        if note.startswith(JOINED):  # rows that are lost or multiplied have no prediction, or several
            log.warning("%s", note)
    if not len(rows.frame):
        raise DataError("data: the table has no rows")
    return rows.frame.rename(columns=str)


def _make_table(
    frame: "pd.DataFrame", features: "pd.DataFrame", options: TableOptions, predictor: Predictor, name: str
) -> Table:
    from runtree.tables.roles import read_groups

    target = frame[options.target]
    return Table(
        features=features,
        target=target,
        task="classification" if predictor.classes else "regression",
        classes=predictor.classes,
        fingerprint=hash_table(features, target)[0],
        name=name,
        groups=read_groups(frame[options.group]) if options.group in frame.columns else None,
        aside=frame.drop(columns=[options.target, *(column for column in features if column in frame)]),
    )


def _read_target(
    column: "pd.Series[Any]", predictor: Predictor, decimal: str, trained: str
) -> "tuple[Array, Array, list[str], dict[str, Any]]":
    """Return the encoded target of the rows that have a known one, a mask of these rows, notes, and counts."""
    import numpy as np

    from runtree.tables.declared import read_as

    declared = predictor.reading.types.get(str(column.name))
    if declared is not None:
        column, _ = read_as(column, declared, decimal)
    present = column.notna().to_numpy()
    notes: list[str] = []
    counts: dict[str, Any] = {"without_target": int((~present).sum()), "unknown_classes": {}}
    if counts["without_target"]:
        notes.append(f"{counts['without_target']:,} of {len(column):,} rows have no target, and are left out")
    if not present.any():
        raise DataError(f"data.target: column '{column.name}' is empty in all {len(column):,} rows")
    if str(column.name) != trained:
        notes.append(f"the model was trained for '{trained}', and is scored on '{column.name}'")
    if not predictor.classes:
        values = _numbers(column[present], decimal)
        return values, present, notes, counts
    codes = encode_known(column, predictor.classes)
    strange = present & (codes < 0)
    if strange.any():
        unknown_classes = column[strange].astype("str").value_counts()
        counts["unknown_classes"] = {str(name): int(count) for name, count in unknown_classes.items()}
        shown = ", ".join(repr(name) for name in list(counts["unknown_classes"])[:MAX_LEVELS_SHOWN])
        share = f"{int(strange.sum()):,} of {len(column):,} rows"
        notes.append(f"{share} are of classes that the model does not know ({shown}); they are left out of the scores")
    if not (codes >= 0).any():
        known = ", ".join(map(as_text, predictor.classes[:5]))
        raise DataError(f"data.target: no row of column '{column.name}' is of a class that the model knows: {known}")
    kept: Array = codes >= 0
    return np.asarray(codes[kept]), kept, notes, counts


def _numbers(column: "pd.Series[Any]", decimal: str) -> "Array":
    import numpy as np

    from runtree.tables.declared import as_numbers, find_misfits

    misfits = find_misfits(column, "number", decimal=decimal)
    if misfits is not None:
        raise DataError(f"data.target: {misfits.describe()}", "the model is a regression: its target is a number")
    values: Array = as_numbers(column, decimal).to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise DataError(f"data.target: column '{column.name}' holds infinity", "drop those rows, or replace the values")
    return values


def encode_known(column: "pd.Series[Any]", classes: tuple[Any, ...]) -> "Array":
    """Return the position of each label in `classes`, -1 for others: 1, 1.0 and '1' are one label, also true and True.

    A file may hold the labels in another type than the table of the run did.
    """
    import numpy as np
    import pandas as pd

    from runtree.tables.numbers import parse_number

    by_label: dict[Any, int] = {label: code for code, label in enumerate(classes)}
    by_text = {as_text(label): code for label, code in by_label.items()}
    positions, labels = pd.factorize(column, use_na_sentinel=True)

    def find(label: Any) -> int:
        label = label.item() if isinstance(label, np.generic) else label
        if label in by_label:
            return by_label[label]
        text = as_text(label)
        if all(isinstance(known, bool) for known in classes):
            return by_text.get(text.lower(), -1)
        # of classes that are numbers: '1.0'
        number = None if text in by_text else parse_number(text)
        return by_text.get(text if number is None else as_text(float(number)), -1)

    codes = np.asarray([*map(find, labels), -1], dtype=np.int64)
    found: Array = codes[positions]
    return found


def predict_labelled(predictor: Predictor, features: "pd.DataFrame", y_true: "Array") -> Predictions:
    """Predict rows in batches, so that the preprocessed table need not fit into memory."""
    import numpy as np

    parts = []
    for start in range(0, len(features), BATCH_ROWS):
        batch = slice(start, start + BATCH_ROWS)
        model, rows = apply_preprocessing(predictor.model, features.iloc[batch])
        parts.append(predict(model, rows, y_true[batch], predictor.classes))
    scores = [part.score for part in parts if part.score is not None]
    y_pred = np.concatenate([part.y_pred for part in parts])
    return Predictions(y_true, y_pred, np.concatenate(scores) if scores else None, predictor.classes)


def compare_with_trained(
    rows: LabelledRows, predictor: Predictor, record: RunRecord, config: Mapping[str, Any], trust: TargetResolver
) -> TrainedRows:
    """Find rows that the model was made with, and levels that it has never seen. The run's table is read again.

    Parameters
    ----------
    config
        The config of the run.
    """
    import numpy as np
    import pandas as pd

    if config["data"].get("batches"):
        return TrainedRows(notes=("the model learnt in batches: whether it has seen these rows is not known",))
    try:
        table = load(config, trust)
        if table.fingerprint != record.fingerprints.get("data"):
            return TrainedRows(notes=("the table of the run has changed: whether rows were trained on is not known",))
        parts = pd.read_parquet(plain_source(RunFolder(record.folder).predictions), columns=["row", "part"])
        trained = replace(predictor, refuse=False, schema=None).select_columns(table.features)
    except (RuntreeError, OSError, ValueError, KeyError) as error:
        # files of the run that were moved or removed say nothing about these rows
        reason = first_line(error)
        return TrainedRows(notes=(f"whether rows were trained on is not known, as the run's table is not: {reason}",))
    keys = row_keys(rows.table.features, rows.y_true)
    codes = encode_known(table.target, predictor.classes) if predictor.classes else table.target.to_numpy(dtype=float)
    trained_keys = row_keys(trained, codes)
    positions = {
        # under cross-validation the train rows are those that the folds were scored on
        name: parts["row"].to_numpy()[parts["part"] == name]
        for name in ("train", "validation")
    }
    found = {name: np.isin(keys, trained_keys[place]) for name, place in positions.items()}
    # under cross-validation the same rows are in both
    found["validation"] &= ~found["train"]
    learned = np.unique(np.concatenate([positions["train"], positions["validation"]]))
    unseen = _unseen_levels(rows.table.features, trained.iloc[learned], predictor)
    counts = {**{name: int(mask.sum()) for name, mask in found.items()}, "unseen": unseen}
    seen: Array = found["train"] | found["validation"]
    return TrainedRows(seen, counts, tuple(_trained_notes(counts, int(seen.sum()), len(keys))))


def _trained_notes(counts: Mapping[str, Any], seen: int, rows: int) -> list[str]:
    notes = []
    if seen:
        validation = f", {counts['validation']:,} of its validation split" if counts["validation"] else ""
        notes.append(
            f"{seen:,} of {rows:,} rows are rows that the model was made with "
            f"({counts['train']:,} of its train split{validation}): their scores are too good"
        )
    notes += [
        f"column '{name}': {count:,} of {rows:,} rows hold a value that the model has not seen"
        for name, count in counts["unseen"].items()
    ]
    return notes


def _unseen_levels(new: "pd.DataFrame", trained: "pd.DataFrame", predictor: Predictor) -> dict[str, int]:
    def holds_levels(name: str) -> bool:
        # another preprocessing than ours may read free text, of which nearly every value is new
        own = predictor.columns[name]
        few = not own.kind and 2 * trained[name].nunique() <= len(trained)
        return own.is_text and (own.kind in CATEGORIES or few)

    columns = [name for name in predictor.columns if holds_levels(name)]
    masks = {name: new[name].notna() & ~new[name].isin(trained[name].dropna().unique()) for name in columns}
    return {name: int(mask.sum()) for name, mask in masks.items() if mask.any()}


def row_keys(features: "pd.DataFrame", y_true: "Array") -> "Array":
    """Return a hash of each row and its target; 1 and 1.0 are equal, and so are two missing values."""
    import numpy as np
    import pandas as pd

    from runtree.tables.table import to_texts

    columns = {
        str(number): column.to_numpy(dtype="float64", na_value=np.nan)
        if column.dtype.kind in "biuf"
        else to_texts(column)
        for number, (_, column) in enumerate(features.items())
    }
    keys: Array = pd.util.hash_pandas_object(pd.DataFrame({**columns, "y": y_true}), index=False).to_numpy()
    return keys


def _repeated(table: Table) -> list[str]:
    import pandas as pd

    rows = pd.concat([table.features, table.target], axis=1)
    repeated = int(rows.duplicated().sum())
    return [f"{repeated:,} of {len(rows):,} rows repeat an earlier row"] if repeated else []
