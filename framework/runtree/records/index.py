"""Which runs there are: a walk over the tree. One unreadable run is one warning, never a broken listing."""

import logging
from collections.abc import Iterator
from pathlib import Path

from runtree.contract.errors import NotFoundError
from runtree.contract.types import RunRecord
from runtree.records.folder import RunFolder
from runtree.records.record import read_record

log = logging.getLogger(__name__)


def run_folders(outputs: Path) -> Iterator[RunFolder]:
    """Yield the folder of every run below `outputs`, those of sweeps included, experiments and runs by name."""
    for experiment in _subfolders(outputs):
        for folder in _subfolders(experiment):
            if folder.name.endswith("-sweep"):
                yield from (RunFolder(run) for run in _subfolders(folder / "runs"))
            elif RunFolder(folder).config.exists() or RunFolder(folder).record.exists():
                yield RunFolder(folder)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def records(outputs: Path) -> Iterator[RunRecord]:
    """Yield the record of every run that can be read, and warn of those that cannot."""
    for folder in run_folders(outputs):
        try:
            yield read_record(folder)
        except NotFoundError as error:
            log.warning("%s", error.message)


def find(outputs: Path, selector: str) -> RunRecord:
    """Return the run that `selector` names: `latest`, a path, or a unique beginning of its id or fingerprint.

    Raises
    ------
    NotFoundError
        Where no run, or more than one, answers to the selector.
    """
    as_path = RunFolder(Path(selector))
    if as_path.record.is_file():
        return read_record(as_path)
    found = sorted(records(outputs), key=lambda record: (record.started, record.id))
    if not found:
        raise NotFoundError(f"no runs in {outputs}", "train one: runtree train")
    if selector == "latest":
        return found[-1]
    matching = [record for record in found if record.id == selector] or [
        record for record in found if _answers(record, selector)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFoundError(
            f"'{selector}' names {len(matching)} runs: {', '.join(record.id for record in matching[:4])}",
            "type more of the id",
        )
    raise NotFoundError(f"no run '{selector}' in {outputs}", f"the latest is {found[-1].id}", "see: runtree runs")


def _answers(record: RunRecord, selector: str) -> bool:
    names = (record.id, record.id.rpartition("/")[2], record.fingerprints.get("config", ""))
    return any(name.startswith(selector) for name in names)
