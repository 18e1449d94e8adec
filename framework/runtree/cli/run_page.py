"""The page of one run, section by section."""

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import printable
from runtree.cli.intervals import with_limits
from runtree.cli.tables import print_table, terminal_width
from runtree.cli.train_report import ended
from runtree.cli.words import age, duration, told_looks
from runtree.records import artifacts
from runtree.records.cleanup import removed_artifacts
from runtree.records.layout import RunFolder

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

WIDTH = 120  # of lines of YAML where the output goes to a file or a pipe
LABEL = 9  # room for the word at the beginning of a line


def print_page(record: "RunRecord") -> None:
    """Print everything about a run that fits on a page."""
    for label, text in [*heading(record), *data_lines(record), *error_lines(record)]:
        click.echo(f"{label:<{LABEL}}{printable(text)}")
    if record.metrics:
        click.echo()
        print_metrics(record)
    looks = artifacts.evaluation(record).get("test_looks")
    if looks:
        click.echo(f"\n{told_looks(looks)} when this run was scored")
    if artifacts.folds(record):
        click.echo()
        print_rows(artifacts.folds(record))
    click.echo("\nconfig")
    for line in yaml_lines(artifacts.settings(record)):
        click.echo(f"  {line}")
    click.echo(f"\n{'again':<{LABEL}}{printable(shlex.join(['runtree', 'train', *record.overrides]))}")
    click.echo(f"{'folder':<{LABEL}}{record.folder}")
    for label, text in cleaned_lines(record):
        click.echo(f"{label:<{LABEL}}{printable(text)}")


def heading(record: "RunRecord") -> Iterator[tuple[str, str]]:
    """Yield what, when and how long."""
    reason = f" ({record.reason})" if record.reason and record.reason != record.state else ""
    yield "run", f"{record.id}   {record.state}{reason}"
    took = f", took {duration(record.seconds)} s" if record.seconds is not None else ""
    yield "", f"experiment {record.experiment}, started {when(record.started)}{took}"
    if record.fit.get("reason"):
        yield "fit", f"ended {ended(record.fit)}"
    yield from (("missed", text) for text in record.missed)
    if record.stages:
        yield "seconds", ", ".join(f"{name} {duration(value)}" for name, value in record.stages.items())


def when(moment: str) -> str:
    """Return a moment to the second, and how long ago it was."""
    clock = moment[:19].replace("T", " ")
    return f"{clock} UTC ({age(moment)})" if moment.endswith("+00:00") else f"{clock} ({age(moment)})"


def data_lines(record: "RunRecord") -> Iterator[tuple[str, str]]:
    """Yield what the run worked on, as `data.json` has it."""
    found = artifacts.data(record)
    if not found:
        return
    target, split = found.get("target") or {}, found.get("split") or {}
    classes = f", {len(target['classes'])} classes" if target.get("classes") else ""
    sizes = "/".join(str(split.get(part, "?")) for part in ("train", "validation", "test"))
    yield (
        "data",
        f"{found.get('name')}: {found.get('rows')} rows x {len(found.get('columns') or ())}, "
        f"target '{target.get('name')}' ({found.get('task')}{classes}), split {sizes}",
    )
    yield "", f"{found.get('task')} since {found.get('why')}; fingerprint {str(found.get('fingerprint'))[:8]}"


def cleaned_lines(record: "RunRecord") -> Iterator[tuple[str, str]]:
    """Yield what was removed later, and how to have it again."""
    gone = removed_artifacts(RunFolder(record.folder))
    if gone:
        yield "cleaned", f"removed by runtree clean: {', '.join(gone)}; to have them again: runtree rerun {record.id}"


def error_lines(record: "RunRecord") -> Iterator[tuple[str, str]]:
    """Yield what went wrong, what to do, and where more is said."""
    if record.error:
        first, *others = str(record.error.get("message")).strip().splitlines() or [""]
        yield "error", f"{record.error.get('type')}: {first}"
        yield from (("", line) for line in (*others, *(record.error.get("hints") or ())))
    if record.state in ("failed", "interrupted"):
        yield "log", str(RunFolder(record.folder).log)


def metric_rows(record: "RunRecord") -> tuple[list[str], list[list[Any]]]:
    """Return the headings, and a row for each metric with a column for each part."""
    parts = record.metrics
    names = dict.fromkeys(name for own in parts.values() for name in own)
    return ["metric", *parts], [[name, *(own.get(name) for own in parts.values())] for name in names]


def print_metrics(record: "RunRecord") -> None:
    """Print each metric on each part; an arrow marks the one that the run is ranked by."""
    headings, rows = with_limits(*metric_rows(record), artifacts.evaluation(record))
    ranked = record.objective
    marks = {ranked.get("metric"): f"<- ranked by: {ranked.get('part')}, {ranked.get('direction')}"}
    print_table([*headings, ""], [[*row, marks.get(row[0], "")] for row in rows])


def print_rows(rows: Any) -> None:
    """Print mappings as a table, a column for each key."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    print_table(headings, [[row.get(name) for name in headings] for row in rows], width=terminal_width())


def yaml_lines(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield nested settings as YAML: a group in as few lines as the terminal allows, its name first."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for group, value in settings.items():
        if isinstance(value, dict):
            value = {key: value[key] for key in sorted(value, key=lambda key: key != "name")}
        room = (terminal_width() or WIDTH) - len(group) - 20
        text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=room)
        first, *others = text.removesuffix("...\n").splitlines()
        yield printable(f"{group}: {first}")
        yield from (printable(f"  {line}") for line in others)
