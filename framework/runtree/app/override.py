"""`runtree models override`: a person decides instead of a model that has answered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.contract.model_version import SCHEME
from runtree.lifecycle.override import override_answer
from runtree.records.find import find_run
from runtree.records.layout import RunFolder
from runtree.records.model_versions import find_version
from runtree.records.prediction_labels import LoggedAnswer, add_labels, find_answer
from runtree.records.sealed import plain_source


@dataclass(frozen=True)
class OverrideRequest:
    """What is overridden.

    Attributes
    ----------
    request
        Its id, with the number of the row where it had several: ``q1/3``.
    value
        As it was typed.
    model
        Whose answer it must be, as in `find_answer`; None for any.
    log
        A folder or the URL of a database.
    """

    request: str
    value: str
    by: str
    reason: str
    registry: Path
    outputs: Path
    model: str | None = None
    log: str = "predictions"


def override_prediction(request: OverrideRequest) -> tuple[LoggedAnswer, Any, bool]:
    """Override one answer of a service; return it, the value, and whether that is another one than before.

    Raises
    ------
    RuntreeError
        There is no such answer, class or model, no reason, or a log cannot be written to.
    """
    model = None if request.model is None else request.model.removeprefix(SCHEME)
    if model is not None and "@" in model:
        version = find_version(request.registry, model)
        model = f"{version.name}/{version.number}"
    answer = find_answer(request.log, request.request, model)
    classes = classes_of(answer, request.registry, request.outputs)
    write = partial(add_labels, request.log, by=request.by)
    value, is_new = override_answer(answer, request.value, classes, request.by, request.reason, request.registry, write)
    return answer, value, is_new


def classes_of(answer: LoggedAnswer, registry: Path, outputs: Path) -> Sequence[Any]:
    """Return the classes of the model that gave an answer; empty for a regression.

    Raises
    ------
    NotFoundError
        The model is not there any more.
    """
    if answer.version == "run":
        folder = find_run(outputs, answer.model).folder
    else:
        folder = find_version(registry, answer.reference).folder
    source = plain_source(RunFolder(folder).model / "model.json")
    try:
        content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
        return tuple(json.loads(content)["classes"])
    except (OSError, ValueError, KeyError):
        raise NotFoundError(f"{folder}: its model cannot be read, so that its classes are not known") from None
