"""What a diagnosis found of a run: warnings after training, all of it on request."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.cells import printable

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

SCHEMA = 1
SHOWN = 2  # warnings that are printed after training; the third line says where the others are
COLUMNS = ["level", "finding", "says", "advice"]


def print_warnings(folder: Path) -> None:
    """Print at most three lines: the first warnings, and how to see what to do about them."""
    from runtree.records import artifacts
    from runtree.records.layout import RunFolder

    found = artifacts.mapping(RunFolder(folder).evaluation).get("findings") or []
    warnings = [one for one in found if one.get("level") == "warning"]
    if not warnings:
        return
    click.echo()
    for one in warnings[:SHOWN]:
        click.echo(f"note  {printable(one['says'])}")
    more = f"{len(warnings) - SHOWN} more, and " if len(warnings) > SHOWN else ""
    click.echo(f"      {more}what to do: runtree show latest --findings")


def print_findings(record: "RunRecord", as_json: bool, as_csv: bool, outputs: str) -> None:
    """Print every finding of a run, worst first, with what to do below it."""
    from runtree.cli.tables import print_csv, print_json
    from runtree.records import artifacts

    found = artifacts.evaluation(record).get("findings") or []
    if as_json:
        print_json({"schema": SCHEMA, "run": record.id, "findings": found})
    elif as_csv:
        print_csv(COLUMNS, [[one["level"], one["name"], one["says"], one["advice"]] for one in found])
    else:
        print_page(record, found, outputs)


def print_page(record: "RunRecord", found: Sequence[Mapping[str, Any]], outputs: str) -> None:
    """Print them for people."""
    from runtree.cli.tables import print_table, terminal_width
    from runtree.cli.words import command, next_line

    if not found:
        click.echo(f"{record.id} was not diagnosed: evaluator.diagnose=quick does, in a completed run", err=True)
        return
    rows = [[one["level"], one["name"], printable(one["says"])] for one in found]
    notes = {number: f"-> {printable(one['advice'])}" for number, one in enumerate(found) if one["advice"]}
    print_table(COLUMNS[:3], rows, notes, terminal_width())
    again = command("train", *record.overrides, "evaluator.diagnose=full")
    seen = [command("show", record.id, outputs=outputs)]
    full = any(one["name"] in ("more rows", "robustness") for one in found)
    click.echo(f"\n{next_line(seen if full else [again, *seen])}")
