"""`runtree diff`: what differs between two runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.show import complete_run
from runtree.cli.words import outputs_option

if TYPE_CHECKING:
    from runtree.records.diff import Diff, Difference, Section

SCHEMA = 1

HELP = """Say what differs between two runs: config, data, environment, code, metrics, seconds, and how they ended.

A and B are runs as `runtree show` takes them: `latest`, a path, or the beginning of an id. Two runs whose configs have
one fingerprint are the same science. Metrics of other data, classes, splits or evaluators do not compare, and that is
said. Of files that are missing or damaged it is said that they are.

\b
  runtree diff 20261122-0317 latest
  runtree diff 20261122-0317 latest --json
"""


@click.command("diff", help=HELP)
@click.argument("one", metavar="A", shell_complete=complete_run)
@click.argument("other", metavar="B", default="latest", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def diff_command(one: str, other: str, as_json: bool, outputs: str) -> None:
    """Find both runs and compare them."""
    from runtree.cli.diff_page import print_diff
    from runtree.cli.tables import print_json
    from runtree.records.diff import diff
    from runtree.records.selectors import find_run

    found = diff(find_run(Path(outputs), one), find_run(Path(outputs), other))
    if as_json:
        print_json(document(found))
    else:
        print_diff(found, outputs)


def document(found: "Diff") -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    return {
        "schema": SCHEMA,
        "a": {"id": found.one.id, "folder": found.one.folder},
        "b": {"id": found.other.id, "folder": found.other.folder},
        "same_science": found.same_science,
        "metrics_compare": not found.obstacles,
        "obstacles": found.obstacles,
        "sections": {section.name: told_section(section) for section in found.sections},
    }


def told_section(section: "Section") -> dict[str, Any]:
    """Return what differs, a mapping for each, without the side that has no value."""
    return {"compared": section.compared, "notes": section.notes, "differences": list(map(told, section.found))}


def told(item: "Difference") -> dict[str, Any]:
    """Return one difference."""
    from runtree.records.diff import ABSENT

    sides = {side: value for side, value in (("a", item.one), ("b", item.other)) if value is not ABSENT}
    return {"name": item.name, **sides, **({} if item.change is None else {"change": item.change})}
