"""What `runtree allow` records: that this user lets the `conf/` of a folder name its own modules, as they are now.

The record belongs to the user, lies outside the folder, and holds the hash of each file of ``conf/`` and of each module
of the folder that these name or that the modules import. Any change of one of them, also a new file that Python would
import instead, asks again. The folder's path is part of it: a copy elsewhere has no permission.
"""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path
from typing import Any

import yaml

from runtree.config.allowlist import OwnCode
from runtree.config.calls import locate_calls, target_names
from runtree.config.search_path import shipped_conf
from runtree.contract.errors import NotFoundError, RequestError, UntrustedError, first_line
from runtree.contract.files import create_file, is_within, load_yaml, open_regular, read_regular
from runtree.records.layout import timestamp
from runtree.records.user_code import imported_names, module_prefixes

CONF = "conf"
SCHEMA = 1
MAX_MODULES = 500
MAX_RECORD_BYTES = 5_000_000
ALLOW = "let conf/ name its own modules: runtree allow"


@dataclass(frozen=True)
class Snapshot:
    """The files of ``conf/`` and of the modules that it names, by their path below the folder, and the calls in them.

    Attributes
    ----------
    files
        Path → sha256.
    calls
        Dotted name of code in the folder → each node that names it.
    elsewhere
        The other dotted names: of installed packages. They are not allowed, as their code is not of this folder.
    problem
        Why nothing here can be allowed; empty if it can.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    problem: str = ""

    def changes(self, recorded: Mapping[str, str]) -> list[str]:
        """Return the files that are not as they were recorded."""
        return sorted(name for name in {*self.files, *recorded} if self.files.get(name) != recorded.get(name))


@dataclass(frozen=True)
class Consent:
    """Whether this user has allowed the ``conf/`` of a folder."""

    folder: Path

    @cached_property
    def recorded(self) -> Mapping[str, Any]:
        """The record; empty if there is none, or if it may not be this user's."""
        try:
            record = read_record(record_file(self.folder))
        except (OSError, ValueError, RecursionError):
            return {}
        return record if record.get("folder") == str(self.folder) else {}

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files as they are now."""
        return take_snapshot(self.folder)

    @cached_property
    def changed(self) -> list[str]:
        """The files that have changed since they were allowed."""
        return self.snapshot.changes(self.recorded["files"]) if self.recorded else []

    @property
    def is_given(self) -> bool:
        """Whether what ``conf/`` names may be imported."""
        # without a record nothing is read: that is the usual case
        return bool(self.recorded) and not self.snapshot.problem and not self.changed

    @property
    def targets(self) -> frozenset[str]:
        """The names that are allowed."""
        return frozenset(self.snapshot.calls) if self.is_given else frozenset()

    @property
    def own_code(self) -> OwnCode:
        """The calls that are allowed, or what to type for them."""
        if self.is_given:
            return OwnCode(self.snapshot.calls)
        return OwnCode(hints=dict.fromkeys(self.snapshot.calls, self.hint))

    @property
    def hint(self) -> str:
        """What to type, after what has changed."""
        if self.snapshot.problem:
            return ""
        if self.changed:
            more = f" and {len(self.changed) - 1} more" if len(self.changed) > 1 else ""
            return f"{self.changed[0]}{more} changed since it was allowed; read it, then: runtree allow"
        return f"or {ALLOW}"

    def explain(self, error: UntrustedError) -> UntrustedError:
        """Return an error of a model file with what to type, if ``conf/`` names one of the refused types."""
        refused = {
            name for name in self.snapshot.calls if any(name in line.split() for line in str(error).splitlines())
        }
        return UntrustedError(error.message, *error.hints, self.hint) if refused and not self.is_given else error


def working_consent() -> Consent:
    """Return the consent for the working directory."""
    return Consent(Path.cwd().resolve())


# --- The files of a folder.


def take_snapshot(folder: Path) -> Snapshot:
    """Read every file of ``conf/``, and hash the modules of the folder that they name."""
    conf = folder / CONF
    if not conf.is_dir():
        return Snapshot(problem=f"there is no folder {CONF} here")
    if conf.resolve() == shipped_conf().resolve():
        return Snapshot(problem=f"this {CONF} is that of runtree itself")
    link = next(_links(conf), None)
    if link is not None:
        # what stands behind a link belongs to another folder, and is exchanged with one command
        return Snapshot(problem=f"{link.relative_to(folder)} is a link, and what is behind it is not of this folder")
    files: dict[str, str] = {}
    calls: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted(conf.rglob("*.yaml")):
        name = file.relative_to(folder).as_posix()
        try:
            content = read_regular(file)
            node = load_yaml(content)
        except (OSError, ValueError, yaml.YAMLError) as error:
            return Snapshot(problem=f"{name}: cannot be read: {first_line(error)}")
        files[name] = hashlib.sha256(content).hexdigest()
        for target, call in _named_in(node):
            calls.setdefault(target, []).append(call)
    own = {name: tuple(nodes) for name, nodes in calls.items() if _files_of(folder, name.partition(".")[0])}
    for file in sorted(_module_files(folder, own)):
        files[file.relative_to(folder).as_posix()] = _sha256(file)
    return Snapshot(files, own, tuple(sorted(calls.keys() - own.keys())))


def _links(conf: Path) -> Iterator[Path]:
    if conf.is_symlink():
        yield conf
    for place, folders, names in os.walk(conf):
        yield from (path for name in (*folders, *names) if (path := Path(place, name)).is_symlink())


def _named_in(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the names of code in the content of a file, each with its node."""
    for _, call in locate_calls(node, ""):
        yield from ((name, call) for name in target_names(call) if "${" not in name and name != "???")
    # of algorithm=import
    algorithm = node.get("algorithm", node) if isinstance(node, Mapping) else None
    path = algorithm.get("path") if isinstance(algorithm, Mapping) and "_target_" not in algorithm else None
    if isinstance(path, str) and isinstance(algorithm, Mapping) and "params" in algorithm and "${" not in path:
        yield path.replace(":", "."), algorithm["params"] if isinstance(algorithm["params"], Mapping) else {}


def _module_files(folder: Path, targets: Iterable[str]) -> set[Path]:
    """Return the files of the folder that an import of these names may run."""
    waiting = [name for target in targets for name in module_prefixes(target)]
    waiting += _shadowing(folder)
    done: set[str] = set()
    found: set[Path] = set()
    while waiting and len(done) < MAX_MODULES:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        for file in _files_of(folder, name):
            found.add(file)
            if file.suffix == ".py":
                waiting += imported_names(file.read_bytes(), name, file.stem == "__init__")
    return found


def _files_of(folder: Path, module: str) -> list[Path]:
    base = folder.joinpath(*module.split("."))
    # a package wins over a module, and compiled code over Python's: any of them counts
    candidates = [path for suffix in all_suffixes() for path in (base / f"__init__{suffix}", Path(f"{base}{suffix}"))]
    # a namespace package is a folder without one, whose modules are found by the names below it
    return [path for path in candidates if path.is_file()]


def _shadowing(folder: Path) -> Iterator[str]:
    """Yield the names of modules of the folder that Python would import instead of installed ones."""
    elsewhere = [place for place in sys.path if place and Path(place).resolve() != folder]
    names = {path.name.partition(".")[0] for path in folder.iterdir() if path.suffix in (".py", ".so") or path.is_dir()}
    for name in sorted(names - {CONF}):
        own = _files_of(folder, name)
        if own and (name in sys.stdlib_module_names or PathFinder.find_spec(name, elsewhere) is not None):
            yield name


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


# --- The record, in the user's own folder.


def state_folder() -> Path:
    """Return the folder of the records: below ``XDG_STATE_HOME``, by default ``~/.local/state``."""
    configured = Path(os.environ.get("XDG_STATE_HOME", ""))
    # the specification says to ignore a relative path
    base = configured if configured.is_absolute() else Path.home() / ".local" / "state"
    return base / "runtree" / "allowed"


def record_file(folder: Path) -> Path:
    """Return the file of the record for a folder."""
    return state_folder() / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()}.json"


def read_record(file: Path) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    OSError, ValueError
        There is none, or it, or its folder, may be written by another user, or it is damaged.
    """
    _check_owner(os.lstat(file.parent), 0o022, stat.S_ISDIR)
    handle = open_regular(file)
    with os.fdopen(handle, "rb") as content:
        _check_owner(os.fstat(handle), 0o077, stat.S_ISREG)
        record = json.loads(content.read(MAX_RECORD_BYTES))
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        raise ValueError("it is no record")
    return record


def _check_owner(found: os.stat_result, forbidden: int, is_kind: Any) -> None:
    if not is_kind(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & forbidden:
        raise PermissionError("it is not of this user alone")


def give_consent(folder: Path) -> Consent:
    """Record that the ``conf/`` of a folder may name its own modules, as they are now.

    Raises
    ------
    RequestError
        There is no ``conf/``, it holds a link or an unreadable file, or the record cannot be written.
    """
    consent = Consent(folder)
    if consent.snapshot.problem:
        raise RequestError(f"nothing is allowed: {consent.snapshot.problem}")
    file = record_file(folder)
    if is_within(file, folder):
        raise RequestError(
            f"nothing is allowed: {file.parent} lies in this folder", "set XDG_STATE_HOME to another one"
        )
    content = {"schema": SCHEMA, "folder": str(folder), "allowed": timestamp(), "files": dict(consent.snapshot.files)}
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(os.lstat(file.parent), 0o022, stat.S_ISDIR)
        handle = create_file(draft)
        with os.fdopen(handle, "w") as out:
            os.fchmod(handle, 0o600)
            json.dump(content, out, indent=1)
        draft.replace(file)
    except OSError as error:
        raise RequestError(f"{file.parent}: cannot record it ({error.strerror or first_line(error)})") from None
    return Consent(folder)


def revoke_consent(folder: Path) -> None:
    """Remove the record of a folder.

    Raises
    ------
    NotFoundError
        There is none.
    """
    try:
        record_file(folder).unlink()
    except FileNotFoundError:
        raise NotFoundError(f"{folder} is not allowed", "see: runtree allow --list") from None


def list_consents() -> list[Consent]:
    """Return each folder that was allowed, sorted."""
    folders = []
    for file in state_folder().glob("*.json"):
        try:
            folders.append(Path(str(read_record(file).get("folder"))))
        except (OSError, ValueError, RecursionError):
            continue
    return [Consent(folder) for folder in sorted(folders)]
