"""The files of config folders, which may be anyone's: read, or refused with the path and what to do.

Hydra raises errors of many types for a file that it cannot use, and few of them name the file.
"""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runtree.contract.commands import display_path
from runtree.contract.errors import ConfigError, first_line
from runtree.contract.files import load_yaml, read_regular

KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", dict: "a mapping"}
DEFAULTS_EXAMPLE = "as in: defaults: [_self_, {override /algorithm: ridge}]"


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a config file: a mapping of texts to values, with a list of defaults if it has any.

    Raises
    ------
    ConfigError
        It cannot be read or is something else; the message names the file, and the line of invalid YAML.
    """
    import yaml

    try:
        content = load_yaml(read_regular(file, follow=True))
    except yaml.YAMLError as error:
        raise syntax_error(error, file) from None
    # ValueError: it is not UTF-8, or its aliases or brackets are a bomb. TypeError: a key that is a list, say
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(file, error) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        message = f"{display_path(file)}: a config file must hold a mapping, got {kind_of(content)}"
        raise ConfigError(message, "write lines: key: value")
    for key in content:
        if not isinstance(key, str):
            name = "null" if key is None else str(key).lower() if isinstance(key, bool) else key
            message = f"{display_path(file)}: the key {name} is {kind_of(key)}, not a text"
            raise ConfigError(message, f'if it is a name, put it in quotes: "{name}": …')
    if "defaults" in content:
        _check_defaults(content["defaults"], display_path(file))
    return content


def kind_of(value: Any) -> str:
    """Return what a value of YAML is, in words."""
    return "nothing" if value is None else KINDS.get(type(value), f"a {type(value).__name__}")


def _check_defaults(defaults: Any, place: str) -> None:
    """Refuse a defaults list that Hydra could not read."""
    if not isinstance(defaults, list):
        raise ConfigError(f"{place}: defaults must be a list, got {kind_of(defaults)}", DEFAULTS_EXAMPLE)
    for entry in defaults:
        group, option = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, None)
        options = option if isinstance(option, list) else [option]
        if not isinstance(group, str) or not group or not all(isinstance(name, str | None) for name in options):
            message = f"{place}: defaults: {entry!r} is neither a name nor one 'group: option'"
            raise ConfigError(message, DEFAULTS_EXAMPLE)


def unreadable(file: Path, error: BaseException) -> ConfigError:
    """Return the error for a config file that is not read."""
    place, remedy = display_path(file), "correct the file, or remove it"
    if isinstance(error, UnicodeDecodeError):
        encoding = "utf-16" if error.object[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "latin1"
        reason = f"it is not UTF-8 (byte {error.start + 1})"
        remedy = f"save it as UTF-8 in your editor, or: iconv -f {encoding} -t utf-8 {place} > NEW"
    elif isinstance(error, PermissionError):
        reason, remedy = "no permission", f"type: chmod u+r {place}"
    elif isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = first_line(error)
    return ConfigError(f"{place}: cannot be read: {reason}", remedy)


def syntax_error(error: BaseException, file: Path | str | None = None) -> ConfigError:
    """Return the error for an invalid YAML file."""
    mark = getattr(error, "problem_mark", None)
    name = file or getattr(mark, "name", None)
    place = (display_path(name) if name else "a config file") + (f", line {mark.line + 1}" if mark else "")
    problem = getattr(error, "problem", None) or first_line(error)
    return ConfigError(
        f"{place}: not valid YAML: {problem}", "compare its indentation, quotes and colons with a shipped file"
    )


def find_cycle(folders: Iterable[Path]) -> list[Path]:
    """Return files whose defaults lists lead from each to the next, and from the last to the first; or nothing."""
    files: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("**/*.yaml")):
            files.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
    done: set[str] = set()

    def follow(name: str, path: Sequence[str]) -> Sequence[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done or name not in files:
            return ()
        done.add(name)
        found = (follow(other, [*path, name]) for other in _references(name, files[name]))
        return next(filter(None, found), ())

    return [files[name] for name in next(filter(None, (follow(name, []) for name in files)), ())]


def _references(name: str, file: Path) -> Iterator[str]:
    """Yield the config paths that the defaults list of a file names; `name` is its own."""
    try:
        defaults = read_yaml(file).get("defaults", [])
    except ConfigError:
        return
    for entry in defaults:
        group, option = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        for leaf in option if isinstance(option, list) else [option]:
            # of `override /group@package`; relative to the folder of the file unless it begins with a slash
            parts = [part.split(" ")[-1].partition("@")[0] for part in (str(group), str(leaf))]
            path = "/".join(filter(None, parts)).removesuffix(".yaml")  # which Hydra takes for the name without it
            yield path[1:] if path.startswith("/") else "/".join(filter(None, (name.rpartition("/")[0], path)))
