"""Rows explained by a run's model: its table is loaded anew, for the rows it learnt from are the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.contract.errors import DataError, NotFoundError, RequestError, unknown
from runtree.contract.types import RunRecord, Table
from runtree.evaluation.importance import expected_output, predict_rows
from runtree.evaluation.shapley import RowExplanation, explain_row
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import Predictor, batches, load_predictor
from runtree.records.artifacts import whole_config
from runtree.records.layout import RunFolder

if TYPE_CHECKING:
    import pandas as pd

MOST = 20  # rows of one request
BACKGROUND = 500  # rows


@dataclass(frozen=True)
class ExplainedRows:
    """The rows, each taken apart; `of` says what the answers are: ``chance of yes``, or ``prediction``."""

    of: tuple[str, ...]
    rows: tuple[RowExplanation, ...]


def explain_rows(
    app: App, record: RunRecord, file: Path | None, rows: Sequence[int], label: str | None, trust: Sequence[str] = ()
) -> ExplainedRows:
    """Explain rows of a file, or of the run's own table by their numbers.

    Parameters
    ----------
    label
        The class whose chance is explained; None: the one that is predicted.

    Raises
    ------
    RuntreeError
        The run has no model, its table is not what it was, a row or a class is not there, or too many rows are asked.
    """
    predictor = load_predictor(RunFolder(record.folder), app.plugins, app.plugins.trusted_types(tuple(trust)))
    config = _config(record)
    table = load(config, app.allow_list(record.overrides))
    if table.fingerprint != record.fingerprints.get("data"):
        raise DataError(
            f"{record.id}: its table is not what it was", "explain a run that was trained on it as it is now"
        )
    wanted = _of_file(predictor, file) if file is not None else _of_table(table, rows)
    if len(wanted) > MOST:
        raise RequestError(
            f"{len(wanted)} rows: at most {MOST} are explained at a time", "name fewer, or a shorter file"
        )
    codes = _classes(predictor, predictor.checked(wanted), label)
    background = _background(record, table, int(config["seed"]))
    found = []
    for position, (number, code) in enumerate(zip(wanted.index, codes, strict=True)):
        row = _as_learnt(predictor.checked(wanted).iloc[[position]], background)
        found.append(explain_row(_ask(predictor, code), row, int(number), background, int(config["seed"])))
    return ExplainedRows(tuple(_named(predictor, code) for code in codes), tuple(found))


def _config(record: RunRecord) -> Mapping[str, Any]:
    import yaml

    found = yaml.safe_load(whole_config(record))
    if not isinstance(found, dict) or "data" not in found:
        raise NotFoundError(f"{record.id}: its config.yaml cannot be read")
    return found


def _of_file(predictor: Predictor, file: Path) -> "pd.DataFrame":
    found = next(batches(file, predictor.columns, (), MOST + 1), None)
    if found is None or found.empty:
        raise DataError(f"{file}: the file has no rows")
    return found.reset_index(drop=True)


def _of_table(table: Table, rows: Sequence[int]) -> "pd.DataFrame":
    last = len(table.features) - 1
    for row in rows:
        if not 0 <= row <= last:
            raise RequestError(f"--row {row}: the table has the rows 0 to {last}")
    return table.features.iloc[list(rows)]


def _as_learnt(row: "pd.DataFrame", background: "pd.DataFrame") -> "pd.DataFrame":
    """Return a row in the types of the rows that were learnt from."""
    try:
        return row.astype(background.dtypes)
    except (ValueError, TypeError) as error:
        raise DataError(f"row {row.index[0]} is not of the types that the model was trained on: {error}") from None


def _background(record: RunRecord, table: Table, seed: int) -> "pd.DataFrame":
    """Return a sample of the rows that the model learnt from."""
    import numpy as np
    import pandas as pd

    known = pd.read_parquet(RunFolder(record.folder).predictions, columns=["row", "part"])
    learnt = known["row"][known["part"] == "train"].to_numpy()
    if not len(learnt):
        learnt = known["row"][known["part"] != "test"].unique()
    chosen = np.random.default_rng(seed).permutation(learnt)[:BACKGROUND]
    return table.features.iloc[np.sort(chosen)].reset_index(drop=True)


def _classes(predictor: Predictor, rows: "pd.DataFrame", label: str | None) -> list[int | None]:
    """Return for each row the code of the class whose chance is explained; None for a regression."""
    names = [str(name) for name in predictor.classes]
    if not names:
        if label is not None:
            raise RequestError(f"--class {label}: the run is a regression, and has no classes")
        return [None] * len(rows)
    if label is not None and label not in names:
        raise unknown("class", label, names)
    if label is not None:
        return [names.index(label)] * len(rows)
    return [names.index(str(found)) for found in predictor.predict(rows)["prediction"]]


def _ask(predictor: Predictor, code: int | None) -> Any:
    import numpy as np

    def ask(rows: "pd.DataFrame") -> Any:
        found = predict_rows(predictor.model, rows, np.zeros(len(rows), dtype=int), predictor.classes, True)
        return expected_output(found)[:, code or 0]

    return ask


def _named(predictor: Predictor, code: int | None) -> str:
    return "prediction" if code is None else f"chance of {predictor.classes[code]}"
