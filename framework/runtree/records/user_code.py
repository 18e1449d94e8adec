"""The source of a user's own code: the modules that a config names, and those of their own that these import.

A run's model is only as good as the code that it is loaded with: a run keeps the hash and a copy of these files, and a
file that has changed is named when the model is loaded or the run is repeated.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from runtree.contract.hookspecs import PROJECT
from runtree.records.reader import read_json
from runtree.records.writer import write_bytes, write_json

INDEX = "modules.json"  # in the folder of copies: the hash of each module, by its name
MAX_FILES = 200
MAX_FILE_BYTES = 512 * 2**10  # of a larger file the hash alone is kept
MAX_TOTAL_BYTES = 4 * 2**20
PACKAGE_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class SourceFile:
    """A module of the user's own, as it was when the run imported it.

    Attributes
    ----------
    name
        The path of the copy below the run's folder of code: ``net.py``, ``pkg/net.py``.
    """

    module: str
    name: str
    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """Return the hash of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_current(self) -> bool:
        """Return whether the file still has this content."""
        try:
            return self.path.read_bytes() == self.content
        except OSError:
            return False


def find_sources(targets: Iterable[str]) -> tuple[SourceFile, ...]:
    """Return the user's own modules behind some dotted names, in the order in which they are found.

    Only modules that are imported already are found: it is their code that the run executes.
    """
    waiting = [name for target in targets for name in module_prefixes(target)]
    found: dict[str, SourceFile] = {}
    while waiting and len(found) < MAX_FILES:
        name = waiting.pop(0)
        module = sys.modules.get(name)
        file = None if module is None or name in found else _own_file(name, module)
        if file is None:
            continue
        try:
            content = file.read_bytes()
        except OSError:
            continue
        is_package = file.name == "__init__.py"
        place = f"{name.replace('.', '/')}/__init__.py" if is_package else f"{name.replace('.', '/')}.py"
        found[name] = SourceFile(name, place, file, content)
        waiting += imported_names(content, name, is_package)
    return tuple(found.values())


def module_prefixes(target: str) -> Iterator[str]:
    """Yield each prefix of a dotted name: a package's ``__init__`` runs before its modules."""
    parts = target.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _own_file(name: str, module: ModuleType) -> Path | None:
    """Return the file of a module, None if it comes from an installed package, from Python or from runtree."""
    file = getattr(module, "__file__", None)
    top = name.partition(".")[0]
    if not file or not str(file).endswith(".py") or name == "__main__" or top in _plugin_packages():
        return None
    path = Path(file).resolve()
    if any(part in PACKAGE_FOLDERS for part in path.parts) or any(path.is_relative_to(folder) for folder in _not_own()):
        return None
    return path


@lru_cache(maxsize=1)
def _not_own() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    installed = {Path(folder).resolve() for name in names if (folder := sysconfig.get_path(name))}
    return (*installed, Path(__file__).resolve().parents[1])  # the last one is runtree itself


@lru_cache(maxsize=1)
def _plugin_packages() -> frozenset[str]:
    # an editable plugin lies outside of site-packages; its version is in the record
    return frozenset(point.value.partition(":")[0].partition(".")[0] for point in entry_points(group=PROJECT))


def imported_names(content: bytes, module: str, is_package: bool) -> Iterator[str]:
    """Yield the names of modules that a source may import, each with its packages."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):  # it was edited after the import
        return
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from module_prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom):
            # each dot of a relative import after the first one is one package up
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # what is imported may be a module itself
                yield from module_prefixes(f"{origin}.{alias.name}" if origin else alias.name)


def sources_fingerprint(sources: Iterable[SourceFile]) -> str:
    """Return one hash over the modules and their content."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda source: source.module):
        digest.update(f"{source.module} {source.sha256}\n".encode())
    return digest.hexdigest()


def write_sources(sources: Iterable[SourceFile], folder: Path) -> None:
    """Write a copy of each file, and the hashes; nothing if there is no file."""
    index, total = {}, 0
    for source in sources:
        folder.mkdir(exist_ok=True)
        copied = len(source.content) <= MAX_FILE_BYTES and total + len(source.content) <= MAX_TOTAL_BYTES
        if copied:
            total += len(source.content)
            (folder / source.name).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(folder / source.name, source.content, durable=False)
        index[source.module] = {"file": source.name, "sha256": source.sha256, "copied": copied}
    if index:
        write_json(folder / INDEX, index)


def changed_modules(folder: Path) -> list[str]:
    """Return the modules whose file, as this process would import it, is not the one that the run kept."""
    changed = []
    for module, sha256 in module_hashes(folder).items():
        file = _current_file(module)
        # one that is not found is not needed here, or its absence is reported by what needs it
        with suppress(OSError):
            if file is not None and hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
                changed.append(module)
    return changed


def module_hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each module that a run kept; empty if it kept none."""
    entries = read_json(folder / INDEX)[0]
    return {name: str(entry.get("sha256")) for name, entry in entries.items() if isinstance(entry, dict)}


def _current_file(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    if loaded is None and "." not in module:  # finding a module of a package would import the package
        spec = find_spec(module)
        origin = spec.origin if spec is not None else None
    else:
        origin = getattr(loaded, "__file__", None)
    return Path(origin) if origin and origin.endswith(".py") else None
