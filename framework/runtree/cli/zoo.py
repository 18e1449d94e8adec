"""`runtree zoo`: weights to start from, and how a run's become such."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.show import complete_run
from runtree.cli.words import command, next_line, outputs_option

if TYPE_CHECKING:
    from runtree.contract.card import Card

ZOO = "zoo"

HELP = """List weights to start from: what is in the zoo, a folder of NAME/card.yaml and NAME/weights.safetensors.

Train from them with algorithm.pretrained=NAME.

\b
  runtree zoo
  runtree zoo add prices latest --licence CC0-1.0
  runtree zoo show prices
"""


def zoo_option(default: str | None) -> Callable[[Any], Any]:
    """Return the option that says where the zoo is; after a verb of the zoo's it may stand too."""
    return click.option("--zoo", "zoo", metavar="DIR", default=default, show_default=ZOO, help="The zoo's folder.")


@click.group("zoo", help=HELP, invoke_without_command=True)
@zoo_option(ZOO)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def zoo_command(context: click.Context, zoo: str, as_json: bool) -> None:
    """Print the entries, unless one of the verbs below follows."""
    from runtree.cli.zoo_page import print_entries

    if context.invoked_subcommand is None:
        print_entries(folder_of(zoo), as_json)


@zoo_command.command("show", short_help="Show one entry: its card, and the names of its layers.")
@click.argument("name")
@zoo_option(None)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_entry(context: click.Context, name: str, zoo: str | None, as_json: bool) -> None:
    """Show one entry: its card, and the names of its layers, by which they are chosen and frozen."""
    from runtree.cli.zoo_page import print_entry
    from runtree.records.zoo import find_entry

    print_entry(find_entry(folder_of(zoo or before(context)), name), as_json)


@zoo_command.command("add", short_help="Copy the weights of a run, or a .safetensors file, into the zoo.")
@click.argument("name")
@click.argument("source", metavar="RUN|FILE", shell_complete=complete_run)
@click.option("--description", help="What it is, in a sentence.")
@click.option("--licence", help="Under which others may use it, such as Apache-2.0.")
@click.option("--source", "origin", metavar="TEXT", help="Where it is from; of a run, its id.")
@click.option("--architecture", metavar="DOTTED", help="What it is of, where a file does not say.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="What it was trained for.")
@zoo_option(None)
@outputs_option()
@click.pass_context
def add_entry(context: click.Context, /, name: str, source: str, zoo: str | None, outputs: str, **stated: Any) -> None:
    """Copy the weights of a run, named as `runtree show` does, or a .safetensors file into the zoo, with a card."""
    from dataclasses import replace

    from runtree.records.zoo import add_entry

    card, weights = described(name, source, outputs)
    stated["source"] = stated.pop("origin")  # `source` is an argument here
    card = replace(card, **{key: value for key, value in stated.items() if value})
    entry = add_entry(folder_of(zoo or before(context)), card, weights)
    click.echo(f"{entry.folder}: {entry.size:,} bytes, {entry.state}")
    click.echo(next_line([command("zoo", "show", name), f"runtree train … algorithm.pretrained={name}"]))


def before(context: click.Context) -> str:
    """Return what `--zoo` said before the verb of the zoo's."""
    named: str = context.parent.params["zoo"] if context.parent else ZOO
    return named


def folder_of(zoo: str) -> Path:
    """Return the zoo's folder."""
    from runtree.contract.errors import RequestError

    if "://" in zoo:
        raise RequestError(f"zoo: {zoo}: this verb works in a folder of this machine", "type: --zoo FOLDER")
    return Path(zoo)


def described(name: str, source: str, outputs: str) -> "tuple[Card, Path]":
    """Return the card and the weights of a file or of a run."""
    from runtree.contract.card import refuse_pickles
    from runtree.records.selectors import find_run
    from runtree.records.zoo import make_file_card, make_run_card, weights_file

    refuse_pickles(source, "zoo")
    if source.endswith(".safetensors"):
        return make_file_card(name, Path(source)), Path(source)
    record = find_run(Path(outputs), source, completed=True)
    return make_run_card(name, record), weights_file(record)
