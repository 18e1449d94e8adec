"""The stages save and report: the model with its description, and the page `report.html`."""

import logging
import shutil
from typing import TYPE_CHECKING, Any

from runtree.contract.errors import RunFailedError, first_line, raise_if_ours
from runtree.contract.storage import naming
from runtree.lifecycle.outcome import final_record
from runtree.lifecycle.replay import check_saved_model
from runtree.lifecycle.sensitive import Protection
from runtree.lifecycle.table_options import table_options
from runtree.records.layout import RunFolder
from runtree.records.record import read_record
from runtree.records.writer import write_json
from runtree.reports.render import write_run_report
from runtree.training.active_run import ActiveRun
from runtree.training.decision import DECISION_KEY
from runtree.training.masking import without_secrets
from runtree.training.model_files import describe_libraries
from runtree.training.target import NONE, TARGET_KEY, target_kind

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

MAX_KEPT_CATEGORIES = 100  # of a column, in `model.json`


def save(run: ActiveRun) -> None:
    """Write the model in the first format that a plugin or runtree supports for it, and `model.json` beside it.

    Then the files are loaded again: a model that does not come back the same fails the run.
    """
    folder = RunFolder(run.folder)
    folder.model.mkdir()
    # plugins are called before runtree's own hook, so that a plugin can save its own estimators in its own format
    try:
        with without_secrets(run.model), naming(folder.model):
            format_name = run.hooks.first("save_model", model=run.model, folder=folder.model)
    except Exception:
        # half a file is of no use, and on a full disk it takes the room that the record needs
        shutil.rmtree(folder.model, ignore_errors=True)
        raise
    if format_name is None:
        raise RunFailedError(f"no plugin can save a {type(run.model).__name__}")
    description: dict[str, Any] = {"format": format_name, "task": run.data.task}
    if DECISION_KEY in run.metadata:
        description[DECISION_KEY] = run.metadata[DECISION_KEY]
    if (kind := target_kind(run)) != NONE:
        description[TARGET_KEY] = kind
    description |= {
        "classes": list(run.data.classes),
        "columns": describe_columns(run),
        "target": str(run.data.target.name),
        "reading": describe_reading(run),
        **({"sensitive": protection.describe()} if (protection := _protection(run)).ways else {}),
        **({"schema": run.config.to_dict()["schema"]} if set(run.config.get("schema") or ()) - {"name"} else {}),
        "plugins": run.contributors.of_model(run.config.to_dict()),
        "libraries": describe_libraries(run.model, run.contributors.packages),
    }
    # last: a folder without it is not taken for a model
    write_json(folder.model / "model.json", description)
    try:
        check_saved_model(run, folder.model)
    except RunFailedError:
        (folder.model / "model.json").unlink()  # the weights may be of use to someone who mends the code
        raise


def _protection(run: ActiveRun) -> Protection:
    return table_options(run.config.to_dict()["data"]).protection


def describe_columns(run: ActiveRun) -> list[dict[str, Any]]:
    """Return for each column what later rows must hold: its type, what the preprocessing reads, what training saw."""
    preprocess: Any = run.model[0] if hasattr(run.model, "steps") else None
    kinds = preprocess.column_kinds() if hasattr(preprocess, "column_kinds") else {}
    train = run.data.features.iloc[run.split.train]
    return [
        {
            "name": str(name),
            "dtype": str(column.dtype),
            "missing": float(column.isna().mean()),
            **(
                {"strays": list(decision.strays)}
                if (decision := run.data.decided.get(str(name))) and decision.strays
                else {}
            ),
            **dict(zip(("kind", "detail"), (read := kinds.get(str(name), ())), strict=False)),
            **seen_values(train[name], *read),
        }
        for name, column in run.data.features.items()
    ]


def seen_values(column: "pd.Series[Any]", kind: str = "", detail: str = "") -> dict[str, Any]:
    """Return what a column of the train split held: the range of numbers and dates, few categories, a typical value.

    `kind` and `detail` say how the preprocessing reads it, such as a date in a format. Of texts and of many categories
    nothing is kept: they may name people.
    """
    from pandas.api import types

    known = column.dropna()
    if known.empty:
        return {}
    if types.is_bool_dtype(known.dtype):
        return {"values": [False, True], "typical": bool(known.mode().iloc[0])}
    if types.is_numeric_dtype(known.dtype) and not types.is_complex_dtype(known.dtype):
        # an observed value and not the mean of two: the median of whole numbers stays a whole number
        typical = known.quantile(0.5, interpolation="lower")
        return {"low": known.min(), "high": known.max(), "typical": typical}
    if types.is_datetime64_any_dtype(known.dtype):
        ends: list[Any] = [known.min(), known.max(), known.quantile(0.5, interpolation="lower")]
        return dict(zip(("low", "high", "typical"), (moment.isoformat() for moment in ends), strict=True))
    texts = known[known.map(lambda value: isinstance(value, str))]
    if len(texts) < len(known):
        return {}
    if kind == "date":
        return _seen_dates(texts, detail)
    counts = texts.value_counts()
    return {"values": list(counts.index), "typical": counts.index[0]} if len(counts) <= MAX_KEPT_CATEGORIES else {}


def _seen_dates(texts: "pd.Series[Any]", date_format: str) -> dict[str, Any]:
    import numpy as np

    from runtree.tables.dates import parse_dates

    codes, different = texts.factorize()
    dates = parse_dates([str(text) for text in different], date_format)[codes]
    order = np.argsort(dates)[: np.count_nonzero(~np.isnat(dates))]  # what is no date is sorted last
    if not order.size:
        return {}
    low, high = (dates[order[place]].item().isoformat() for place in (0, -1))
    return {"low": low, "high": high, "typical": texts.iloc[order[(len(order) - 1) // 2]]}


def describe_reading(run: ActiveRun) -> dict[str, Any]:
    """Return how the table was read, so that later rows are read in the same way."""
    node = run.config.to_dict()["data"]
    given = {key: node[key] for key in ("separator", "decimal", "encoding", "thousands", "sheet") if key in node}
    # where they are auto, what was found in the table's first file
    found = {key: source[key] for source in run.data.sources[:1] for key in ("separator", "encoding") if key in source}
    return {**given, **found, "types": dict(run.data.types), "missing": list(table_options(node).reading.missing)}


def report(run: ActiveRun) -> None:
    """Write `report.html` if `evaluator.report` is true.

    An error is a warning only: the model is saved by now, and the page can be made again from the files of the run.
    """
    if not run.config.evaluator.get("report", False):
        return
    # the record on disk still says "running", as this is a stage of the run; the page shows the state that follows
    record = read_record(RunFolder(run.folder))
    try:
        seconds = record.seconds or sum(run.stage_seconds.values())
        write_run_report(final_record(record, run, seconds, "completed"))
    except BaseException as error:
        raise_if_ours(error)
        log.warning("report.html is left out: %s: %s", type(error).__name__, first_line(error))
        log.debug("", exc_info=error)
