"""How to come by the same again: command lines, fingerprints, and the hash of what the run wrote."""

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from runtree.contract.types import RunRecord
from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256

USUAL = "outputs"


def tree(record: RunRecord) -> list[str]:
    """Return the option that names the output tree, where it is not the usual one."""
    outputs = str(record.config.get("outputs") or USUAL)
    return [] if outputs == USUAL else ["--outputs", outputs]


def command(*words: str) -> str:
    """Return a command line as it is typed."""
    return shlex.join(["runtree", *words])


def commands(record: RunRecord) -> list[tuple[str, str]]:
    """Return what to type for the same run, and to use it, each with what it does."""
    where = tree(record)
    return [
        ("the same again, compared to the last digit", command("rerun", record.id, *where)),
        ("the same settings, typed anew", command("train", *record.overrides)),
        ("everything that is recorded", command("show", record.id, *where)),
        ("this page, made again from the files", command("report", record.id, *where)),
    ]


def sums(folder: RunFolder) -> Mapping[str, str]:
    """Return the sha256 of each file that this page and its pictures are made from, by its path in the folder."""
    made = (folder.report, folder.plots)
    files = [file for file in folder.files() if not any(file == one or one in file.parents for one in made)]
    return {_name(file, folder): sha256(file) for file in files}


def digest(found: Mapping[str, str]) -> str:
    """Return one sha256 for all of them: of the lines ``sum  path`` sorted by path, as sha256sum writes them."""
    lines = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return hashlib.sha256(lines.encode()).hexdigest()


def _name(file: Path, folder: RunFolder) -> str:
    return file.relative_to(folder.path).as_posix()
