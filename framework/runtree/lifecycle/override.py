"""A person decides instead of a model: one answer of a service is overridden, with a reason, and audited."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.contract.errors import RequestError, unknown
from runtree.lifecycle.labelled_rows import encode_known
from runtree.lifecycle.target import as_text
from runtree.records.model_log import audit
from runtree.records.prediction_labels import LoggedAnswer, override_label
from runtree.records.prediction_reader import plain_label
from runtree.tables.numbers import parse_number

Write = Callable[[Sequence[Mapping[str, Any]]], object]


def override_answer(
    answer: LoggedAnswer, value: Any, classes: Sequence[Any], by: str, reason: str, registry: Path | None, write: Write
) -> tuple[Any, bool]:
    """Override an answer; return the value, and whether it is another one than was decided before.

    The prediction itself may be the value: a person confirms it.

    Parameters
    ----------
    registry
        The folder whose audit log gets a line, before the value counts; None for a service without one.
    write
        Keeps labels in the log.

    Raises
    ------
    RuntreeError
        There is no such class, no reason, or a log cannot be written to.
    """
    if not reason.strip():
        raise RequestError("override: a reason is needed", "type: --reason 'the customer has called'")
    found = read_value(value, classes)
    if answer.override == plain_label(json.dumps(found)):
        return found, False
    if registry is not None:
        facts = {"model": answer.model, "version": answer.version, "request": answer.request_id, "row": answer.row}
        audit(registry, "override", by, **facts, value=found, predicted=answer.prediction, reason=reason)
    write([override_label(answer, found, reason)])
    return found, True


def read_value(value: Any, classes: Sequence[Any]) -> Any:
    """Return the class, or the number, that a value means.

    Raises
    ------
    RequestError
        It means none.
    """
    import pandas as pd

    if classes:
        code = int(encode_known(pd.Series([value], dtype=object), tuple(classes))[0])
        if code < 0:
            raise unknown("class at --value:", str(value), map(as_text, classes))
        return classes[code]
    number = parse_number(str(value))
    if number is None or not math.isfinite(number):
        raise RequestError(f"--value: {value!r} is no number", "the model predicts numbers")
    return float(number)
