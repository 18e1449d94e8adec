"""`runtree export-model`: the model of a run as one file in ONNX, which predicts the same or is not written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.app.application import App
from runtree.app.explain import read_run_config, trained_rows
from runtree.config.provenance import TypedWords
from runtree.contract.commands import command
from runtree.contract.errors import DataError, MissingError, RequestError, RuntreeError, first_line
from runtree.contract.types import RunRecord
from runtree.lifecycle.load import load
from runtree.lifecycle.predict import Predictor
from runtree.lifecycle.predict_file import batches, replace_file
from runtree.records.model_versions import registered_in
from runtree.training.decision import DECISION_KEY
from runtree.training.target import TARGET_KEY

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
SUFFIX = ".onnx"
EXTRA = ("onnx", "skl2onnx", "onnxruntime")


@dataclass(frozen=True)
class ExportRequest:
    """What is exported.

    Attributes
    ----------
    output
        The file; None: ``NAME.onnx`` in the working directory.
    rows
        A file with rows to compare on; None: the training rows of the run, read again.
    """

    record: RunRecord
    output: Path | None = None
    rows: str | None = None
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportResult:
    """The report, and why the model was refused: a sentence and what to do, empty if it was not."""

    content: dict[str, Any]
    refused: tuple[str, ...] = ()


def export_onnx(app: App, request: ExportRequest) -> ExportResult:
    """Convert a model, compare it with the pipeline, and write it if it predicts the same.

    Raises
    ------
    RuntreeError
        The extra is not installed, the run has no model, its rows cannot be read, or the file cannot be written.
    """
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise MissingError(
            f"export-model: the package '{missing[0]}' is not installed", "install it: pip install 'runtree[onnx]'"
        )
    from runtree.packaging.onnx_estimators import date_formats
    from runtree.packaging.onnx_parity import TOLERANCE, add_metadata, describe_signature, describe_tried, export

    output = _output_file(request)
    record = request.record
    predictor = replace(app.load_predictor(record, request.trusted), refuse=False, schema=None)
    rows, source = _rows_to_compare(app, request, predictor)
    probes = _probe_rows(predictor)
    import pandas as pd

    exported = export(predictor, pd.concat([rows, probes], ignore_index=True) if len(probes) else rows)
    facts = _describe_model(record, predictor)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        **facts,
        "rows": {**source, "compared": len(rows), "probes": len(probes)},
        "tolerance": TOLERANCE,
        "tried": describe_tried(exported.tried),
        "file": None,
    }
    if exported.model is None:
        # one fault for all ways to convert, or that of the way that came nearest
        worst = [one for one in exported.tried if one.difference is not None or one.labels_equal is not None]
        chosen = min(worst, key=lambda one: one.difference or 0.0) if worst else exported.tried[-1]
        figures = f": {chosen.fault} (allowed: {TOLERANCE:g}), on {len(rows):,} rows" if worst else ""
        head = f"the model in ONNX does not predict what the pipeline predicts{figures}" if worst else chosen.fault
        return ExportResult(content, (head, *chosen.hints, "" if chosen.hints else "nothing was written"))
    content |= {**describe_signature(exported.model), "dates": date_formats(predictor.model)}
    accepted = exported.tried[-1]
    facts |= {"precision": accepted.precision, "compared": len(rows), "difference": accepted.difference}
    add_metadata(exported.model, {**facts, "dates": content["dates"] or None, **describe_signature(exported.model)})
    written = exported.model.SerializeToString()
    with replace_file(output) as draft:
        draft.write_bytes(written)
    content |= {"file": str(output), "bytes": len(written), "precision": accepted.precision}
    return ExportResult(content)


def _output_file(request: ExportRequest) -> Path:
    registered = registered_in(request.record.folder)
    name = registered.name if registered else request.record.id.replace("/", "-")
    output = request.output or Path(f"{name}{SUFFIX}")
    # before the rows are read, which may take long
    if output.suffix != SUFFIX:
        raise RequestError(f"-o {output}: the name of a model in ONNX ends in {SUFFIX}")
    if output.is_dir() or not output.absolute().parent.is_dir():
        there = "is a folder" if output.is_dir() else f"there is no folder {output.parent}"
        raise RequestError(f"-o {output}: {there}", f"name a file: -o {name}{SUFFIX}")
    return output


def _describe_model(record: RunRecord, predictor: Predictor) -> dict[str, Any]:
    registered = registered_in(record.folder)
    card: Mapping[str, Any] = predictor.card
    return {
        "run": record.id,
        "model": registered.name if registered else None,
        "version": int(record.folder.name) if registered else None,
        "algorithm": record.config.get("algorithm.name"),
        "task": card.get("task"),
        "target": card.get("target"),
        "classes": list(predictor.classes),
        "threshold": (card.get(DECISION_KEY) or {}).get("threshold"),
        "target_transform": card.get(TARGET_KEY),
        # the caller of the file hashes and masks: it has no key
        "sensitive": dict(predictor.protection.ways) if predictor.protection else None,
        "fingerprints": dict(record.fingerprints),
    }


def _rows_to_compare(app: App, request: ExportRequest, predictor: Predictor) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """Return rows of the run's train split, or of the file that is named, and where they come from."""
    import numpy as np

    from runtree.packaging.onnx_parity import MAX_ROWS

    if request.rows is not None:
        rows = next(batches(request.rows, predictor, (), MAX_ROWS), None)
        if rows is None or rows.empty:
            raise DataError(f"--rows {request.rows}: the file has no rows")
        return predictor.select_columns(rows), {"source": request.rows, "all": len(rows)}
    config = read_run_config(request.record)
    try:
        table = load(config, app.allow_list(TypedWords(trusted=request.trusted)))
        reason = "it has changed" if table.fingerprint != request.record.fingerprints.get("data") else ""
    except (RuntreeError, OSError, ValueError, KeyError) as error:
        reason = first_line(error)
    if reason:
        raise DataError(
            f"the table of the run, on which a model in ONNX is compared, cannot be read again: {reason}",
            f"compare on rows of a file: {command('export-model', request.record.id, '--onnx')} --rows FILE",
        )
    places = trained_rows(request.record, table)
    chosen = places if len(places) <= MAX_ROWS else np.sort(np.random.default_rng(0).permutation(places)[:MAX_ROWS])
    # by position, so that a table of ten million rows is not read as text and numbers first
    return predictor.select_columns(table.features.iloc[chosen]), {"source": "train", "all": len(places)}


def _probe_rows(predictor: Predictor) -> "pd.DataFrame":
    """Return rows of all kinds: both ends of each range, categories that training has not seen, missing values."""
    from runtree.serving.fast_path import probe_rows, to_table
    from runtree.serving.row_schema import make_schema
    from runtree.serving.settings import PolicyOptions

    schema = make_schema(predictor, {}, PolicyOptions())
    return predictor.select_columns(to_table(schema, probe_rows(schema)))
