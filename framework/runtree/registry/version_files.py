"""The files of a registered version: a copy of a run's, with a card and a manifest, and sealed where there is a key."""

import hashlib
import os
import shutil
from pathlib import Path

from runtree.contract.commands import command
from runtree.contract.errors import RequestError
from runtree.contract.model_version import SCHEME
from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256
from runtree.records.model_log import ModelFolder
from runtree.records.model_versions import RegisteredModel
from runtree.records.reader import RunReader
from runtree.records.sealed import SealKey, key_of, seal_file
from runtree.records.writer import sync_folder, write_json, write_text
from runtree.registry.card import CARD_NAME, model_card

# of a run's folder, what a version keeps; what is missing is left out
COPIED = ("config", "record", "metrics", "data", "evaluation", "predictions", "model", "code")
SEALED = ("model", "predictions.parquet")  # of the copy, with a key; the rest holds no rows


def make_version(
    source: RunFolder, folder: ModelFolder, number: int, record: RunRecord, by: str, key: SealKey | None
) -> str:
    """Make the folder of a version, complete and durable; return the hash of its manifest."""
    draft, target = folder.versions / f".{number}.part", folder.version(number)
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    _copy_files(source, draft)
    write_text(draft / CARD_NAME, model_card(draft, folder.name, number, record, by))
    files = [file for file in sorted(draft.rglob("*")) if file.is_file()]
    for file in files if key else ():
        place = file.relative_to(draft)
        if place.parts[0] in SEALED and key:
            seal_file(file, file, key, f"{SCHEME}{folder.name}/{number}/{place.as_posix()}")
    write_json(RunFolder(draft).manifest, {file.relative_to(draft).as_posix(): sha256(file) for file in files})
    # the folder of a version without a line in the log was left by a process that was killed in between
    shutil.rmtree(target.path, ignore_errors=True)
    draft.rename(target.path)
    sync_folder(folder.versions)
    return sha256(target.manifest)


def _copy_files(source: RunFolder, draft: Path) -> None:
    draft.mkdir(parents=True)
    for name in COPIED:
        found: Path = getattr(source, name)
        if found.is_symlink() or any(file.is_symlink() for file in found.rglob("*")):
            # a link in the folder of a run, which may be anyone's, would bring in any file of the user
            raise RequestError(f"{found}: is or holds a link, and links are not registered")
        if found.is_dir():
            shutil.copytree(found, draft / found.name)
        elif found.is_file():
            shutil.copyfile(found, draft / found.name)
    # a run of a sweep has the environment of its sweep
    environment, _ = RunReader(source.path).read_environment()
    if environment:
        write_json(draft / source.environment.name, environment)
    for file in draft.rglob("*"):
        # files before the rename, folders for their entries
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def refuse_twice(model: RegisteredModel, record: RunRecord) -> None:
    """Refuse to register what is registered: two numbers for one model would be compared with each other."""
    digest = model_digest(RunFolder(record.folder))
    sealed = {entry["version"]: entry.get("model") for entry in model.entries if entry["act"] == "register"}
    for version in model.versions.values():
        known = sealed.get(version.number) or model_digest(RunFolder(version.folder))
        if version.run == record.id and known == digest:
            raise RequestError(
                f"{version.reference} is the model of run {record.id} already",
                f"to give it a name: {command('models', 'promote', f'{model.name}@{version.number}', 'ALIAS')}",
            )


def model_digest(folder: RunFolder) -> str:
    """Return a hash of all files of a model."""
    files = (file for file in sorted(folder.model.rglob("*")) if file.is_file())
    lines = [f"{file.relative_to(folder.model).as_posix()} {sha256(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def run_key(record: RunRecord) -> SealKey | None:
    """Return the key that a run's config names for what becomes of its model, None if it names none."""
    return key_of({name: record.config.get(f"encrypt.{name}") for name in ("key", "file")})
