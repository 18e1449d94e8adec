"""Which plugin in which version: identified as it is installed, and compared with what a record names."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runtree.contract.errors import MissingError
from runtree.contract.types import PluginIdentity

SOURCE_SUFFIXES = (".py", ".yaml", ".yml", ".json", ".toml")  # what can change the behaviour of a package
MAX_SOURCE_FILES = 2000
SOURCE_DIGITS = 12
# a record may come from anywhere, and what it names becomes a part of a command to type
INSTALLABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*")


def identify(
    name: str, module: str, distribution: Distribution | None, hooks: Collection[str], options: Collection[str]
) -> PluginIdentity:
    """Identify a plugin; `module` is that of its hooks. No module is imported."""
    packages = {module.partition(".")[0], *_packages(distribution)}
    return PluginIdentity(
        name,
        distribution.name if distribution is not None else module.partition(".")[0],
        distribution.version if distribution is not None else "?",
        _source(distribution, packages),
        frozenset(packages),
        tuple(sorted(hooks)),
        frozenset(options),
    )


def _packages(distribution: Distribution | None) -> Iterator[str]:
    """Yield the top-level modules of a distribution."""
    for file in (distribution.files or ()) if distribution is not None else ():
        top = file.parts[0]
        if file.suffix == ".py" and top != ".." and not top.endswith((".dist-info", ".data")):
            yield top.removesuffix(".py")


def _source(distribution: Distribution | None, packages: Iterable[str]) -> str:
    """Return a hash of the code where the version does not identify it, else an empty text."""
    if distribution is None:
        return _digest(_file_lines(packages))
    origin = distribution.read_text("direct_url.json")
    if origin is None:
        return ""  # from an index, where a version is published once
    if '"editable": true' in origin.replace('":true', '": true'):
        return _digest(_file_lines(packages))
    # installed from a folder, an archive or a repository: the installer has hashed every file
    files = [file for file in distribution.files or () if file.suffix in SOURCE_SUFFIXES and file.hash is not None]
    kept = [file for file in files if not file.parts[0].endswith(".dist-info")]
    return _digest(f"{file} {file.hash.value if file.hash else ''}" for file in kept)


def _file_lines(packages: Iterable[str]) -> Iterator[str]:
    for package in sorted(packages):
        spec = None
        with suppress(ImportError, ValueError):  # ValueError: a module that was made by hand has no spec
            spec = find_spec(package)
        folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
        single = [Path(spec.origin)] if spec is not None and spec.origin and not folders else []
        files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in SOURCE_SUFFIXES)
        for file in [*single, *files][:MAX_SOURCE_FILES]:
            with suppress(OSError):
                yield f"{package} {file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _digest(lines: Iterable[str]) -> str:
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:SOURCE_DIGITS] if text else ""


def entry(identity: PluginIdentity, adds: Iterable[str]) -> dict[str, Any]:
    """Return what a record holds of a plugin; `adds` says by what it takes part: ``algorithm``, ``metric gain``."""
    source = {"source": identity.source} if identity.source else {}
    return {"distribution": identity.distribution, "version": identity.version, **source, "adds": sorted(set(adds))}


def entry_text(entry: Mapping[str, Any]) -> str:
    """Return distribution and version of an entry."""
    source = f" (source {entry['source']})" if entry.get("source") else ""
    return f"{entry.get('distribution')} {entry.get('version')}{source}"


def compare_plugins(
    recorded: Any,
    installed: Mapping[str, PluginIdentity],
    subject: str,
    is_needed: Callable[[Collection[str]], bool] = lambda adds: True,
) -> list[str]:
    """Return a sentence for each plugin of a record that is not installed, or in another version.

    Parameters
    ----------
    recorded
        Entries by plugin, as a record holds them.
    subject
        What happened with them: ``the model was trained``.
    is_needed
        Whether nothing works without a plugin, by what it added.

    Raises
    ------
    MissingError
        A plugin that is needed is not installed, blocked or broken.
    """
    notes = []
    for name, item in recorded.items() if isinstance(recorded, Mapping) else ():
        if not isinstance(item, Mapping):
            continue
        listed = item.get("adds")
        adds = [str(text) for text in listed] if isinstance(listed, list) else []
        current, before = installed.get(str(name)), entry_text(item)
        problem = "not installed" if current is None else current.problem
        if problem and is_needed(adds):
            raise _absent(str(name), item, problem, subject)
        if problem:
            notes.append(f"{subject} with the plugin '{name}' ({before}: {', '.join(adds)}), which is {problem}")
        elif current is not None and current.text != before:
            notes.append(f"{subject} with {before} (plugin '{name}'), and {current.text} is installed")
    return notes


def _absent(name: str, item: Mapping[str, Any], problem: str, subject: str) -> MissingError:
    requirement = f"{item.get('distribution', '')}=={item.get('version', '')}"
    hint = "see: runtree plugins"
    if problem == PluginIdentity.BLOCKED:
        hint = f"leave out --block {name}, and its name in RUNTREE_BLOCK"
    elif problem == "not installed" and INSTALLABLE.fullmatch(requirement):
        hint = f"install it: pip install {requirement}"
    return MissingError(f"{subject} with the plugin '{name}' ({entry_text(item)}), which is {problem}", hint)


def is_needed_by(config: Mapping[str, Any]) -> Callable[[Collection[str]], bool]:
    """Return whether a run with this flat config cannot be composed or scored without what a plugin added."""
    named = set()
    for key in ("evaluator.metrics", "objective.metric"):
        value = config.get(key)
        named |= {f"metric {name}" for name in (value if isinstance(value, (list, tuple)) else [value])}
    trackers = config.get("trackers")
    named |= {f"tracker {name}" for name in (trackers if isinstance(trackers, (list, tuple)) else [trackers])}

    def is_needed(adds: Collection[str]) -> bool:
        # a stage, a listener, or a metric that is computed by default, is missed by nothing
        return any(text in named or " " not in text for text in adds)

    return is_needed
