"""Reads what YAML loaders drop or Hydra alone understands: comments, the `@package` line, the defaults list."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from runtree.config.calls import target_names
from runtree.config.catalogue import Catalogue, Option
from runtree.config.class_source import NotInSource, find_class
from runtree.contract.errors import RuntreeError
from runtree.contract.files import read_regular

PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
SUMMARY = re.compile(r"^#\s*(?!@package)(\S.*)$", re.MULTILINE)
# by lines, because PyYAML drops comments; the shipped files are plain enough, with one key a line
COMMENT = re.compile(r"^(\s*)([\w-]+):(?:\s.*?)?\s#\s+(.*)$")
KEY = re.compile(r"^(\s*)([\w-]+):")


def option_summary(option: Option) -> str:
    """Return what its plugin, or the first comment of its file, says of an option; else the docstring of its class."""
    # the head ends at the first blank line: a later comment is about the key below it
    lines = _text(option).split("\n\n")[0].splitlines()
    match = SUMMARY.search("\n".join(line for line in lines if line.startswith("#")))
    if option.summary or match:
        return option.summary or (match[1].strip() if match else "")
    with suppress(RuntreeError):  # it cannot be read, which is said where that matters
        targets = list(dict.fromkeys(target_names(option.read())))
        return next(filter(None, map(_docstring_sentence, targets)), " / ".join(targets))
    return ""


def _docstring_sentence(target: str) -> str:
    """Return the first sentence of a class's docstring from its source, empty if that is not plain enough."""
    with suppress(NotInSource, OSError, SyntaxError, ValueError):
        paragraph = " ".join(find_class(target).docstring.partition("\n\n")[0].split())
        return paragraph.partition(". ")[0].replace("`", "")
    return ""


def _text(option: Option) -> str:
    return _decode(option.file) if option.file else ""


def _decode(file: Path) -> str:
    return read_regular(file, follow=True).decode("utf-8-sig", "replace")


def key_prefix(option: Option) -> str:
    """Return the prefix of an option's keys: ``algorithm.``, or nothing if its package is the whole config."""
    declared = PACKAGE.search(_text(option))
    name = option.group.replace("/", ".") if declared is None else declared[1].replace("_global_", "")
    return f"{name}." if name else ""


def chosen_options(option: Option) -> Iterator[str]:
    """Yield the options of other groups that an option chooses: ``data=breast_cancer``."""
    for entry in option.read().get("defaults", []):
        if isinstance(entry, Mapping):
            for group, name in entry.items():
                yield f"{str(group).removeprefix('override ').strip().lstrip('/').partition('@')[0]}={name}"


def key_comments(catalogue: Catalogue, option: Option) -> dict[str, str]:
    """Return the comments beside an option's keys, including those of files that its defaults list names."""
    notes = {key: note for file in option_files(catalogue, option) for key, note in read_comments(file).items()}
    return {**notes, **option.help}


def read_comments(file: Path) -> dict[str, str]:
    """Return the comments beside keys, by dotted path."""
    texts: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in _decode(file).splitlines():
        key = KEY.match(line)
        if key is None:
            continue
        # only the indentation shows which key is inside which
        parents = [*(parent for parent in parents if parent[0] < len(key[1])), (len(key[1]), key[2])]
        note = COMMENT.match(line)
        if note:
            texts[".".join(name for _, name in parents)] = note[3].strip()
    return texts


def option_files(catalogue: Catalogue, option: Option) -> list[Path]:
    """Return the files of an option's keys; later files take precedence."""
    if option.file is None:
        return []
    names = [entry for entry in option.read().get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    paths = [[folder.path / option.group / f"{name}.yaml" for folder in catalogue.folders] for name in names]
    return [*(file for some in paths if (file := next(filter(Path.is_file, some), None))), option.file]
