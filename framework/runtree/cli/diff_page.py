"""The page that says what differs between two runs."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import printable
from runtree.cli.tables import print_table, terminal_width
from runtree.cli.words import command, counted, duration, next_line

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord
    from runtree.records.diff import Diff, Difference, Section

LABEL = 9  # room for the word at the beginning of a line


def print_diff(found: "Diff", outputs: str) -> None:
    """Print both runs, whether they compare, each section, and what to type next."""
    for letter, record in (("A", found.one), ("B", found.other)):
        click.echo(f"{letter:<{LABEL}}{printable(told_run(record))}")
    for label, text in verdict(found):
        click.echo(f"{label:<{LABEL}}{text}")
    print_sections(found.sections)
    commands = [command("show", record.id, outputs=outputs) for record in (found.one, found.other)]
    click.echo(f"\n{next_line(commands)}")


def told_run(record: "RunRecord") -> str:
    """Return a run in a line."""
    took = f", took {duration(record.seconds)} s" if record.seconds is not None else ""
    return f"{record.id}   {record.state}, experiment {record.experiment}{took}"


def verdict(found: "Diff") -> Iterator[tuple[str, str]]:
    """Yield whether the two are the same science, and whether their metrics compare."""
    prints = [str(record.fingerprints.get("config"))[:8] for record in (found.one, found.other)]
    same = f"the same: both have the config fingerprint {prints[0]}"
    unknown = "not known: one of the two has no config fingerprint"
    another = f"another: config fingerprint {prints[0]} against {prints[1]}"
    yield "science", unknown if found.same_science is None else same if found.same_science else another
    if found.obstacles:
        yield "metrics", f"do not compare: {', '.join(found.obstacles)}"


def print_sections(sections: "Iterable[Section]") -> None:
    """Print a table for each section in which something differs, a line for each other."""
    for section in sections:
        click.echo()
        if section.found:
            print_table(headings(section), [cells(section, item) for item in section.found], width=terminal_width())
        else:
            click.echo(f"{section.name}: {nothing(section)}")
        for note in section.notes:
            click.echo(f"  {printable(note)}")


def nothing(section: "Section") -> str:
    """Return what is said where nothing differs."""
    return f"the same ({counted(section.compared, 'value')})" if section.compared else "nothing to compare"


def headings(section: "Section") -> list[str]:
    """Return the headings of a section's table."""
    return [section.name, "A", "B", *(["B - A"] if section.name in ("metrics", "seconds") else [])]


def cells(section: "Section", item: "Difference") -> list[Any]:
    """Return a row; numbers of a config in full, since two may differ late."""
    if section.name == "seconds":
        change = "-" if item.change is None else f"{item.change:+.3g}"
        return [item.name, *(written(value, duration) for value in (item.one, item.other)), change]
    if section.name == "metrics":
        change = "-" if item.change is None else f"{item.change:+.4g}"
        return [item.name, *(written(value, lambda number: number) for value in (item.one, item.other)), change]
    return [item.name, written(item.one, whole), written(item.other, whole)]


def whole(value: Any) -> str:
    """Return a value as YAML has it, numbers in full."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def written(value: Any, form: Any) -> Any:
    """Return a cell; a dash where there is no value."""
    from runtree.records.diff import ABSENT

    if value is ABSENT:
        return "-"
    return form(value) if isinstance(value, (int, float)) or form is whole else str(value)
