"""Whether registered models are still as they were registered: the chain of the log, and the files of each version."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256
from runtree.records.model_log import START, AuditFolder, Entry
from runtree.records.model_versions import RegisteredModel
from runtree.records.reader import read_json


def find_faults(model: RegisteredModel, head: str | None = None) -> Iterator[str]:
    """Yield what was changed since, each with the place.

    Parameters
    ----------
    head
        The seal of a line of the log that the user noted earlier. A log that does not contain it was cut or written
        anew, which a chain alone cannot show.
    """
    yield from (f"{model.folder.log}: {fault}" for fault in model.faults)
    if head is not None and not any(entry["sha256"].startswith(head) for entry in model.entries):
        yield f"{model.folder.log}: has no line with the seal {head}: the log was cut, or written anew"
    for version in model.versions.values():
        yield from _version_faults(RunFolder(version.folder), version.content)
    known = {str(number) for number in model.versions}
    # of a faulty log only a part of the versions is known
    places = sorted(model.folder.versions.iterdir()) if model.folder.versions.is_dir() and not model.faults else []
    for place in places:
        if place.name not in known and not place.name.startswith("."):
            yield f"{place}: no version of that number was registered"


def find_audit_faults(
    folder: AuditFolder, audited: tuple[Sequence[Entry], Sequence[str]], models: Iterable[RegisteredModel]
) -> Iterator[str]:
    """Yield where the audit log of a registry was changed, and what it notes of models that their logs lack.

    Parameters
    ----------
    audited
        What `read_log` returned for it, before the models were read: they may have been continued since.
    """
    entries, faults = audited
    yield from (f"{folder.log}: {fault}" for fault in faults)
    logs = {model.name: model for model in models}
    acts = [entry for entry in entries if "line" in entry]  # those of services are on no line of a model
    for name in sorted({entry["model"] for entry in acts}):
        if name not in logs:
            yield f"{folder.path / name}: was removed"
            continue
        seals = {entry["sha256"] for entry in logs[name].entries}
        lost = [entry for entry in acts if entry["model"] == name and entry["seal"] not in seals]
        if lost and not logs[name].faults:
            noted = f"line {lost[0]['number']} of {folder.log.name}"
            yield f"{logs[name].folder.log}: lacks its line {lost[0]['line']}, which {noted} notes"


def _version_faults(folder: RunFolder, content: str) -> Iterator[str]:
    if not folder.path.is_dir() or folder.path.is_symlink():
        yield f"{folder.path}: is missing"
        return
    if not folder.manifest.is_file() or sha256(folder.manifest) != content:
        yield f"{folder.manifest}: not the manifest that was registered"
        return
    expected = read_json(folder.manifest)[0]
    files = {file.relative_to(folder.path).as_posix(): file for file in _files(folder.path)}
    del files[folder.manifest.name]
    for name in sorted({*expected, *files}):
        if name not in files:
            yield f"{folder.path / name}: is missing"
        elif name not in expected:
            yield f"{folder.path / name}: was added"
        elif files[name].is_symlink() or sha256(files[name]) != expected[name]:
            yield f"{folder.path / name}: was changed"


def _files(folder: Path) -> Iterator[Path]:
    yield from (file for file in sorted(folder.rglob("*")) if not file.is_dir() or file.is_symlink())


def seal(model: RegisteredModel) -> str:
    """Return the seal of the last line of the log: noted elsewhere, it shows later that nothing was cut off."""
    return str(model.entries[-1]["sha256"]) if model.entries else START
