"""Reads what YAML loaders drop or Hydra alone understands: comments, the `@package` line, the defaults list."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from runtree.config.catalogue import Catalogue, Option
from runtree.contract.files import read_regular

PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
SUMMARY = re.compile(r"^#\s*(?!@package)(\S.*)$", re.MULTILINE)
# by lines, because PyYAML drops comments; the shipped files are plain enough, with one key a line
COMMENT = re.compile(r"^(\s*)([\w-]+):(?:\s.*?)?\s#\s+(.*)$")
KEY = re.compile(r"^(\s*)([\w-]+):")


def option_summary(option: Option) -> str:
    """Return the first comment of an option's file, or the target of an algorithm that a plugin registered."""
    if option.file is None:
        target = option.node.get("_target_")
        return " / ".join(dict.fromkeys(target.values())) if isinstance(target, Mapping) else str(target or "")
    # the head ends at the first blank line: a later comment is about the key below it
    lines = _text(option).split("\n\n")[0].splitlines()
    head = "\n".join(line for line in lines if line.startswith("#"))
    match = SUMMARY.search(head)
    return match[1].strip() if match else ""


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
    return {key: note for file in option_files(catalogue, option) for key, note in read_comments(file).items()}


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
