"""The zoo: folders of pretrained weights on this machine, each with a model card. A damaged one breaks no listing."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtree.contract.card import CARD, NAME, WEIGHTS, ModelCard, refuse_pickles
from runtree.contract.errors import DataError, NotFoundError, RequestError, unknown
from runtree.contract.files import read_regular
from runtree.contract.storage import reason, remedy
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.manifest import check_manifest, sha256
from runtree.records.reader import RunReader
from runtree.records.writer import sync_folder, write_text

MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors itself


@dataclass(frozen=True)
class ZooEntry:
    """An entry of the zoo: `fault` is the reason why it cannot be used; `card` is None if it cannot be read."""

    name: str
    folder: Path
    card: ModelCard | None = None
    size: int | None = None
    fault: str | None = None

    @property
    def state(self) -> str:
        """Return "ok" or "damaged"."""
        return "ok" if self.fault is None else "damaged"


def list_entries(zoo: Path) -> Iterator[ZooEntry]:
    """Yield every entry by name, damaged ones included."""
    for folder in sorted(zoo.iterdir()) if zoo.is_dir() else []:
        if folder.is_dir() and not folder.name.startswith("."):
            yield read_entry(folder)


def find_entry(zoo: Path, name: str) -> ZooEntry:
    """Return one entry.

    Raises
    ------
    NotFoundError
        There is no such entry; the error names those that exist.
    """
    if NAME.fullmatch(name) and (zoo / name).is_dir():
        return read_entry(zoo / name)
    names = [folder.name for folder in zoo.glob("*/") if not folder.name.startswith(".")]
    raise unknown("zoo entry", name, names, f"the zoo is {zoo}", error=NotFoundError)


def read_entry(folder: Path) -> ZooEntry:
    """Read the card of an entry and compare the weights with it."""
    entry, file = ZooEntry(folder.name, folder), folder / WEIGHTS
    try:
        entry = replace(entry, card=ModelCard.parse(read_regular(folder / CARD, follow=True), CARD))
        entry = replace(entry, size=file.stat().st_size)
        # hashed at each reading, because a file can be damaged or exchanged at any time
        same = entry.card is not None and sha256(file) == entry.card.sha256
        return entry if same else replace(entry, fault=f"{WEIGHTS}: not the file that the card describes")
    except DataError as error:
        return replace(entry, fault=error.message)
    except OSError as error:
        return replace(entry, fault=f"{Path(error.filename or folder / CARD).name}: {error.strerror}")


def layer_shapes(file: Path) -> dict[str, list[int]]:
    """Return the shape of the weights of each layer, from the JSON at the beginning of a safetensors file."""
    try:
        with file.open("rb") as content:
            # the format: 8 bytes of length, then that much JSON, then the arrays
            length = int.from_bytes(content.read(8), "little")
            # the length comes from the file: a false one must not make us read gigabytes
            header = json.loads(content.read(length) if length < min(MAX_HEADER_BYTES, file.stat().st_size) else b"")
        return {name: list(layer["shape"]) for name, layer in header.items() if name != "__metadata__"}
    except OSError as error:
        raise RequestError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise DataError(f"{file}: not a safetensors file") from None


def check_weights(file: Path) -> None:
    """Refuse a file that is not safetensors, above all a pickle."""
    refuse_pickles(str(file), "zoo")
    layer_shapes(file)


def add_entry(zoo: Path, card: ModelCard, weights: Path) -> ZooEntry:
    """Copy weights into the zoo with their card: completely or not at all.

    If the card names the hash of the weights already, the copy must have it.
    """
    if not NAME.fullmatch(card.name):
        raise RequestError(
            f"zoo: '{card.name}' is not a valid name", "possible: letters, digits, '_', '-', and '.' within"
        )
    check_weights(weights)
    folder = zoo / card.name
    if folder.exists():
        raise _taken(folder)
    # listings ignore hidden folders, so a half copied entry is never seen
    aside = zoo / f".{card.name}.{os.getpid()}.part"
    try:
        aside.mkdir(parents=True)
        _fill(aside, card, weights)
        # a rename onto a folder that is not empty fails: of two processes the second one does
        aside.rename(folder)
        sync_folder(zoo)
    except OSError as error:
        raise _taken(folder) if folder.exists() else _not_writable(zoo, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return read_entry(folder)


def _fill(folder: Path, card: ModelCard, weights: Path) -> None:
    copied = folder / WEIGHTS
    shutil.copyfile(weights, copied)
    with copied.open("rb") as content:
        # before the card with its hash: after a power failure the entry is complete or does not exist
        os.fsync(content.fileno())
    # of the copy, not of the source: it also shows an error of copying
    digest = sha256(copied)
    if card.files.get(WEIGHTS, digest) != digest:
        raise DataError(f"{weights}: not the file that the run wrote", "train again, or restore it")
    write_text(folder / CARD, replace(card, files={WEIGHTS: digest}).text())


def _taken(folder: Path) -> RequestError:
    return RequestError(f"{folder}: an entry of this name exists already", "choose another name, or remove the entry")


def _not_writable(zoo: Path, error: OSError) -> RequestError:
    message = f"zoo: cannot write to {zoo} ({reason(error)})"
    return RequestError(message, "choose another folder: --zoo DIR", remedy(error) and f"or {remedy(error)}")


def make_file_card(name: str, file: Path) -> ModelCard:
    """Return a card that states only the source of the weights."""
    return ModelCard(
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


def make_run_card(name: str, record: RunRecord) -> ModelCard:
    """Return a card from the record of a run, with the sha256 of its manifest.

    Raises
    ------
    RequestError
        The run has no weights, or its model files have changed.
    """
    folder = RunFolder(record.folder)
    if not weights_file(record).is_file():
        raise RequestError(
            f"{record.id}: the run ({record.state}) has no {WEIGHTS}",
            "possible: completed runs of algorithm=torch_mlp, torch_resnet, torch_module and the like",
        )
    check_manifest(folder, folder.model)
    description = RunReader(record.folder).data
    classes = (description.get("target") or {}).get("classes")
    return ModelCard(
        name=name,
        architecture=find_architecture(record),
        task=record.task,
        classes=None if classes is None else tuple(map(str, classes)),
        inputs=describe_inputs(description),
        source=f"run {record.id}",
        licence=None,
        description=None,
        files={WEIGHTS: json.loads(read_regular(folder.manifest))[f"{folder.model.name}/{WEIGHTS}"]},
    )


def weights_file(record: RunRecord) -> Path:
    """Return the path of the weights of a run, whether or not they exist."""
    return RunFolder(record.folder).model / WEIGHTS


def find_architecture(record: RunRecord) -> str | None:
    """Return the dotted name of the module in the config, else of the estimator."""
    keys = ("algorithm.module._target_", f"algorithm._target_.{record.task}", "algorithm._target_")
    return next((str(record.config[key]) for key in keys if record.config.get(key)), None)


def describe_inputs(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data that the weights were trained on, from ``data.json``."""
    columns = [str(column.get("name")) for column in data.get("columns") or ()]
    return {"data": data.get("name"), "rows": data.get("rows"), "columns": len(columns), "names": columns[:50]}
