"""The reference: the rows that a run was made with, read again, or what its record keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import ConfigError, RuntreeError, first_line, unknown
from runtree.contract.predictions import Predictions, read_predictions
from runtree.contract.protocols import TargetResolver
from runtree.contract.types import RunRecord
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import ColumnContract, Predictor
from runtree.monitoring.drift import CATEGORY, NUMBER, OTHER, WatchedRows
from runtree.monitoring.options import MonitorOptions
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

# detectors that work with what the record keeps of a column: missing values, categories, types
OF_RECORD = frozenset({"missing", "unseen", "schema"})
MAX_CLASSES = 10  # whose probabilities are compared one by one
HELD_OUT = ("test", "validation")  # rows that the model was not fitted on, the first split that has any
PREDICTION = "prediction"


@dataclass(frozen=True)
class Reference:
    """The rows that windows are compared with.

    Attributes
    ----------
    kinds, usable
        See `DriftMonitor`.
    held_out
        The predictions of rows that the model was not fitted on; None if the run kept none.
    source
        "table": the run's table, read again; "record": what the run's files say about its columns.
    """

    rows: WatchedRows
    kinds: Mapping[str, str]
    held_out: Predictions | None
    source: str
    count: int
    usable: frozenset[str] | None = None
    notes: tuple[str, ...] = ()


def watched_columns(predictor: Predictor, options: MonitorOptions) -> list[str]:
    """Return the inputs that are compared.

    Raises
    ------
    ConfigError
        A name is not that of an input.
    """
    known = [name for name, contract in predictor.columns.items() if contract.kind != "dropped"]
    for path, names in (("columns", options.columns), ("ignore", options.ignore)):
        for name in names if isinstance(names, list) else ():
            if name not in known:
                raise unknown(f"input at monitor.{path}:", name, known, error=ConfigError)
    chosen = known if isinstance(options.columns, str) else options.columns
    return [name for name in chosen if name not in options.ignore]


def read_reference(
    record: RunRecord,
    config: Mapping[str, Any],
    predictor: Predictor,
    trust: TargetResolver,
    options: MonitorOptions,
) -> Reference:
    """Read the run's table again; if that is not possible, take what its record says about the columns."""
    import pandas as pd

    names, target = watched_columns(predictor, options), str(config["data"]["target"])
    held_out, rows = _held_out(record, predictor)
    outputs = pd.DataFrame() if held_out is None else output_columns(held_out, rows, target)
    times = {options.window.time, config["data"].get("time")}
    try:
        table = load(config, trust)
        reason = "it has changed" if table.fingerprint != record.fingerprints.get("data") else ""
    except (RuntreeError, OSError, ValueError, KeyError) as error:
        reason = first_line(error)
    if not reason:
        if table.streamed is not None and held_out is not None:  # of the rows in memory
            known, positions = table.find_rows(rows)
            held_out = held_out.take(known)
            outputs = output_columns(held_out, positions, target)
        inputs = replace(predictor, refuse=False).select_columns(table.features)[names]
        raw = pd.concat([table.features, *([] if table.aside is None else [table.aside]), table.target], axis=1)
        kinds = {name: OTHER if name in times else column_kind(predictor.columns[name], inputs[name]) for name in names}
        rows_of = WatchedRows(inputs, outputs, raw.loc[:, ~raw.columns.duplicated()])
        return Reference(rows_of, {**kinds, **output_kinds(predictor, target)}, held_out, "table", len(inputs))
    inputs = _columns_of_record(record, predictor, names)
    levels = {name: CATEGORY if predictor.columns[name].values else OTHER for name in names}
    note = f"the run's table cannot be read again ({reason}): of inputs only missing values, new categories and types"
    more = [f"{note} are compared"]
    more += ["segments of drift need the run's table: they are left out"] if options.segments else []
    kinds = {**levels, **output_kinds(predictor, target)}
    return Reference(
        WatchedRows(inputs, outputs, inputs), kinds, held_out, "record", len(inputs), OF_RECORD, tuple(more)
    )


def column_kind(contract: ColumnContract, column: "pd.Series[Any]") -> str:
    """Return how a column is compared: as numbers, as categories, or by its missing values alone."""
    from pandas.api import types

    if contract.kind in ("date", "text") or types.is_datetime64_any_dtype(column.dtype):
        # later rows have later dates, and nearly every text is new
        return OTHER
    if types.is_bool_dtype(column.dtype) or contract.kind in ("few", "many"):
        return CATEGORY
    if types.is_numeric_dtype(column.dtype):
        return NUMBER
    return CATEGORY if 2 * column.nunique() <= len(column) else OTHER


def output_columns(predictions: Predictions, index: "Array", target: str, known: "Array | None" = None) -> Any:
    """Return predictions, probabilities and the target as columns.

    Parameters
    ----------
    known
        A mask of the rows whose target is known; None: all.
    """
    import numpy as np
    import pandas as pd

    classes = predictions.classes
    labels = np.asarray([str(label) for label in classes], dtype=object)
    columns: dict[str, Any] = {PREDICTION: labels[predictions.y_pred] if classes else predictions.y_pred}
    if predictions.score is not None:
        shown = range(1, 2) if len(classes) == 2 else range(min(len(classes), MAX_CLASSES))
        columns |= {f"p_{classes[code]}": predictions.score[:, code] for code in shown}
    if known is None or known.any():
        truth: Any = labels[predictions.y_true] if classes else predictions.y_true
        columns[target] = truth if known is None else pd.Series(truth).where(known).to_numpy()
    return pd.DataFrame(columns, index=index)


def output_kinds(predictor: Predictor, target: str) -> dict[str, str]:
    """Return how each column of `output_columns` is compared."""
    kind = CATEGORY if predictor.classes else NUMBER
    return {PREDICTION: kind, target: kind, **{f"p_{label}": NUMBER for label in predictor.classes}}


def _held_out(record: RunRecord, predictor: Predictor) -> "tuple[Predictions | None, Any]":
    """Return the predictions of the rows that the model was not fitted on, and their positions."""
    import pandas as pd

    try:
        frame = pd.read_parquet(RunFolder(record.folder).predictions)
        own = next(part for name in HELD_OUT if len(part := frame[frame["part"] == name]))
        return read_predictions(own, predictor.classes), own["row"].to_numpy()
    except (OSError, ValueError, KeyError, StopIteration):
        return None, None


def _columns_of_record(record: RunRecord, predictor: Predictor, names: Sequence[str]) -> Any:
    """Return a table with the types, the shares of missing values and the categories that the record keeps."""
    import numpy as np
    import pandas as pd

    rows = int(RunReader(record.folder).data.get("rows") or 0)
    columns = {}
    for name in names:
        contract = predictor.columns[name]
        known = rows - round(contract.missing * rows)
        values = list(contract.values) or [0.0 if contract.typical is None else contract.typical]
        # each category often enough that none counts as a rare one
        column = np.resize(np.asarray(values, dtype=object), known).tolist() + [None] * (rows - known)
        columns[name] = pd.Series(column, dtype="float64" if contract.expects == "number" else "object")
    return pd.DataFrame(columns, index=range(rows))
