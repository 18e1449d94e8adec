"""What the run worked on: the table, its columns, how it was split."""

import json
from collections.abc import Mapping
from typing import Any

from runtree.records.reader import RunReader, nested_settings
from runtree.reports.commands import commands, digest, sums
from runtree.reports.elements import Code, Details, Element, HtmlTable, Paragraph, table_of
from runtree.reports.formatting import count_of, join_words, number, percent, seconds, size
from runtree.reports.images import PlotGallery
from runtree.reports.run.content import RunContent

SHOWN = 200  # columns named one by one


def asked(facts: RunContent) -> str:
    """Return in one sentence what was asked for."""
    target = facts.of_data("target").get("name") or facts.record.config.get("data.target") or "the target"
    name = facts.data.get("name") or facts.record.config.get("data.name") or "a table"
    what = f"the class '{target}'" if facts.record.task == "classification" else f"'{target}'"
    kinds = f" ({join_words(list(facts.classes), 4)})" if facts.classes else ""
    rows = facts.data.get("rows")
    sizes = f": {count_of(rows, 'row')}, {count_of(len(columns(facts)), 'column')}" if isinstance(rows, int) else ""
    by = facts.record.config.get("algorithm.name")
    return f"Predict {what}{kinds} of {name}{sizes}, by {by}."


def columns(facts: RunContent) -> list[Mapping[str, Any]]:
    """Return what `data.json` tells of each column."""
    return [one for one in facts.data.get("columns") or () if isinstance(one, Mapping)]


def data(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell the table, the split and the columns."""
    if not facts.data:
        return []
    target, found = facts.of_data("target"), columns(facts)
    holes = [one for one in found if one.get("missing")]
    gaps = f"{count_of(len(holes), 'column')} with missing values" if holes else "no missing values"
    says = f"{facts.data.get('name')}: {count_of(int(facts.data.get('rows') or 0), 'row')}, "
    says += f"{count_of(len(found), 'column')}, {gaps}. "
    says += f"Target '{target.get('name')}': {facts.data.get('task')}, since {facts.data.get('why')}."
    return [Paragraph(says), *_split(facts), *_columns(found)]


def _split(facts: RunContent) -> list[Element]:
    split = facts.of_data("split")
    sizes = {part: split[part] for part in ("train", "validation", "test") if isinstance(split.get(part), int)}
    whole = sum(sizes.values()) or 1
    use = {"train": "fitted on", "validation": "chosen by", "test": "reported, once, after selection"}
    if facts.folds:
        use |= {"train": "fitted on, fold by fold", "validation": "each row by the fold that left it out"}
    rows = [[part, number(count), percent(count / whole), use[part]] for part, count in sizes.items()]
    return [HtmlTable("Split", ["part", "rows", "share", "use"], rows, frozenset({1, 2}))] if rows else []


def _columns(found: list[Mapping[str, Any]]) -> list[Element]:
    rows = [
        [str(one.get("name")), str(one.get("dtype")), number(one.get("missing")), number(one.get("distinct"))]
        for one in found[:SHOWN]
    ]
    if not rows:
        return []
    headings = ["column", "type", "missing", "distinct"]
    blocks: list[Element] = [HtmlTable("Columns", headings, rows, frozenset({2, 3}))]
    if len(found) > SHOWN:
        blocks.append(Paragraph(f"And {len(found) - SHOWN:,} more in data.json."))
    return [Details(f"{count_of(len(found), 'column')}", blocks)]


# --- For the engineer: how it was made, with what, how long it took, and how to make it again.


def again(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell what to type to come by the same, and what it should be equal to."""
    told: list[Element] = [Code(label, line) for label, line in commands(facts.record)]
    prints = {"config": "config", "data": "data", "split": "split", "pretrained": "pretrained weights"}
    rows = [[prints.get(name, name), str(value)] for name, value in facts.record.fingerprints.items()]
    return [*told, Details("Fingerprints", table_of("Fingerprints", ["of", "sha256"], rows, numeric=frozenset()))]


def config(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell every setting."""
    nested = nested_settings(facts.record)
    rows = [[group, _short(own)] for group, own in nested.items()]
    blocks: list[Element] = [Details("Settings", table_of("Settings", ["group", "values"], rows, numeric=frozenset()))]
    try:
        return [*blocks, Details("config.yaml", [Code("", RunReader(facts.record.folder).read_config())])]
    except (LookupError, OSError, RuntimeError, UnicodeDecodeError):
        return blocks


def _short(own: Any) -> str:
    if not isinstance(own, Mapping):
        return _value(own)
    return ", ".join(f"{key}={_value(value)}" for key, value in own.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def environment(facts: RunContent, gallery: PlotGallery) -> list[Element]:
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
    return [Details("Versions, machine, code", table_of("Environment", ["", "found"], rows, numeric=frozenset()))]


def time(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell where the time went."""
    rows = [[name, seconds(value)] for name, value in facts.record.stages.items()]
    total = facts.record.seconds
    fit = facts.record.fit
    blocks: list[Element] = []
    if fit.get("iterations"):
        unit = str(fit.get("unit") or "iteration")
        best = f"; the model is that of {unit} {fit['best']}" if fit.get("best") else ""
        blocks.append(Paragraph(f"The fit ended after {fit['iterations']} {unit}s: {fit.get('reason')}{best}."))
    told = f"Seconds by stage{f', {seconds(total)} in all' if total is not None else ''}"
    asked = facts.one("seconds").items()
    inner = [[name, seconds(value)] for name, value in asked]
    return blocks + table_of(told, ["stage", "took"], rows) + table_of("Within examine", ["question", "took"], inner)


def files(facts: RunContent, gallery: PlotGallery) -> list[Element]:
    """Tell what this page was made from, and what is not there."""
    found = sums(facts.folder)
    rows = [[name, size((facts.folder.path / name).stat().st_size), total] for name, total in found.items()]
    blocks: list[Element] = [Paragraph(line) for line in [*facts.missing, *gallery.left_out]]
    says = f"sha256 of all files but this page and its pictures, as sorted lines of sha256sum: {digest(found)}"
    return [
        *blocks,
        Paragraph(says),
        Details("Each file", [HtmlTable("Files", ["file", "size", "sha256"], rows, frozenset({1}))]),
    ]
