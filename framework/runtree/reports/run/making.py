"""For the engineer: how it was made, with what, how long it took, and how to make it again."""

import json
from collections.abc import Mapping
from typing import Any

from runtree.records import artifacts
from runtree.reports.blocks import Block, Code, Fold, Table, Text, table
from runtree.reports.facts import Facts
from runtree.reports.gallery import Gallery
from runtree.reports.numbers import seconds, size
from runtree.reports.reproduce import commands, digest, sums


def again(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell what to type to come by the same, and what it should be equal to."""
    told: list[Block] = [Code(label, line) for label, line in commands(facts.record)]
    prints = {"config": "config", "data": "data", "split": "split", "pretrained": "pretrained weights"}
    rows = [[prints.get(name, name), str(value)] for name, value in facts.record.fingerprints.items()]
    return [*told, Fold("Fingerprints", table("Fingerprints", ["of", "sha256"], rows, numeric=frozenset()))]


def config(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell every setting."""
    nested = artifacts.settings(facts.record)
    rows = [[group, _short(own)] for group, own in nested.items()]
    blocks: list[Block] = [Fold("Settings", table("Settings", ["group", "values"], rows, numeric=frozenset()))]
    try:
        return [*blocks, Fold("config.yaml", [Code("", artifacts.whole_config(facts.record))])]
    except (LookupError, OSError, RuntimeError, UnicodeDecodeError):
        return blocks


def _short(own: Any) -> str:
    if not isinstance(own, Mapping):
        return _value(own)
    return ", ".join(f"{key}={_value(value)}" for key, value in own.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def environment(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell versions, machine and code."""
    found = facts.environment
    if not found:
        return []
    machine, git, compute = (found.get(name) or {} for name in ("machine", "git", "compute"))
    rows = [
        ["Python", str(found.get("python"))],
        *([name, str(text)] for name, text in (found.get("packages") or {}).items()),
    ]
    rows += [["platform", str(found.get("platform"))]]
    rows += [[f"machine: {name.replace('_', ' ')}", str(value)] for name, value in machine.items()]
    rows += [
        [f"compute: {name}", str(value)] for name, value in compute.items() if isinstance(value, (str, int, float))
    ]
    rows += [["code", f"{git.get('revision')}{' and changes' if git.get('changed') else ''}"]] if git else []
    for plugin, facts_ in (found.get("plugins") or {}).items():
        rows += [[f"plugin {plugin}: {name}", str(value)] for name, value in facts_.items()]
    return [Fold("Versions, machine, code", table("Environment", ["", "found"], rows, numeric=frozenset()))]


def time(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell where the time went."""
    rows = [[name, seconds(value)] for name, value in facts.record.stages.items()]
    total = facts.record.seconds
    fit = facts.record.fit
    blocks: list[Block] = []
    if fit.get("iterations"):
        unit = str(fit.get("unit") or "iteration")
        best = f"; the model is that of {unit} {fit['best']}" if fit.get("best") else ""
        blocks.append(Text(f"The fit ended after {fit['iterations']} {unit}s: {fit.get('reason')}{best}."))
    told = f"Seconds by stage{f', {seconds(total)} in all' if total is not None else ''}"
    asked = facts.one("seconds").items()
    inner = [[name, seconds(value)] for name, value in asked]
    return blocks + table(told, ["stage", "took"], rows) + table("Within evaluate", ["question", "took"], inner)


def files(facts: Facts, gallery: Gallery) -> list[Block]:
    """Tell what this page was made from, and what is not there."""
    found = sums(facts.folder)
    rows = [[name, size((facts.folder.path / name).stat().st_size), total] for name, total in found.items()]
    blocks: list[Block] = [Text(line) for line in [*facts.missing, *gallery.left_out]]
    says = f"sha256 of all files but this page and its pictures, as sorted lines of sha256sum: {digest(found)}"
    return [*blocks, Text(says), Fold("Each file", [Table("Files", ["file", "size", "sha256"], rows, frozenset({1}))])]
