"""Sections of a run's page on its origin: data, commands, config, environment, time, files."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runtree.contract.errors import RuntreeError
from runtree.records.commands import run_command, training_command
from runtree.records.layout import RunFolder
from runtree.records.manifest import sha256
from runtree.records.reader import RunReader, nested_settings, read_json
from runtree.reports.elements import Code, Details, Element, HtmlTable, Paragraph, table_of
from runtree.reports.formatting import (
    format_bytes,
    format_number,
    format_percent,
    format_seconds,
    join_words,
    pluralize,
)
from runtree.reports.images import PlotGallery
from runtree.reports.profile import profile_elements
from runtree.reports.run.content import RunContent

MAX_COLUMNS = 200  # listed by name
USE = {"train": "fitting", "validation": "selection", "test": "the final score, after selection"}
USE_WITH_FOLDS = {"train": "fitting, fold by fold", "validation": "selection, each row by the fold that left it out"}
FINGERPRINTS = {"pretrained": "pretrained weights", "image": "image", "script": "script"}


def describe_run(content: RunContent) -> str:
    """Return one sentence on the task, the data and the algorithm."""
    target = content.data_entry("target").get("name") or content.record.config.get("data.target") or "the target"
    name = content.data.get("name") or content.record.config.get("data.name") or "a table"
    rows = content.data.get("rows")
    size = f" ({rows:,} \N{MULTIPLICATION SIGN} {len(_columns(content))})" if isinstance(rows, int) else ""
    algorithm = content.record.config.get("algorithm.name")
    if content.record.task == "classification":
        classes = f", classes {join_words(list(content.classes), 4)}" if content.classes else ""
        positive = content.data_entry("target").get("positive")
        classes += "" if positive is None else f", positive class {positive}"
        return f"Classifies {name}{size} with {algorithm}: target '{target}'{classes}."
    return f"Predicts '{target}' of {name}{size} with {algorithm}."


def problem(content: RunContent) -> list[tuple[str, str]]:
    """Return what the config states on the problem: label and text."""
    stated = nested_settings(content.record).get("problem")
    texts = stated if isinstance(stated, Mapping) else {}
    return [(str(key).replace("_", " ").capitalize(), str(text)) for key, text in texts.items() if text]


def _columns(content: RunContent) -> list[Mapping[str, Any]]:
    return [column for column in content.data.get("columns") or () if isinstance(column, Mapping)]


def data(content: RunContent, gallery: PlotGallery) -> list[Element]:
    if not content.data:
        return []
    target, columns = content.data_entry("target"), _columns(content)
    incomplete = [column for column in columns if column.get("missing")]
    gaps = f"{pluralize(len(incomplete), 'column')} with missing values" if incomplete else "no missing values"
    text = f"{content.data.get('name')}: {pluralize(int(content.data.get('rows') or 0), 'row')}, "
    text += f"{pluralize(len(columns), 'column')}, {gaps}. "
    text += f"Target '{target.get('name')}': {content.data.get('task')}, because {content.data.get('why')}."
    notes = [Paragraph(str(note)) for note in content.data.get("notes") or ()]
    profile, _ = read_json(content.folder.columns)
    plots = [Details("Profile of the columns", profile_elements(profile))] if profile else _column_table(columns)
    card = [[str(key), str(said)] for key, said in content.data_entry("card").items()]
    about = table_of("Data card", ["about", "stated"], card, numeric=frozenset())
    return [Paragraph(text), *notes, *about, *_split(content), *plots]


def _split(content: RunContent) -> list[Element]:
    split = content.data_entry("split")
    sizes = {name: split[name] for name in USE if isinstance(split.get(name), int)}
    total = sum(sizes.values()) or 1
    use = USE | USE_WITH_FOLDS if content.folds else USE
    rows = [[name, format_number(count), format_percent(count / total), use[name]] for name, count in sizes.items()]
    return [HtmlTable("Split", ["split", "rows", "share", "used for"], rows, frozenset({1, 2}))] if rows else []


def _column_table(columns: list[Mapping[str, Any]]) -> list[Element]:
    rows = [
        [str(column.get("name")), str(column.get("type") or column.get("dtype")), str(column.get("why") or "")]
        + [format_number(column.get(name)) for name in ("missing", "distinct")]
        for column in columns[:MAX_COLUMNS]
    ]
    elements = table_of(
        "Columns", ["column", "type", "because", "missing", "distinct"], rows, numeric=frozenset({3, 4})
    )
    if len(columns) > MAX_COLUMNS:
        elements.append(Paragraph(f"{len(columns) - MAX_COLUMNS:,} more in data.json."))
    return [Details(pluralize(len(columns), "column"), elements)] if rows else []


def reproduce(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the commands that repeat the run, and the fingerprints that a repetition must have."""
    record = content.record
    commands = [
        ("rerun and compare to the last digit", run_command("rerun", record)),
        ("train with the same settings", training_command(record)),
        ("show everything that is recorded", run_command("show", record)),
        ("write this page again from the files", run_command("report", record)),
    ]
    rows = [[FINGERPRINTS.get(name, name), str(value)] for name, value in record.fingerprints.items()]
    table = table_of("Fingerprints", ["of", "sha256"], rows, numeric=frozenset())
    return [*(Code(label, line) for label, line in commands), Details("Fingerprints", table)]


def config(content: RunContent, gallery: PlotGallery) -> list[Element]:
    rows = [[group, _setting(value)] for group, value in nested_settings(content.record).items()]
    table = table_of("Config", ["group", "values"], rows, numeric=frozenset())
    elements: list[Element] = [Details("Config by group", table)]
    try:
        return [*elements, Details("config.yaml", [Code("", RunReader(content.record.folder).read_config())])]
    # the table above is useful without the file
    except (LookupError, OSError, RuntimeError, RuntreeError, UnicodeDecodeError):
        return elements


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_plain(item)}" for key, item in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def environment(content: RunContent, gallery: PlotGallery) -> list[Element]:
    recorded = content.environment
    if not recorded:
        return []
    machine, git, compute = (recorded.get(name) or {} for name in ("machine", "git", "compute"))
    rows = [["Python", str(recorded.get("python"))]]
    rows += [[name, str(version)] for name, version in (recorded.get("packages") or {}).items()]
    rows += [["platform", str(recorded.get("platform"))]]
    rows += [[f"machine: {name.replace('_', ' ')}", str(value)] for name, value in machine.items()]
    plain = {name: value for name, value in compute.items() if isinstance(value, (str, int, float))}
    rows += [[f"compute: {name}", str(value)] for name, value in plain.items()]
    if git:
        rows += [["code", f"{git.get('revision')}{' with uncommitted changes' if git.get('changed') else ''}"]]
    for plugin, facts in (recorded.get("plugins") or {}).items():
        rows += [[f"plugin {plugin}: {name}", str(value)] for name, value in facts.items()]
    return [Details("Versions, machine, code", table_of("Environment", ["item", "value"], rows, numeric=frozenset()))]


def time(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the time of each stage and of each part of the evaluation."""
    record, elements = content.record, list[Element]()
    fit = record.fit
    if fit.get("iterations"):
        unit = str(fit.get("unit") or "iteration")
        best = f"; the model is that of {unit} {fit['best']}" if fit.get("best") else ""
        elements.append(Paragraph(f"The fit stopped after {fit['iterations']} {unit}s ({fit.get('reason')}){best}."))
    total = f", {format_seconds(record.seconds)} in total" if record.seconds is not None else ""
    stages = [[name, format_seconds(value)] for name, value in record.stages.items()]
    parts = [[name, format_seconds(value)] for name, value in content.result("seconds").items()]
    elements += table_of(f"Time by stage{total}", ["stage", "time"], stages)
    return elements + table_of("Time within the evaluation", ["step", "time"], parts)


def files(content: RunContent, gallery: PlotGallery) -> list[Element]:
    """Return the files that the page was made from with their hashes, and those that are missing."""
    hashes = hash_files(content.folder)
    rows = [[name, format_bytes((content.folder.path / name).stat().st_size), total] for name, total in hashes.items()]
    missing = [Paragraph(line) for line in [*content.missing, *gallery.left_out]]
    text = f"sha256 of all files except this page and its plots, as sorted lines of sha256sum: {hash_of_hashes(hashes)}"
    table = HtmlTable("Files", ["file", "size", "sha256"], rows, frozenset({1}))
    return [*missing, Paragraph(text), Details("All files", [table])]


def hash_files(folder: RunFolder) -> Mapping[str, str]:
    """Return the sha256 of each file that the page and its plots are made from, by its path in the folder."""
    # the page cannot contain its own hash, and plots are drawn anew whenever it is written
    made = (folder.report, folder.plots)
    files = [file for file in folder.files() if not any(file == path or path in file.parents for path in made)]
    return {file.relative_to(folder.path).as_posix(): sha256(file) for file in files}


def hash_of_hashes(hashes: Mapping[str, str]) -> str:
    """Return one sha256 over the lines ``sum  path`` sorted by path: what ``sha256sum * | sha256sum`` prints."""
    # two spaces, as sha256sum separates them: so the sum can be checked without runtree
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()
