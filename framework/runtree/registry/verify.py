"""Whether registered models are still as they were registered: the chain of the log, and the files of each version."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from runtree.contract.errors import RequestError
from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256
from runtree.records.model_log import START, AuditFolder, Entry, ModelFolder, read_log
from runtree.records.model_versions import RegisteredModel, find_model, model_folders, read_model
from runtree.records.reader import read_json

LOCK_SECONDS = 5.0  # so long is waited for an act that is being written


def find_faults(model: RegisteredModel) -> Iterator[str]:
    """Yield what was changed since in the log and the files of a model, each with the place."""
    yield from (f"{model.folder.log}: {fault}" for fault in model.faults)
    for version in model.versions.values():
        yield from _version_faults(RunFolder(version.folder), version.content)
    known = {str(number) for number in model.versions}
    # of a faulty log only a part of the versions is known
    places = sorted(model.folder.versions.iterdir()) if model.folder.versions.is_dir() and not model.faults else []
    for place in places:
        if place.name not in known and not place.name.startswith("."):
            yield f"{place}: no version of that number was registered"


def find_audit_faults(folder: AuditFolder, audited: Sequence[Entry], model: RegisteredModel) -> Iterator[str]:
    """Yield where the audit log of a registry and the log of a model differ: each has all lines of the other.

    Parameters
    ----------
    audited
        The lines of the audit log.
    """
    if model.faults:  # of such a log only a part is known
        return
    log, seals = model.folder.log, {entry["sha256"] for entry in model.entries}
    acts = [entry for entry in audited if is_audited(entry, model.name)]
    if lost := [entry for entry in acts if entry["seal"] not in seals]:
        yield f"{log}: lacks its line {lost[0]['line']}, which line {lost[0]['number']} of {folder.log.name} notes"
    if missing := find_unaudited(audited, model):
        rest = " and later ones" if len(missing) > 1 else ""
        why = (
            "; a process that was killed leaves that, too, and the next act adds it"
            if is_cut_short(missing, model)
            else ""
        )
        yield f"{folder.log}: lacks line {missing[0]['number']}{rest} of {log}: it was cut, or begun anew{why}"


def is_audited(entry: Entry, name: str) -> bool:
    """Return whether a line of the audit log is about a line of a model's log; those on services are not."""
    return "line" in entry and entry["model"] == name


def find_unaudited(audited: Sequence[Entry], model: RegisteredModel) -> list[Entry]:
    """Return the lines of a model's log that the audit log of the registry does not have."""
    known = {entry["seal"] for entry in audited if is_audited(entry, model.name)}
    return [entry for entry in model.entries if entry["sha256"] not in known]


def is_cut_short(missing: Sequence[Entry], model: RegisteredModel) -> bool:
    """Return whether the audit log lacks the last line of a model alone: a kill between the two leaves that."""
    return len(missing) == 1 and missing[0] == model.entries[-1]


@dataclass(frozen=True)
class Verified:
    """What was read of a registry, or of one model of it, and what was found.

    Attributes
    ----------
    audited
        The lines of the audit log.
    """

    models: Sequence[RegisteredModel]
    audited: Sequence[Entry]
    faults: Sequence[str]


def verify_registry(root: Path, name: str | None = None, head: str | None = None) -> Verified:
    """Check the files and the log of a model against the audit log; without a name all models, and the audit log.

    Parameters
    ----------
    head
        A seal that was noted earlier: of the model's log, or without a name of the audit log. A log without it was cut
        or written anew, which a chain alone cannot show.
    """
    folder = AuditFolder(root)
    with ExitStack() as stack:
        if root.is_dir():
            with suppress(RequestError):  # of a registry that may only be read; an act in between is reported then
                stack.enter_context(folder.held(LOCK_SECONDS))
        audited, broken = read_log(folder)
        models = [read_model(one) for one in model_folders(root) if name in (None, one.name)]
    noted = {entry["model"] for entry in audited if "line" in entry and name in (None, entry["model"])}
    gone = sorted(noted - {model.name for model in models})
    if name and not models and not gone:
        find_model(root, name)  # says which there are
    faults = [f"{folder.log}: {fault}" for fault in broken]
    faults += (f"{ModelFolder(root / one).log}: was removed; the audit log notes {one}" for one in gone)
    for model in models:
        faults += find_faults(model)
        faults += find_audit_faults(folder, audited, model) if not broken else ()
    entries = audited if name is None else [entry for model in models for entry in model.entries]
    if head is not None and not any(entry["sha256"].startswith(head) for entry in entries):
        log = folder.log if name is None else ModelFolder(root / name).log
        faults.append(f"{log}: has no line with the seal {head}: the log was cut, or written anew")
    return Verified(models, audited, faults)


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


def seal(entries: Sequence[Entry]) -> str:
    """Return the seal of the last line of a log: noted elsewhere, it shows later that nothing was cut off."""
    return str(entries[-1]["sha256"]) if entries else START
