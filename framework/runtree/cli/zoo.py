"""`runtree zoo`: pretrained weights, listed and added."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, labelled, next_steps, outputs_option
from runtree.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from runtree.contract.card import ModelCard
    from runtree.records.zoo import ZooEntry

SCHEMA = 1
DEFAULT_ZOO = "zoo"
LABEL_WIDTH = 15
CARD_FIELDS = ("architecture", "task", "source", "licence", "description", "sha256")
MAX_SHOWN_CLASSES = 20

HELP = """List the pretrained weights in the zoo, a folder of NAME/card.yaml and NAME/weights.safetensors.

To train from them: algorithm.pretrained=NAME.

\b
  runtree zoo
  runtree zoo add prices latest --licence CC0-1.0
  runtree zoo show prices
"""


def zoo_option(default: str | None) -> Callable[[Any], Any]:
    """Return the option for the folder of the zoo. It is valid before and after a subcommand."""
    return click.option(
        "--zoo", "zoo", metavar="DIR", default=default, help=f"The folder of the zoo.  [default: {DEFAULT_ZOO}]"
    )


@click.group("zoo", help=HELP, invoke_without_command=True)
@zoo_option(DEFAULT_ZOO)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def zoo_command(context: click.Context, zoo: str, as_json: bool) -> None:
    # click also calls the group before its subcommand
    if context.invoked_subcommand is None:
        _print_entries(_zoo_folder(context, zoo), as_json)


@zoo_command.command("show", short_help="Show one entry: its card, and names and shapes of its layers.")
@click.argument("name")
@zoo_option(None)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_entry(context: click.Context, name: str, zoo: str | None, as_json: bool) -> None:
    """Show one entry: its card, and the names of its layers, by which they are selected and frozen."""
    from runtree.records.zoo import find_entry

    _print_entry(find_entry(_zoo_folder(context, zoo), name), as_json)


@zoo_command.command("add", short_help="Copy the weights of a run, or a .safetensors file, into the zoo.")
@click.argument("name")
@click.argument("source", metavar="RUN|FILE", shell_complete=complete_run)
@click.option("--description", help="A description in one sentence.")
@click.option("--licence", help="The licence of the weights, such as Apache-2.0.")
@click.option("--source", "origin", metavar="TEXT", help="The origin of the weights; of a run, its id.")
@click.option("--architecture", metavar="DOTTED", help="The class of the network, if the file does not name it.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="The task it was trained for.")
@zoo_option(None)
@outputs_option()
@click.pass_context
def add_entry(context: click.Context, /, name: str, source: str, zoo: str | None, outputs: str, **stated: Any) -> None:
    """Copy the weights of a run, named as in `runtree show`, or a .safetensors file into the zoo, with a card."""
    from dataclasses import replace

    from runtree.records.zoo import add_entry

    card, weights = _make_card(name, source, outputs)
    stated["source"] = stated.pop("origin")  # `source` is the name of the argument
    card = replace(card, **{key: value for key, value in stated.items() if value})
    entry = add_entry(_zoo_folder(context, zoo), card, weights)
    click.echo(f"{entry.folder}: {entry.size:,} bytes, {entry.state}")
    click.echo(next_steps([command("zoo", "show", name), f"runtree train … algorithm.pretrained={name}"]))


def _zoo_folder(context: click.Context, zoo: str | None) -> Path:
    """Return the folder of the zoo: `--zoo` after the subcommand, else before it, else the default."""
    from runtree.contract.errors import RequestError

    # the subcommand's option has no default, or it would hide the one before it
    name = zoo or (context.parent.params.get("zoo") if context.parent else None) or DEFAULT_ZOO
    if "://" in name:
        raise RequestError(f"zoo: {name} is not a folder of this machine", "type: --zoo FOLDER")
    return Path(name)


def _make_card(name: str, source: str, outputs: str) -> "tuple[ModelCard, Path]":
    """Return the card and the weights of a file or of a run."""
    from runtree.contract.card import refuse_pickles
    from runtree.records.find import find_run
    from runtree.records.zoo import make_file_card, make_run_card, weights_file

    # before a run of that name is looked for: the message about pickles is the helpful one
    refuse_pickles(source, "zoo")
    if source.endswith(".safetensors"):
        return make_file_card(name, Path(source)), Path(source)
    record = find_run(Path(outputs), source, needs="model")
    return make_run_card(name, record), weights_file(record)


def _print_entries(zoo: Path, as_json: bool) -> None:
    from runtree.records.zoo import list_entries

    entries = list(list_entries(zoo))
    if as_json:
        documents = [_entry_document(entry) for entry in entries]
        print_json({"schema": SCHEMA, "zoo": str(zoo), "entries": documents})
        return
    if not entries:
        click.echo(f"no entries in {zoo}")
        click.echo(next_steps([command("zoo", "add", "NAME", "latest")]))
        return
    rows = []
    for entry in entries:
        card = entry.card
        about = [(card.architecture or "").rpartition(".")[2] or None, card.task] if card else [None, None]
        rows.append([entry.name, *about, entry.size, entry.state, card.description if card else None])
    faults = {number: f"-> {entry.fault}" for number, entry in enumerate(entries) if entry.fault}
    print_table(("name", "architecture", "task", "bytes", "state", "description"), rows, faults)
    usable = next((entry.name for entry in entries if entry.fault is None), "NAME")
    commands = [command("zoo", "show", usable), f"runtree train … algorithm.pretrained={usable}"]
    click.echo(f"\n{next_steps(commands)}")


def _entry_document(entry: "ZooEntry") -> dict[str, Any]:
    from dataclasses import asdict

    facts = {"folder": str(entry.folder), "size": entry.size, "state": entry.state, "fault": entry.fault}
    return {"name": entry.name, **facts, "card": asdict(entry.card) if entry.card else None}


def _print_entry(entry: "ZooEntry", as_json: bool) -> None:
    from runtree.contract.card import WEIGHTS
    from runtree.records.zoo import layer_shapes

    # a damaged file is described by its card alone
    shapes = {} if entry.fault else layer_shapes(entry.folder / WEIGHTS)
    if as_json:
        print_json({"schema": SCHEMA, "entry": {**_entry_document(entry), "layers": shapes}})
        return
    for label, value in _card_lines(entry):
        click.echo(labelled(label, str(value), LABEL_WIDTH))
    if shapes:
        click.echo()
        print_table(("layer", "shape"), [[name, " x ".join(map(str, shape)) or "1"] for name, shape in shapes.items()])
        click.echo(f"\n{next_steps([f'runtree train … algorithm.pretrained={entry.name}'])}")


def _card_lines(entry: "ZooEntry") -> Iterator[tuple[str, Any]]:
    """Yield the fields of the card that are stated."""
    facts: dict[str, Any] = {"name": entry.name, "state": entry.state, "fault": entry.fault}
    if entry.card is not None:
        facts |= {key: getattr(entry.card, key) for key in CARD_FIELDS}
        facts |= {"classes": ", ".join(entry.card.classes[:MAX_SHOWN_CLASSES]) if entry.card.classes else None}
        facts |= {f"inputs.{key}": value for key, value in (entry.card.inputs or {}).items()}
    return ((label, value) for label, value in facts.items() if value is not None)
