"""The rows that are watched: of a file, or of the prediction log of a service; with labels that may come later."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.evaluate import EvaluationRequest, with_overrides
from runtree.config.allowlist import AllowList
from runtree.contract.commands import override_key
from runtree.contract.errors import DataError, NotFoundError, RequestError, unknown
from runtree.contract.predictions import Predictions
from runtree.contract.types import RunRecord
from runtree.lifecycle.labelled_rows import encode_known, predict_labelled, read_new_rows
from runtree.lifecycle.predict import Predictor, RowCounts, row_notes
from runtree.monitoring.drift import WatchedRows
from runtree.monitoring.options import TRUTHS, MonitorOptions
from runtree.monitoring.reference import output_columns
from runtree.records.model_versions import registered_in
from runtree.records.prediction_labels import ANSWERS
from runtree.records.prediction_reader import OVERRIDE as OVERRIDDEN
from runtree.records.prediction_reader import TRUTH, LogFiles, read_prediction_log

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

DEFAULT_FOLDER, DEFAULT_LOG = "monitoring", "predictions"
INPUT, PREDICTED, PROBABILITY = "inputs.", "outputs.prediction", "outputs.probabilities."
OVERRIDE, BY_PEOPLE = "outputs.override", "outputs.by_people"  # what a person decided; whether it is the label
OF_LOG = ("request_id", "time", "seconds", "route")  # further columns of a log, for windows and KPIs
LOG = "log."  # in front of such a column where an input, or the target, has its name


@dataclass(frozen=True)
class MonitorRequest:
    """What is watched.

    Attributes
    ----------
    reference
        The run as it was typed: ``models:/churn@champion``.
    file
        The rows; None for those in the prediction log at `log`, from the moment `since` on.
    labels, key
        A file of targets, and the column by which its rows are found; None: the target is among the rows, if at all.
    overrides
        Keys of `monitor`, and those of `data` that differ from the run's.
    output
        The folder that holds a folder for each model.
    is_watching
        Whether it is one of several looks: then alerts go to the console, too.
    until, opened
        The end of the part of a log that is read, and the log, where it is read in several parts.
    """

    record: RunRecord
    reference: str
    file: str | None = None
    labels: str | None = None
    key: str | None = None
    overrides: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    log: str = DEFAULT_LOG
    since: str = ""
    output: Path = Path(DEFAULT_FOLDER)
    is_watching: bool = False
    until: str = ""
    opened: LogFiles | None = None


@dataclass(frozen=True)
class NewRows:
    """The rows of all windows: as they were read, as the model gets them, and what it predicts of them.

    `time` is their time column where the source has one of its own, `absent` are inputs that it does not have;
    `traffic` are all answers of the model in a log, errors among them, see `measure_traffic`; `overrides` what a person
    decided instead of each prediction there, as text, None where nobody did.
    """

    raw: "pd.DataFrame"
    inputs: "pd.DataFrame"
    predictions: Predictions
    labelled: "Array"
    target: str
    time: str | None = None
    absent: tuple[str, ...] = ()
    traffic: "pd.DataFrame | None" = None
    overrides: "pd.Series[Any] | None" = None

    def watched(self, rows: "Array", columns: Collection[str]) -> WatchedRows:
        """Return some rows, as drift is looked for in them."""
        import pandas as pd

        from runtree.tables.table import to_texts

        outputs = output_columns(
            self.predictions.take(rows), self.raw.index.to_numpy()[rows], self.target, self.labelled[rows]
        )
        strange = self.is_strange[rows]
        if strange.any():  # a label that is no class is a new category of the target
            truth = outputs[self.target] if self.target in outputs else pd.Series(None, outputs.index, dtype="object")
            outputs[self.target] = truth.mask(strange, to_texts(self.raw[self.target].iloc[rows]))
        return WatchedRows(self.inputs[list(columns)].iloc[rows], outputs, self.raw.iloc[rows])

    @property
    def is_strange(self) -> "Array":
        """Which rows have a label that is no class of the model."""
        import numpy as np

        if not self.predictions.classes or self.target not in self.raw.columns:
            return np.zeros(len(self.raw), dtype=bool)
        strange: Array = self.raw[self.target].notna().to_numpy() & ~self.labelled
        return strange

    def for_kpis(self) -> "pd.DataFrame":
        """Return the rows as expressions read them: with y_pred, y_true and p_<class>."""
        import pandas as pd

        own = self.predictions.frame(self.raw.index.to_numpy(), "new").drop(columns=["row", "part"])
        own["y_true"] = own["y_true"].where(pd.Series(self.labelled, index=own.index))
        own.index = self.raw.index
        return pd.concat([self.raw.drop(columns=own.columns, errors="ignore"), own], axis=1)


def read_rows(
    app: App,
    request: MonitorRequest,
    own: Mapping[str, Any],
    predictor: Predictor,
    trust: AllowList,
    options: MonitorOptions,
) -> tuple[NewRows, list[str]]:
    """Return the rows of a request, and notes on them.

    Raises
    ------
    RuntreeError
        They cannot be read, do not fit the model, or there are none.
    """
    words = tuple(text for text in request.overrides if override_key(text).partition(".")[0] == "data")
    target = str(own["data"]["target"])
    if request.file is not None:
        for name, is_typed in (("--since", bool(request.since)), ("--log", request.log != DEFAULT_LOG)):
            if is_typed:
                raise RequestError(f"{name} is of the prediction log, and --data names other rows", f"leave out {name}")
    if (request.labels is None) != (request.key is None):
        raise RequestError("--labels and --key belong together", "type: --labels FILE --key COLUMN")
    config, logged, outputs, traffic = dict(own), None, None, None
    notes: list[str] = []
    if request.file is not None or request.labels is not None:
        file = request.file if request.file is not None else request.labels
        config = with_overrides(app, EvaluationRequest(request.record, file, words, request.trusted), own)
        target = str(config["data"]["target"])
    if request.file is None:
        logged, outputs, traffic = read_log(request, target, options.labels)
        raw = logged
        if options.labels != TRUTHS and (decided := int(outputs[BY_PEOPLE].sum())):
            notes.append(f"{decided:,} labels are what people decided: they chose the rows, which are no random sample")
    else:
        raw = read_new_rows(config, predictor, trust).reset_index(drop=True)
    if request.labels is not None and request.key is not None:
        node = {**config["data"], "path": request.labels, "format": "auto", "join": [], "parts": {}}
        truths = read_new_rows({**config, "data": node}, predictor, trust)
        raw = raw.assign(**{target: join_labels(raw, truths, request.key, target)})
        notes.append(f"{int(raw[target].notna().sum()):,} of {len(raw):,} rows found their label by '{request.key}'")
    absent: tuple[str, ...] = ()
    if logged is not None:
        # what a log leaves out, since it is sensitive, is no missing value
        absent = tuple(name for name in predictor.columns if name not in logged.columns)
        notes += [f"not in the log, and not compared: {', '.join(absent)}"] if absent else []
        predictor = replace(predictor, columns={n: c for n, c in predictor.columns.items() if n not in absent})
    counts = RowCounts()
    inputs = predictor.select_columns(raw, counts)
    notes += row_notes(predictor, counts)
    y_true, labelled = _read_truth(raw, target, predictor, str(config["data"].get("decimal", predictor.csv.decimal)))
    if target in raw.columns and (strange := raw[target].notna().to_numpy() & ~labelled).any():
        kind = "class of the model" if predictor.classes else "number"
        notes.append(
            f"{int(strange.sum()):,} labels are no {kind}, such as {str(raw[target][strange].iloc[0])!r}: "
            "they do not count for the quality"
        )
    # where every value could be read as a number, the schema has nothing to tell, however the file writes numbers
    read = [name for name in predictor.columns if name in raw.columns and name not in counts.unreadable]
    numbers = {name: inputs[name] for name in read if predictor.columns[name].expects == "number"}
    if logged is None or outputs is None:
        return NewRows(
            raw.assign(**numbers), inputs, predict_labelled(predictor, inputs, y_true), labelled, target
        ), notes
    predictions = logged_predictions(outputs, y_true, predictor.classes)
    time = f"{LOG}time" if f"{LOG}time" in raw.columns else "time"
    overrides = outputs[OVERRIDE]
    return NewRows(
        raw.assign(**numbers), inputs, predictions, labelled, target, time, absent, traffic, overrides
    ), notes


def read_log(
    request: MonitorRequest, target: str, labels: str = TRUTHS
) -> "tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]":
    """Return the answers of the model in a prediction log, with their labels as the target; its outputs; its traffic.

    Parameters
    ----------
    labels
        Whether overrides are labels, too: the option `monitor.labels`.

    Raises
    ------
    NotFoundError
        There is no log, or no answer of this version in it.
    """
    import pandas as pd
    import pyarrow as pa

    model, version = answered_by(request)
    frames, traffic, others = [], [], dict[str, int]()
    try:
        log = request.opened
        batches = log.batches(None, request.since, request.until) if log else None
        for batch in batches or read_prediction_log(request.log, since=request.since):
            frame = pa.Table.from_batches([batch]).to_pandas()
            own = (frame["model"] == model) & are_answers(frame, version)
            names = (
                frame["model"]
                + " "
                + frame["version"].astype(str)
                + has_prediction(frame).map({True: "", False: " refused"})
            )
            for name, count in names[~own].value_counts().items():
                others[str(name)] = others.get(str(name), 0) + int(count)
            frames.append(frame[own])
            all_own = frame[frame["model"] == model]
            error = all_own["outputs.error"].notna() if "outputs.error" in frame else ~has_prediction(all_own)
            traffic.append(all_own[["time", "version", "route", "seconds"]].assign(error=error))
    except NotFoundError as error:
        raise NotFoundError(error.message, *error.hints, "or name the rows: --data FILE") from None
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if rows.empty:
        found = ", ".join(f"{name} ({count:,} rows)" for name, count in others.items())
        raise NotFoundError(
            f"{request.log}: no answer of {model} {version or ''}".rstrip(),
            found and f"it holds {found}",
        )
    if labels == TRUTHS:
        rows["label"] = rows["label"].where(rows["label_source"] == TRUTH)
    outputs = rows[[name for name in rows.columns if name.startswith("outputs.")]]
    outputs = outputs.assign(**{OVERRIDE: rows["override"], BY_PEOPLE: rows["label_source"] == OVERRIDDEN})
    names = name_log_columns(list(rows.columns), target)
    return rows[list(names)].rename(columns=names), outputs, pd.concat(traffic, ignore_index=True)


def has_prediction(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Return which rows of a log were predicted; its files have no such column where each row was refused."""
    import pandas as pd

    return frame[PREDICTED].notna() if PREDICTED in frame else pd.Series(False, index=frame.index)


def are_answers(frame: "pd.DataFrame", version: str | None) -> "pd.Series[bool]":
    """Return which rows of a log clients got a prediction for, by a version; None: by any."""
    own = frame["route"].isin(ANSWERS) & has_prediction(frame)
    return own if version is None else own & (frame["version"].astype(str) == version)


def answered_by(request: MonitorRequest) -> tuple[str, str | None]:
    """Return the model and the version whose answers are watched, as a log has them; None: all that the model gave."""
    registered = registered_in(request.record.folder)
    return (registered.name, request.record.folder.name) if registered else (request.record.id, None)


def name_log_columns(columns: Sequence[str], target: str) -> dict[str, str]:
    """Return the columns of a log that rows consist of, each with its name there.

    Inputs and target have the names that the model knows them by. A further column of the log whose name one of them
    has is named ``log.time``, for example.
    """
    names = {name: name.removeprefix(INPUT) for name in columns if name.startswith(INPUT)}
    names |= {"label": target}
    taken = set(names.values())
    return names | {name: f"{LOG}{name}" if name in taken else name for name in columns if name in OF_LOG}


def logged_predictions(rows: "pd.DataFrame", y_true: "Array", classes: tuple[Any, ...]) -> Predictions:
    """Return the predictions that a log holds.

    Raises
    ------
    DataError
        One of them is of no class of the model.
    """

    if not classes:
        return Predictions(y_true, rows[PREDICTED].to_numpy(dtype=float), None, ())
    y_pred = encode_known(rows[PREDICTED], classes)
    if (y_pred < 0).any():
        raise DataError(f"the log holds the prediction {rows[PREDICTED][y_pred < 0].iloc[0]!r}, which is no class here")
    names = [f"{PROBABILITY}{label}" for label in classes]
    known = all(name in rows.columns and rows[name].notna().all() for name in names)
    return Predictions(y_true, y_pred, rows[names].to_numpy(dtype=float) if known else None, classes)


def join_labels(rows: "pd.DataFrame", truths: "pd.DataFrame", key: str, target: str) -> "pd.Series[Any]":
    """Return the target of each row, missing where the labels hold none for its key.

    Raises
    ------
    DataError
        A column is missing, a key has several labels, or no key is in both.
    """
    import pandas as pd

    from runtree.tables.table import to_texts

    for where, frame, names in (("--data", rows, [key]), ("--labels", truths, [key, target])):
        for name in names:
            if name not in frame.columns:
                raise unknown(f"column of {where}:", name, map(str, frame.columns), error=DataError)
    known = truths[truths[key].notna() & truths[target].notna()]
    # by text form: one file may hold the keys as numbers, and the other as text
    labels = pd.Series(known[target].to_numpy(), index=to_texts(known[key]))
    different = labels.groupby(level=0).nunique()
    if (different > 1).any():
        example = different.index[different > 1][0]
        raise DataError(
            f"--labels: {int((different > 1).sum()):,} keys have several labels, such as {key} '{example}'",
            "keep one row for each key",
        )
    labels = labels[~labels.index.duplicated()]
    found = labels.reindex(to_texts(rows[key]).tolist())
    if not found.notna().any():
        raise DataError(
            f"--labels: no '{key}' of the labels is among the rows",
            f"rows: {rows[key].iloc[0]!r}, …; labels: {truths[key].iloc[0]!r}, …",
        )
    return pd.Series(found.to_numpy(), index=rows.index, name=target).where(rows[key].notna())


def _read_truth(raw: "pd.DataFrame", target: str, predictor: Predictor, decimal: str) -> "tuple[Array, Array]":
    """Return the encoded target, and which rows have one that the model knows."""
    import numpy as np

    from runtree.tables.declared import as_numbers, read_as

    if target not in raw.columns:
        known = np.zeros(len(raw), dtype=bool)
        return (np.zeros(len(raw), dtype=np.int64) if predictor.classes else np.zeros(len(raw))), known
    column, declared = raw[target], predictor.reading.types.get(target)
    if declared is not None:
        column, _ = read_as(column, declared, decimal)
    if predictor.classes:
        codes = encode_known(column, predictor.classes)
        return np.maximum(codes, 0), codes >= 0
    values = as_numbers(column, decimal).to_numpy(dtype=float, na_value=np.nan)
    return np.nan_to_num(values), np.isfinite(values)
