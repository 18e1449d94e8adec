"""Late truths and overrides of logged predictions: the lines in which they are kept, and the answers that they concern.

A truth is what came to be; an override is what a person decided instead of the model, before anybody knew.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError, RequestError
from runtree.records.layout import timestamp
from runtree.records.prediction_reader import OVERRIDE, read_prediction_log
from runtree.records.prediction_segments import (
    LABELS,
    LINES,
    ROLLED,
    LeftSegment,
    LogCounts,
    Segment,
    dump_entry,
    roll_left,
    write_parquet,
)
from runtree.records.sealed import MAX_HEADER_BYTES, Seal, SealHeader, SealKey, is_sealed

ANSWERS = ("primary", "canary")  # routes whose answers clients got
REQUEST = re.compile(r"(.*?)(?:/(\d{1,9}))?", re.DOTALL)
MAX_SHOWN_ROWS = 5
COLUMNS = ("request_id", "row", "time", "model", "version", "route", "outputs.prediction", "override")


@dataclass(frozen=True)
class LoggedAnswer:
    """The answer to one row of a request; `override` is the value as text that a person decided on last, or None."""

    request_id: str
    row: int
    model: str
    version: str
    prediction: Any
    override: str | None = None

    @property
    def name(self) -> str:
        """How it is named on a command line."""
        return f"{self.request_id}/{self.row}"

    @property
    def reference(self) -> str:
        """The model that gave it: ``churn/3`` of the registry, or the id of a run."""
        return self.model if self.version == "run" else f"{self.model}/{self.version}"


def label_lines(labels: Iterable[Mapping[str, Any]], by: str) -> list[bytes]:
    """Return the lines of labels, each with `request_id`, `label`, and perhaps `row`, `kind` and `reason`."""
    now = timestamp()
    return [
        dump_entry(
            {
                "request_id": str(item["request_id"]),
                "row": int(item.get("row", 0)),
                "label": json.dumps(item["label"]),
                "time": now,
                "by": by,
                **{name: item[name] for name in ("kind", "reason") if item.get(name)},
            }
        )
        for item in labels
    ]


def override_label(answer: LoggedAnswer, value: Any, reason: str) -> dict[str, Any]:
    """Return the label that an override is kept as."""
    place = {"request_id": answer.request_id, "row": answer.row}
    return {**place, "label": value, "kind": OVERRIDE, "reason": reason}


def add_labels(place: str, labels: Iterable[Mapping[str, Any]], by: str) -> None:
    """Add labels to a log from outside of a service, durably; sealed where the log is.

    Raises
    ------
    RuntreeError
        The log cannot be written to, or its key is not known.
    """
    lines = label_lines(labels, by)
    if "://" in place:
        from runtree.records.prediction_database import PredictionDatabase

        database = PredictionDatabase(place)
        try:
            database.store(
                LeftSegment(Path(LABELS, Segment.new_name()), lines, LogCounts(len(lines), len(lines)), None)
            )
        finally:
            database.close()
        return
    folder, key = Path(place, LABELS), _key_of_log(Path(place))
    try:
        segment = Segment(folder, key)
        with segment.lock:
            for _ in lines:
                segment.receive()
        try:
            segment.write(lines)
            segment.sync()
        finally:
            segment.release()
        roll_left(folder, write_parquet, key)
    except OSError as error:
        raise RequestError(f"{folder}: cannot be written to ({error.strerror})") from None


def _key_of_log(folder: Path) -> SealKey | None:
    """Return the key with which the newest file of a log is sealed, None if it is not."""
    files = sorted(file for ending in (LINES, ROLLED) for file in folder.glob(f"*{ending}"))
    for file in reversed(files):
        try:
            if not is_sealed(file):
                return None
            with file.open("rb") as content:
                header = SealHeader.read(content.readline(MAX_HEADER_BYTES), file)
        except FileNotFoundError:  # rolled in this moment
            continue
        return Seal.of(header, file, file.stem, None).key
    return None


def find_answer(place: str, request: str, model: str | None = None, key: SealKey | None = None) -> LoggedAnswer:
    """Return the answer that clients got to a row of a request: ``q1``, or ``q1/3`` where it had several rows.

    Parameters
    ----------
    model
        Whose answer it must be: ``churn``, ``churn/3`` or the id of a run; None for any.

    Raises
    ------
    NotFoundError
        There is no such request in the log, or no answer to that row.
    RequestError
        It had several rows, and none is named.
    """
    parts = REQUEST.fullmatch(request)
    assert parts is not None
    name, row = parts[1], parts[2]
    found: dict[int, LoggedAnswer] = {}
    for batch in read_prediction_log(place, COLUMNS, key=key, request_ids=[name]):
        for one in sorted(batch.to_pylist(), key=lambda item: item["time"]):
            facts = (str(one["model"]), str(one["version"]), one.get("outputs.prediction"), one.get("override"))
            answer = LoggedAnswer(name, int(one["row"]), *facts)
            known = one["route"] in ANSWERS and answer.prediction is not None
            if known and model in (None, answer.model, answer.reference):
                found[answer.row] = answer
    of = f" of {model}" if model else ""
    if not found:
        hint = "an id is in the answer of the service, as request_id and X-Request-ID"
        raise NotFoundError(f"{place}: no answer{of} to the request '{name}'", hint, "another log: --log PLACE")
    if row is None and len(found) > 1:
        names = [f"{name}/{number}" for number in sorted(found)]
        more = f", … {names[-1]}" if len(names) > MAX_SHOWN_ROWS else ""
        raise RequestError(
            f"the request '{name}' had {len(found):,} rows", f"name one: {', '.join(names[:MAX_SHOWN_ROWS])}{more}"
        )
    if row is not None and int(row) not in found:
        rows = f"rows {min(found)} to {max(found)}" if len(found) > 1 else f"row {min(found)}"
        raise NotFoundError(f"{place}: no answer{of} to row {row} of '{name}'", f"there are answers to {rows}")
    return found[int(row) if row is not None else min(found)]
