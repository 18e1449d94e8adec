"""The gate of an export: the model in ONNX predicts what the pipeline predicts, or there is no file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from runtree.contract.errors import GateError, first_line
from runtree.lifecycle.predict import PREDICTION, Predictor
from runtree.packaging.onnx_estimators import (
    NO_CONVERTER,
    PRECISIONS,
    TEXT,
    TYPE_NAMES,
    Precision,
    convert,
    date_formats,
)
from runtree.tables.dates import read_dates
from runtree.tables.numbers import to_numbers
from runtree.tables.table import to_texts

if TYPE_CHECKING:
    import pandas as pd
    from onnx import ModelProto

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-5  # of probabilities; of a regression in standard deviations of its predictions
MAX_ROWS = 10_000
STANDARDISE = "single precision has more digits of a target near zero: train again with target.transform=standard"
KEY = "runtree"  # before the names of metadata in the file


@dataclass(frozen=True)
class Parity:
    """How a model in ONNX predicts, beside the pipeline.

    Attributes
    ----------
    labels_equal
        The share of rows with the same label; None of a regression.
    difference
        The largest difference of a probability; of a regression, of a prediction in standard deviations of them all, or
        in its distance from their mean, if that is larger: single precision has as many digits of a large value as of
        a small one. None if there are no probabilities.
    fault
        Why the model is refused; empty if it is not.
    """

    precision: Precision
    labels_equal: float | None = None
    difference: float | None = None
    fault: str = ""
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnnxExport:
    """A model, and how each way to convert it went, the last one accepted; None if none was."""

    model: "ModelProto | None"
    tried: tuple[Parity, ...] = field(default=())


def export(predictor: Predictor, rows: "pd.DataFrame") -> OnnxExport:
    """Convert a pipeline with double, then with single precision, until one predicts the same on rows.

    Parameters
    ----------
    rows
        The columns of the model, as `Predictor.select_columns` returns them.
    """
    expected = predictor.predict(rows)
    tried: list[Parity] = []
    for precision in PRECISIONS:
        try:
            model = convert(predictor.model, predictor.classes, precision)
            outputs = _run(model, rows, date_formats(predictor.model))
        except GateError as error:
            tried.append(Parity(precision, fault=error.message, hints=error.hints))
            continue
        except Exception as error:  # the runtime has no class of its own for what it cannot compute
            tried.append(Parity(precision, fault=f"algorithm: {first_line(error)[:200]}", hints=(NO_CONVERTER,)))
            continue
        tried.append(_compare(precision, predictor.classes, expected, outputs))
        if not tried[-1].fault:
            return OnnxExport(model, tuple(tried))
    return OnnxExport(None, tuple(tried))


def make_session(model: "ModelProto | bytes") -> Any:
    """Return the runtime of a model, in one thread and without its warnings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def make_feeds(inputs: Mapping[str, str], rows: "pd.DataFrame", dates: Mapping[str, str]) -> dict[str, Array]:
    """Return rows as the inputs of a model: numbers with NaN for missing ones, texts with empty ones, dates in seconds.

    Parameters
    ----------
    dates
        The formats of the columns of dates.
    """
    feeds: dict[str, Array] = {}
    for name, kind in inputs.items():
        if name in dates:
            feeds[name] = _seconds(read_dates(rows[name], dates[name]))[:, None]
        else:
            feeds[name] = to_texts(rows[name])[:, None] if kind == "string" else to_numbers(rows[[name]])
    return feeds


def _seconds(dates: "pd.DatetimeIndex") -> Array:
    microseconds = dates.as_unit("us").asi8.astype(np.float64)
    return np.where(dates.isna(), np.nan, microseconds / 1e6)


def _run(model: "ModelProto", rows: "pd.DataFrame", dates: Mapping[str, str]) -> dict[str, Array]:
    session = make_session(model)
    kinds = {one.name: one.type.tensor_type.elem_type for one in model.graph.input}
    feeds = make_feeds({name: "string" if kind == TEXT else "double" for name, kind in kinds.items()}, rows, dates)
    names = [one.name for one in session.get_outputs()]
    return dict(zip((name.removesuffix("_of_model") for name in names), session.run(None, feeds), strict=True))


def _compare(
    precision: Precision, classes: tuple[Any, ...], expected: "pd.DataFrame", outputs: Mapping[str, Array]
) -> Parity:
    if not classes:
        values = expected[PREDICTION].to_numpy(dtype=float)
        scale = np.maximum(np.abs(values - values.mean()), values.std() or np.abs(values).max() or 1.0)
        largest = _largest(outputs["prediction"] / scale, values / scale)
        if not _too_large(largest):
            return Parity(precision, None, largest)
        hints = (STANDARDISE,) if precision == PRECISIONS[-1] else ()
        return Parity(precision, None, largest, f"a prediction differs by {largest:.2g} standard deviations", hints)
    equal = float(np.mean(outputs["label"] == expected[PREDICTION].to_numpy()))
    names = [f"p_{label}" for label in classes]
    difference: float | None = None
    if "probabilities" in outputs:
        difference = _largest(outputs["probabilities"], expected[names].to_numpy(dtype=float))
    faults = [f"{1 - equal:.3%} of the labels differ"] if equal < 1 else []
    faults += (
        [f"a probability differs by {difference:.2g}"] if difference is not None and _too_large(difference) else []
    )
    return Parity(precision, equal, difference, " and ".join(faults))


def _largest(values: Array, expected: Array) -> float:
    if values.shape != expected.shape:
        return float("inf")
    differences = np.abs(values - expected)
    differences[np.isnan(values) & np.isnan(expected)] = 0.0
    return float(differences.max(initial=0.0))


def _too_large(difference: float) -> bool:
    return not difference <= TOLERANCE  # NaN too


def describe_signature(model: "ModelProto") -> dict[str, dict[str, str]]:
    """Return the types of inputs and outputs by name."""
    sides = {"inputs": model.graph.input, "outputs": model.graph.output}
    return {
        side: {one.name: TYPE_NAMES[one.type.tensor_type.elem_type] for one in values} for side, values in sides.items()
    }


def add_metadata(model: "ModelProto", facts: Mapping[str, Any]) -> None:
    """Write facts into a model, as text or as JSON, each under ``runtree.NAME``."""
    for name, value in facts.items():
        if value is not None:
            entry = model.metadata_props.add()
            entry.key = f"{KEY}.{name}"
            entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def describe_tried(tried: tuple[Parity, ...]) -> list[dict[str, Any]]:
    """Return how each way to convert went, as a report shows it."""
    return [{key: value for key, value in asdict(one).items() if key != "hints"} for one in tried]
