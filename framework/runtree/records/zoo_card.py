"""The card of weights that a run trained, and of those in a file."""

import json
from pathlib import Path
from typing import Any

from runtree.contract.card import WEIGHTS, Card
from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord
from runtree.records import contents
from runtree.records.folder import RunFolder
from runtree.records.manifest import check_manifest


def card_of_file(name: str, file: Path) -> Card:
    """Return a card that says nothing but where the weights are from."""
    return Card(
        name=name,
        architecture=None,
        task=None,
        classes=None,
        inputs=None,
        source=file.name,
        licence=None,
        description=None,
        files={},
    )


def card_of_run(name: str, record: RunRecord) -> Card:
    """Return a card that says what the run's record tells, with the sha256 of its manifest.

    Raises
    ------
    RequestError
        Where the run kept no weights, or its model is not what it was.
    """
    folder = RunFolder(record.folder)
    if not weights_of(record).is_file():
        raise RequestError(
            f"{record.id}: the run ({record.state}) keeps no {WEIGHTS}",
            "possible: completed runs of algorithm=torch_mlp, torch_resnet, torch_module and the like",
        )
    check_manifest(folder, folder.model)
    found = contents.data(record)
    classes = (found.get("target") or {}).get("classes")
    return Card(
        name=name,
        architecture=architecture(record),
        task=record.task,
        classes=None if classes is None else tuple(map(str, classes)),
        inputs=inputs(found),
        source=f"run {record.id}",
        licence=None,
        description=None,
        files={WEIGHTS: json.loads(folder.manifest.read_bytes())[f"{folder.model.name}/{WEIGHTS}"]},
    )


def weights_of(record: RunRecord) -> Path:
    """Return where a run's weights lie, if it has any."""
    return RunFolder(record.folder).model / WEIGHTS


def architecture(record: RunRecord) -> str | None:
    """Return the dotted name of the module that the config names, or else of the estimator."""
    keys = ("algorithm.module._target_", f"algorithm._target_.{record.task}", "algorithm._target_")
    return next((str(record.config[key]) for key in keys if record.config.get(key)), None)


def inputs(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the weights were trained on, from `data.json`."""
    columns = [str(column.get("name")) for column in data.get("columns") or ()]
    return {"data": data.get("name"), "rows": data.get("rows"), "columns": len(columns), "names": columns[:50]}
