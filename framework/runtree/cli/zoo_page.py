"""The zoo as it is printed: a table of its entries, and the page of one."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from runtree.cli.cells import printable
from runtree.cli.tables import print_json, print_table, terminal_width
from runtree.cli.words import command, next_line
from runtree.contract.card import WEIGHTS
from runtree.records.zoo import ZooEntry, layer_shapes, list_entries

SCHEMA = 1
LABEL = 15  # room for the word at the beginning of a line
STATED = ("architecture", "task", "source", "licence", "description", "sha256")


def print_entries(zoo: Path, as_json: bool) -> None:
    """Print a row for each entry; below one that is damaged, why."""
    found = list(list_entries(zoo))
    if as_json:
        print_json({"schema": SCHEMA, "zoo": str(zoo), "entries": [told(entry) for entry in found]})
        return
    if not found:
        click.echo(f"no entries in {zoo}")
        click.echo(next_line([command("zoo", "add", "NAME", "latest")]))
        return
    headings = ("name", "architecture", "task", "bytes", "state", "description")
    faults = {number: f"-> {entry.fault}" for number, entry in enumerate(found) if entry.fault}
    print_table(headings, [row(entry) for entry in found], faults, terminal_width())
    whole = next((entry.name for entry in found if entry.fault is None), "NAME")
    click.echo(f"\n{next_line([command('zoo', 'show', whole), f'runtree train … algorithm.pretrained={whole}'])}")


def row(entry: ZooEntry) -> list[Any]:
    """Return an entry's cells; the architecture without the packages it lies in."""
    card = entry.card
    told = [None, None] if card is None else [(card.architecture or "").rpartition(".")[2] or None, card.task]
    return [entry.name, *told, entry.size, entry.state, card.description if card else None]


def told(entry: ZooEntry) -> dict[str, Any]:
    """Return an entry for programs."""
    card = asdict(entry.card) if entry.card else None
    kept = {"folder": str(entry.folder), "size": entry.size, "state": entry.state, "fault": entry.fault}
    return {"name": entry.name, **kept, "card": card}


def print_entry(entry: ZooEntry, as_json: bool) -> None:
    """Print a card and its layers with their shapes."""
    found = {} if entry.fault else layer_shapes(entry.folder / WEIGHTS)
    if as_json:
        print_json({"schema": SCHEMA, "entry": {**told(entry), "layers": found}})
        return
    for line in card_lines(entry):
        click.echo(printable(line))
    if found:
        click.echo()
        print_table(("layer", "shape"), [[name, " x ".join(map(str, shape)) or "1"] for name, shape in found.items()])
        click.echo(f"\n{next_line([f'runtree train … algorithm.pretrained={entry.name}'])}")


def card_lines(entry: ZooEntry) -> Iterator[str]:
    """Yield an entry's card, a line for each key that somebody stated."""
    facts: dict[str, Any] = {"name": entry.name, "state": entry.state, "fault": entry.fault}
    if entry.card is not None:
        facts |= {key: getattr(entry.card, key) for key in STATED}
        facts |= {"classes": ", ".join(entry.card.classes[:20]) if entry.card.classes else None}
        facts |= {f"inputs.{key}": value for key, value in (entry.card.inputs or {}).items()}
    return (f"{key:<{LABEL}}{value}" for key, value in facts.items() if value is not None)
