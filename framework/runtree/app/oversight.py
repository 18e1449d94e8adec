"""People look at what a model has answered: `runtree models review`, and decide instead of it: `models override`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.contract.model_version import SCHEME
from runtree.lifecycle.override import override_answer
from runtree.lifecycle.target import as_text
from runtree.records.find import find_run
from runtree.records.layout import RunFolder
from runtree.records.model_log import ModelFolder
from runtree.records.model_versions import find_version, model_folders
from runtree.records.prediction_labels import LoggedAnswer, add_labels, find_answer
from runtree.records.prediction_review import ReviewedModel
from runtree.records.record import read_record
from runtree.records.sealed import plain_source
from runtree.training.decision import DECISION_KEY
from runtree.training.thresholds import DEFAULT_THRESHOLD


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
    word = answer.model if answer.version == "run" else f"{SCHEME}{answer.reference}"
    classes = _read_card(find_model_folder(word, request.registry, request.outputs))["classes"]
    write = partial(add_labels, request.log, by=request.by)
    value, is_new = override_answer(answer, request.value, classes, request.by, request.reason, request.registry, write)
    return answer, value, is_new


def review_model(word: str, registry: Path, outputs: Path) -> ReviewedModel:
    """Return whose answers are looked at: a registered version, or a run.

    Raises
    ------
    RuntreeError
        There is no such model.
    """
    folder = find_model_folder(word, registry, outputs)
    card, run = _read_card(folder), read_record(RunFolder(folder)).id
    model = ModelFolder(folder.parent.parent)
    name, version = (model.name, folder.name) if model.log.is_file() else (run, "run")
    labels = [as_text(label) for label in card["classes"]]
    threshold = (card.get(DECISION_KEY) or {}).get("threshold") or DEFAULT_THRESHOLD
    return ReviewedModel(name, version, run, labels, threshold if len(labels) == 2 else None)


def find_model_folder(word: str, registry: Path, outputs: Path) -> Path:
    """Return the folder of a version (``models:/churn@champion``, ``churn/3``) or of a run.

    Raises
    ------
    NotFoundError
        There is neither.
    """
    name = word.removeprefix(SCHEME).partition("@")[0].partition("/")[0]
    is_registered = word.startswith(SCHEME) or any(one.name == name for one in model_folders(registry))
    return find_version(registry, word).folder if is_registered else find_run(outputs, word, needs="model").folder


def _read_card(folder: Path) -> Mapping[str, Any]:
    source = plain_source(RunFolder(folder).model / "model.json")
    try:
        card: Mapping[str, Any] = json.loads(source.read_bytes() if isinstance(source, Path) else source.getvalue())
        return {**card, "classes": tuple(card["classes"])}
    except (OSError, ValueError, KeyError):
        raise NotFoundError(f"{folder}: its model cannot be read, so that its classes are not known") from None
