"""`runtree explain`: Shapley values of single predictions, with a sample of the train rows as background."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.config.provenance import TypedWords
from runtree.contract.errors import DataError, NotFoundError, RequestError, unknown
from runtree.contract.files import load_yaml
from runtree.contract.types import RunRecord, Table
from runtree.evaluation.importance import expected_output, output_name, predict_rows
from runtree.evaluation.shapley import RowExplanation, explain_row
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import Predictor
from runtree.lifecycle.predict_file import batches
from runtree.records.layout import RunFolder
from runtree.records.reader import RunReader
from runtree.records.sealed import plain_source

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 20  # of one request: each takes 20,000 predictions
BACKGROUND_ROWS = 500
CELLS = ("row", "output", "prediction", "base", "column", "value", "amount", "error")


@dataclass(frozen=True)
class ExplainedRows:
    """Explained rows, and for each what its numbers are: ``probability of yes``, or ``prediction``."""

    outputs: tuple[str, ...]
    rows: tuple[RowExplanation, ...]

    def cells(self) -> list[list[Any]]:
        """Return a line for each row and column, the largest contribution of a row first, as `CELLS` names them."""
        return [
            [row.row, output, row.prediction, row.base, item.column, item.value, item.amount, item.error]
            for output, row in zip(self.outputs, self.rows, strict=True)
            for item in row.largest(len(row.contributions))
        ]


def explain_rows(
    app: App,
    record: RunRecord,
    file: "str | pd.DataFrame | None",
    rows: Sequence[int],
    label: str | None,
    trust: Sequence[str] = (),
) -> ExplainedRows:
    """Explain the rows of a file or a data frame, or rows of the run's own table by their numbers.

    The run's table is loaded again, because the background is a sample of its train rows.

    Parameters
    ----------
    label
        The class whose probability is explained; None for the predicted one.

    Raises
    ------
    RuntreeError
        The run has no model, its table has changed, a row or class does not exist, or there are too many rows.
    """
    # a contribution of a value that cannot be read would be one of a hole
    predictor = replace(app.load_predictor(record, trust), lenient="")
    config = read_run_config(record)
    table = load(config, app.allow_list(TypedWords(trusted=tuple(trust))))
    # with another table, row numbers mean other rows, and the background is not what the model has seen
    if table.fingerprint != record.fingerprints.get("data"):
        raise DataError(f"{record.id}: its table has changed since the run", "explain a run trained on the new table")
    selected = _rows_of_file(predictor, file) if file is not None else _rows_of_table(table, rows)
    if len(selected) > MAX_ROWS:
        raise RequestError(
            f"{len(selected)} rows: at most {MAX_ROWS} are explained at a time", "name fewer, or a shorter file"
        )
    checked = predictor.select_columns(selected)
    codes = _class_codes(predictor, checked, label)
    seed = int(config["seed"])
    background = _sample_background(record, table, seed)
    explanations = [
        explain_row(
            _output_function(predictor, code),
            _cast_row(checked.iloc[[position]], background),
            int(number),
            background,
            seed,
        )
        for position, (number, code) in enumerate(zip(selected.index, codes, strict=True))
    ]
    labels = (None if code is None else predictor.classes[code] for code in codes)
    outputs = (output_name(label, hasattr(predictor.model, "predict_proba")) for label in labels)
    return ExplainedRows(tuple(outputs), tuple(explanations))


def read_run_config(record: RunRecord) -> Mapping[str, Any]:
    """Return the config of a run, as it was written."""
    import yaml

    try:
        # the run may be anyone's: by the reader that refuses what would become too large
        config = load_yaml(RunReader(record.folder).read_config().encode())
    except (ValueError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict) or "data" not in config:
        raise NotFoundError(f"{record.id}: cannot read its config.yaml")
    return config


def _rows_of_file(predictor: Predictor, file: "str | pd.DataFrame") -> "pd.DataFrame":
    if not isinstance(file, str):
        return file.reset_index(drop=True)
    # one row more than allowed is enough to refuse a file
    rows = next(batches(file, predictor, (), MAX_ROWS + 1), None)
    if rows is None or rows.empty:
        raise DataError(f"{file}: the file has no rows")
    return rows.reset_index(drop=True)


def _rows_of_table(table: Table, rows: Sequence[int]) -> "pd.DataFrame":
    last = len(table.features) - 1
    for row in rows:
        if not 0 <= row <= last:
            raise RequestError(f"--row {row}: the table has the rows 0 to {last}")
    return table.features.iloc[list(rows)]


def _class_codes(predictor: Predictor, rows: "pd.DataFrame", label: str | None) -> list[int | None]:
    """Return for each row the code of the class whose probability is explained; None for a regression."""
    names = [str(name) for name in predictor.classes]
    if not names:
        if label is not None:
            raise RequestError(f"--class {label}: the run is a regression, and has no classes")
        return [None] * len(rows)
    if label is None:
        return [names.index(str(predicted)) for predicted in predictor.predict(rows)["prediction"]]
    if label not in names:
        raise unknown("class", label, names)
    return [names.index(label)] * len(rows)


def trained_rows(record: RunRecord, table: Table) -> Any:
    """Return the positions of the rows that the model was fitted on, in the run's table."""
    import pandas as pd

    predictions = pd.read_parquet(plain_source(RunFolder(record.folder).predictions), columns=["row", "part"])
    rows = predictions["row"][predictions["part"] == "train"].to_numpy()
    if not len(rows):  # under cross-validation the train rows are those that the folds were scored on
        rows = predictions["row"][predictions["part"] != "test"].unique()
    return table.find_rows(rows)[1]


def _sample_background(record: RunRecord, table: Table, seed: int) -> "pd.DataFrame":
    """Return a sample of the rows that the model was fitted on."""
    import numpy as np

    # a permutation and not `choice`: fewer rows than BACKGROUND_ROWS are taken whole, in the same call
    chosen = np.random.default_rng(seed).permutation(trained_rows(record, table))[:BACKGROUND_ROWS]
    return table.features.iloc[np.sort(chosen)].reset_index(drop=True)


def _cast_row(row: "pd.DataFrame", background: "pd.DataFrame") -> "pd.DataFrame":
    try:
        # a single row of a CSV file is read with other types than the column of the table: 1 for 1.0, text for a
        # category
        return row.astype(background.dtypes)
    except (ValueError, TypeError) as error:
        raise DataError(f"row {row.index[0]} does not have the types of the training data: {error}") from None


def _output_function(predictor: Predictor, code: int | None) -> "Callable[[pd.DataFrame], Any]":
    import numpy as np

    def predict(rows: "pd.DataFrame") -> Any:
        truth = np.zeros(len(rows), dtype=int)  # unknown, and not used
        return expected_output(predict_rows(predictor.model, rows, truth, predictor.classes, True))[:, code or 0]

    return predict
