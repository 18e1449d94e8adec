"""The model of a run and what it expects of a row: read, held to its schema, and predicted."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.contract.commands import command
from runtree.contract.errors import DataError, GateError, MissingError, NotFoundError, RequestError, first_line, unknown
from runtree.contract.files import read_regular
from runtree.contract.predictions import apply_preprocessing
from runtree.contract.protocols import Hooks
from runtree.lifecycle.sensitive import Protection
from runtree.records.cleanup import removed_artifacts
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest, sha256
from runtree.records.plugin_identity import compare_plugins
from runtree.records.sealed import registered_place, unsealed_folder
from runtree.records.user_code import changed_modules
from runtree.tables.csv_files import AUTO, CsvFormat, Reading
from runtree.training.model_files import compare_libraries

if TYPE_CHECKING:
    import pandas as pd

    from runtree.tables.declared import Misfits
    from runtree.tables.schema import TableSchema

log = logging.getLogger(__name__)

PREDICTION = "prediction"
OTHERWISE = "if the file is written otherwise, say so: --separator, --decimal, --encoding"


@dataclass(frozen=True)
class ColumnContract:
    """What the model expects of a column.

    Attributes
    ----------
    dtype
        The type of the column in the training table.
    kind, detail
        How the preprocessing reads it: number, date (and its format), few, many, text or dropped; "" if unknown.
    missing
        The share of missing values in the training table.
    low, high, typical, values
        What the train split held: range, median or most frequent value, and the categories, the most frequent first;
        None and empty where nothing is kept.
    strays
        Texts among its numbers or dates that training took as missing; so does a prediction.
    """

    name: str
    dtype: str
    kind: str = ""
    detail: str = ""
    missing: float = 0.0
    low: Any = None
    high: Any = None
    typical: Any = None
    values: Sequence[Any] = ()
    strays: Sequence[str] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values were text."""
        return self.dtype in ("str", "object", "category", "string")

    @property
    def expects(self) -> str:
        """The kind of values that later rows must hold: number, date, or "" for any."""
        if self.kind:
            return self.kind if self.kind in ("number", "date") else ""
        # another preprocessing than ours: what the table held
        if self.dtype.startswith("datetime"):
            return "date"
        # truth values are categories to some algorithms, and numbers to others
        return "number" if self.dtype.lower().startswith(("int", "uint", "float")) else ""


@dataclass
class RowCounts:
    """What was found in the rows so far.

    Attributes
    ----------
    rows
        The number of rows.
    missing
        The number of missing values of each column.
    unreadable
        The number of values that are not what the model was trained with, and the first of them, by column.
    against_schema
        The number of rows with a fault by the schema of the model, and a sentence on the first of them, by fault.
    earlier
        The number of rows whose predictions an earlier process has left.
    """

    rows: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, tuple[int, str]] = field(default_factory=dict)
    against_schema: dict[str, tuple[int, str]] = field(default_factory=dict)
    earlier: int = 0

    def add_unreadable(self, misfits: "Misfits") -> None:
        """Count values of a column, of which the first one is kept as an example."""
        count, message = self.unreadable.get(misfits.name, (0, misfits.describe(self.rows + 1, several=False)))
        self.unreadable[misfits.name] = (count + misfits.count, message)


@dataclass(frozen=True)
class Predictor:
    """A run's model, the contract of each column that it was trained on, how its table was read, and its classes.

    Rows are held to the `schema` that the model was trained with. With `refuse=False`, values that are no numbers or
    dates where the model expects them are taken as missing, and so are columns that are not there; what is against the
    schema is counted. The values of sensitive columns are hashed or masked as in training.
    """

    model: Any
    columns: Mapping[str, ColumnContract]
    classes: tuple[Any, ...]
    reading: Reading = field(default_factory=Reading)
    csv: CsvFormat = field(default_factory=CsvFormat)
    sheet: str | int | None = None
    refuse: bool = True
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of `model.json`
    schema: "TableSchema | None" = None
    protection: Protection | None = None
    lenient: str = "--unreadable missing"  # what is typed for that; "" where it cannot be
    identity: str = ""  # a hash of the files of the model, "" where it has no manifest

    def predict(
        self, rows: "pd.DataFrame", keep: Sequence[str] = (), counts: RowCounts | None = None
    ) -> "pd.DataFrame":
        """Return for each row the columns `keep`, the prediction, and ``p_<class>`` if there are probabilities.

        Parameters
        ----------
        counts
            Of earlier rows of the same file; those of these rows are added.
        """
        import pandas as pd
        from joblib import parallel_config

        # as in the run: `Pipeline.predict` would refuse an estimator that learns no attribute
        kept = self._keep(rows, keep)
        model, features = apply_preprocessing(self.model, self.select_columns(rows, counts))
        with parallel_config("sequential"):  # a forest sums its trees in thread order, which changes the last digit
            columns: dict[str, Any] = {PREDICTION: model.predict(features)}
            if self.classes and hasattr(model, "predict_proba"):
                y_proba = model.predict_proba(features)
                columns |= {f"p_{label}": y_proba[:, code] for code, label in enumerate(model.classes_.tolist())}
        predictions = pd.DataFrame(columns, index=rows.index)
        return pd.concat([kept, predictions], axis=1) if keep else predictions

    def _keep(self, rows: "pd.DataFrame", names: Sequence[str]) -> "pd.DataFrame":
        if self.protection is not None:
            self.protection.refuse_dropped(names, "--keep")
        for name in names:
            if name not in rows.columns:
                raise unknown("column at --keep:", name, map(str, rows.columns))
        kept = rows[list(names)]
        return kept if self.protection is None else self.protection.frame(kept)

    def select_columns(self, rows: "pd.DataFrame", counts: RowCounts | None = None) -> "pd.DataFrame":
        """Return the model's columns in their order, read as in training.

        Raises
        ------
        DataError
            A column is missing, or holds values that are not what the model was trained with.
        """
        from runtree.tables.declared import apply_missing
        from runtree.tables.nested import unfold

        rows, _ = unfold(rows, self.reading.types, expected=self.columns)
        absent = [name for name in self.columns if name not in rows.columns]
        missing = [name for name in absent if self.columns[name].kind != "dropped"]
        if missing and self.refuse:
            raise DataError(
                f"the file lacks {len(missing)} of the {len(self.columns)} columns that the model was trained on: "
                + ", ".join(missing[:5]),
                f"it has: {', '.join(str(name) for name in rows.columns[:8])}",
                # a single column: most likely the file has another separator
                f"it was read with the separator '{self.csv.separator}', {OTHERWISE}"
                if rows.shape[1] == 1 and self.csv.separator != AUTO
                else self._advice("them as missing values"),
            )
        counts = counts if counts is not None else RowCounts()
        # a column that preprocessing dropped need not be there
        selected = rows.reindex(columns=list(self.columns)) if absent else rows[list(self.columns)]
        features = apply_missing(selected, self.reading)
        if self.protection is not None:
            features = self.protection.frame(features)
        changed = {name: self._read(features[name], contract, counts) for name, contract in self.columns.items()}
        changed = {name: column for name, column in changed.items() if column is not features[name]}
        features = features.assign(**changed) if changed else features
        self._hold_to_schema(features, counts)
        counts.rows += len(features)
        counts.missing.update({str(name): int(count) for name, count in features.isna().sum().items()})
        return features

    def _hold_to_schema(self, features: "pd.DataFrame", counts: RowCounts) -> None:
        for one in self.schema.validate(features, whole=False, first=counts.rows + 1) if self.schema else ():
            if self.refuse and one.severity == "error":
                hint = f"to predict such rows all the same, add: {self.lenient}" if self.lenient else ""
                raise GateError(f"the schema of the model: {one.says}", hint)
            count, says = counts.against_schema.get(one.what, (0, one.says))
            counts.against_schema[one.what] = (count + one.count, says)

    def _advice(self, what: str) -> str:
        return f"to take {what}, add: {self.lenient}" if self.lenient else ""

    def _read(self, column: "pd.Series[Any]", contract: ColumnContract, counts: RowCounts) -> "pd.Series[Any]":
        from runtree.tables.declared import as_numbers, find_misfits, read_as

        declared = self.reading.types.get(contract.name)
        if declared is not None:
            values, misfits = read_as(column, declared, self.csv.decimal)
        else:
            misfits = find_misfits(column, contract.expects, contract.detail, self.csv.decimal)
            values = column if misfits is None else column.mask(misfits.rows)
            if contract.expects == "number":
                values = as_numbers(values, self.csv.decimal)
        if misfits is not None:
            strange = misfits.but_for(column, contract.strays)
            if self.refuse and strange is not None:
                misfits = strange
                trained = {"number": "numbers", "date": "dates"}[misfits.expected]
                raise DataError(
                    f"{misfits.describe(counts.rows + 1)}; the model was trained with {trained}",
                    self._advice("such values as missing"),
                )
            counts.add_unreadable(misfits)
        return values


def load_predictor(folder: RunFolder, hooks: Hooks, trust: Iterable[str] = ()) -> Predictor:
    """Load a run's model; refuse files that have changed since the run, and types that are not trusted."""
    card_file = folder.model / "model.json"
    if not card_file.is_file():
        refuse_cleaned(folder)
        raise NotFoundError(f"{folder.path}: this run kept no model", "only completed runs do: runtree runs")
    # hashes come before the first file is parsed: a damaged or exchanged model must not reach a parser
    check_manifest(folder, folder.model)
    with unsealed_folder(folder.model, registered_place(folder.model)) as model:
        predictor = replace(read_predictor(model, hooks, trust), identity=sha256(folder.manifest))
    if predictor.protection is not None and predictor.protection.secret in os.environ:
        predictor.protection.key  # noqa: B018  another key is reported before any row is read
    # after the load, which imports the modules that the model needs
    if changed := changed_modules(folder.code):
        log.warning(
            "the code of %s has changed since the model was trained, which may change its predictions; as it was: %s",
            ", ".join(changed),
            folder.code,
        )
    return predictor


def read_predictor(folder: Path, hooks: Hooks, trust: Iterable[str] = ()) -> Predictor:
    """Read the folder of a model without a manifest, for example a copy."""
    try:
        card = json.loads(read_regular(folder / "model.json"))
        format_name, classes = card["format"], tuple(card["classes"])
        columns = {item["name"]: ColumnContract(**item) for item in card["columns"]}
        reading = dict(card["reading"])
        declared = Reading(reading.pop("types"), tuple(reading.pop("missing")))
        sheet = reading.pop("sheet", None)
        protection = Protection.of_model(card["sensitive"]) if "sensitive" in card else None
        # of a table that was no text nothing is known about later text files
        csv_format = CsvFormat(**{"separator": AUTO, "encoding": AUTO, **reading})
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(f"{folder / 'model.json'}: does not describe a model ({first_line(error)})") from None
    # before the first file of the model is opened: what is missing is named by its plugin, and not by its classes
    notes = compare_plugins(card.get("plugins"), hooks.identities, "the model was trained")
    for note in (*notes, *compare_libraries(card.get("libraries"))):
        log.warning("%s; its predictions may differ", note)
    schema = _read_schema(card.get("schema"))
    model = hooks.first("load_model", folder=folder, format=format_name, trust=tuple(trust))
    if model is None:
        raise MissingError(f"no installed plugin reads the model format '{format_name}'", "see: runtree plugins")
    return Predictor(
        model, columns, classes, declared, csv_format, sheet, card=card, schema=schema, protection=protection
    )


def _read_schema(node: Mapping[str, Any] | None) -> "TableSchema | None":
    if not node:
        return None
    from runtree.tables.schema import read_schema

    try:
        return read_schema(node)
    except MissingError as error:
        # a model predicts the same without the extra that checks its rows
        log.warning("rows are not held to the schema of the model: %s; %s", error.message, "; ".join(error.hints))
        return None


def typical_row(predictor: Predictor) -> "pd.DataFrame":
    """Return one row with the typical value of each column, missing where none is kept."""
    import pandas as pd

    columns = {}
    for name, contract in predictor.columns.items():
        text = contract.is_text or contract.dtype.startswith("datetime") or contract.typical is None
        columns[name] = pd.Series([contract.typical], dtype="object" if text else contract.dtype)
    return pd.DataFrame(columns)


def refuse_cleaned(folder: RunFolder) -> None:
    """Raise if `runtree clean` removed the model, with the command that trains it again."""
    removal = removed_artifacts(folder).get(folder.model.name)
    if removal is not None:
        raise NotFoundError(
            f"{folder.path}: its model was removed by runtree clean on {str(removal.get('removed'))[:10]}",
            f"train it again: {command('rerun', str(folder.path))}",
        )


def row_notes(predictor: Predictor, counts: RowCounts) -> list[str]:
    """Return a note for each column with unreadable values, or without a single value where training had some."""
    notes = [
        f"{message}; {count:,} of {counts.rows:,} values were taken as missing"
        for count, message in counts.unreadable.values()
    ]
    notes += [
        f"the schema of the model: {says}" + (f"; {count:,} rows in all" if f"{count:,} " not in says else "")
        for count, says in counts.against_schema.values()
    ]
    notes += [
        f"column '{name}' is missing in all {counts.rows:,} rows; in training it was in {contract.missing:.0%}"
        for name, contract in predictor.columns.items()
        if counts.missing[name] == counts.rows and contract.missing < 1 and contract.kind != "dropped"
    ]
    return notes
