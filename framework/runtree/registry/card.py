"""The card of a registered model: what it is, for whom, how good, made from the files of its run. Markdown.

Its sections follow Mitchell et al. 2019, "Model Cards for Model Reporting", doi:10.1145/3287560.3287596.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.contract.output import escape_controls
from runtree.contract.types import RunRecord
from runtree.records.commands import training_command
from runtree.records.layout import timestamp
from runtree.records.reader import RunReader, nested_settings
from runtree.reports.formatting import format_interval, format_number

CARD_NAME = "card.md"
NOT_STATED = "not stated"
MAX_COLUMNS = 40


def model_card(folder: Path, name: str, number: int, record: RunRecord, by: str) -> str:
    """Return the card of a version whose files are in `folder`."""
    reader = RunReader(folder)
    sections: dict[str, Iterator[str]] = {
        "Model": _model_lines(reader, record, by),
        "Intended use": _use_lines(record),
        "Data": _data_lines(reader),
        "Metrics": _metric_lines(reader, record),
        "Comparison": _comparison_lines(reader),
        "Fairness": _fairness_lines(reader),
        "Findings": _finding_lines(reader),
        "Environment": _environment_lines(reader),
    }
    lines = [f"# {name}, version {number}"]
    for title, content in sections.items():
        found = list(content)
        if found:
            lines += ["", f"## {title}", "", *found]
    # a name in a table may be anyone's, and Markdown passes HTML on to the page that shows it
    return "\n".join(escape_controls(line).replace("<", "&lt;") for line in lines) + "\n"


def _item(label: str, value: Any) -> str:
    return f"- {label}: {value if value not in (None, '') else NOT_STATED}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        # a bar in a name would end the cell
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def _model_lines(reader: RunReader, record: RunRecord, by: str) -> Iterator[str]:
    settings = nested_settings(record)
    algorithm = settings.get("algorithm")
    chosen = algorithm.get("name") if isinstance(algorithm, dict) else None
    yield _item("algorithm", chosen)
    if isinstance(algorithm, dict):
        yield _item("parameters", ", ".join(f"{key}={value}" for key, value in algorithm.items() if key != "name"))
    yield _item("task", record.task)
    yield _item("trained", f"{record.started[:10]}, run {record.id}, {format_number(record.seconds)} s")
    yield _item("registered", f"{timestamp()[:10]} by {by}")
    yield _item("trained again by", f"`{training_command(record)}`")


def _use_lines(record: RunRecord) -> Iterator[str]:
    """Yield what the config states on the problem: keys below `problem`."""
    stated = {
        key.removeprefix("problem."): value
        for key, value in record.config.items()
        if key.startswith("problem.") and value
    }
    yield from (_item(key.replace("_", " "), value) for key, value in stated.items())
    if not stated:
        yield f"{NOT_STATED.capitalize()}: who may use it for what, and what an error costs."


def _data_lines(reader: RunReader) -> Iterator[str]:
    data = reader.data
    target, split = data.get("target") or {}, data.get("split") or {}
    yield _item("table", f"{data.get('name')}, {data.get('rows')} rows, fingerprint {str(data.get('fingerprint'))[:8]}")
    yield _item("target", f"{target.get('name')} ({target.get('dtype')})")
    if target.get("classes"):
        yield _item("classes", ", ".join(map(str, target["classes"])))
    sizes = ", ".join(f"{part} {split[part]}" for part in ("train", "validation", "test") if part in split)
    yield _item("rows by split", sizes)
    yield from (_item(key, text) for key, text in (data.get("card") or {}).items())
    if sensitive := data.get("sensitive"):
        yield _item("sensitive columns", ", ".join(f"{name}: {way}" for name, way in sensitive.items()))
    yield from (_item("note", note) for note in data.get("notes") or ())
    columns = data.get("columns") or []
    if columns:
        yield ""
        rows = [
            [column.get("name"), column.get("dtype"), column.get("distinct"), f"{column.get('missing') or 0}"]
            for column in columns[:MAX_COLUMNS]
        ]
        yield from _table(("column", "type", "distinct", "missing"), rows)
        if len(columns) > MAX_COLUMNS:
            yield f"\nand {len(columns) - MAX_COLUMNS} more in `data.json`"


def _metric_lines(reader: RunReader, record: RunRecord) -> Iterator[str]:
    intervals = (reader.evaluation.get("intervals") or {}).get("test") or {}
    parts = list(record.metrics)
    names = dict.fromkeys(name for values in record.metrics.values() for name in values)
    rows = []
    for name in names:
        interval: Mapping[str, Any] = intervals.get(name) or {}
        rows.append(
            [name, *(format_number(record.metrics[part].get(name)) for part in parts), format_interval(interval)]
        )
    if rows:
        level = (reader.evaluation.get("intervals") or {}).get("level")
        heading = f"test, {level:.0%} interval" if isinstance(level, float) else "test, interval"
        yield from _table(["metric", *parts, heading], rows)
    yield from (f"\nIt failed a gate of its run: {missed}" for missed in record.missed)


def _comparison_lines(reader: RunReader) -> Iterator[str]:
    rows = []
    for baseline in reader.evaluation.get("baselines") or ():
        gain = baseline.get("gain") or {}
        ends = [format_number(gain.get(end)) for end in ("value", "low", "high")]
        rows.append([baseline.get("name"), gain.get("metric"), *ends])
    if rows:
        yield "Gain over simple models on the test rows; above 0 is better."
        yield ""
        yield from _table(("model", "metric", "gain", "low", "high"), rows)


def _fairness_lines(reader: RunReader) -> Iterator[str]:
    for column in reader.evaluation.get("fairness") or ():
        gaps = [gap for gap in column.get("gaps") or () if gap.get("kind") == "difference"]
        texts = ", ".join(f"{gap.get('metric')} {format_number(gap.get('value'))}" for gap in gaps)
        yield _item(f"gaps between groups of {column.get('column')}", texts)


def _finding_lines(reader: RunReader) -> Iterator[str]:
    for finding in reader.evaluation.get("findings") or ():
        if isinstance(finding, Mapping) and finding.get("level") != "good":
            yield f"- {finding.get('says')}"


def _environment_lines(reader: RunReader) -> Iterator[str]:
    environment, _ = reader.read_environment()
    yield _item("python", environment.get("python"))
    for key in ("packages", "plugins"):
        facts = environment.get(key) or {}
        if isinstance(facts, Mapping) and facts:
            yield _item(key, ", ".join(f"{name} {version}" for name, version in facts.items()))
    git = environment.get("git")
    if isinstance(git, Mapping):
        yield _item("code", f"{git.get('revision')}{', changed since' if git.get('changed') else ''}")
