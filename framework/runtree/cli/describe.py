"""`runtree describe`: one option, its keys and the code behind it."""

from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_option
from runtree.cli.words import command, next_line

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue, Option
    from runtree.config.describe import Description, OptionParameter

SCHEMA = 1
LABEL = 8  # room for the word at the beginning of a line

HELP = """Describe an option: its keys with default, type and meaning, its space, and the code behind it.

WHAT is group=option, a group (its default option is described), or an option whose name no other group has.

\b
  runtree describe algorithm=random_forest
  runtree describe csv
"""


@click.command("describe", help=HELP)
@click.argument("what", shell_complete=complete_option)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def describe_command(what: str, as_json: bool) -> None:
    """Find the option and tell about it."""
    from runtree.app import App
    from runtree.cli.tables import print_json
    from runtree.config.describe import describe

    app = App()
    found = describe(app.catalogue, find_option(app.catalogue, what), app.allow_list())
    if as_json:
        print_json({"schema": SCHEMA, "option": as_document(found)})
    else:
        print_description(found, app.catalogue)


def find_option(catalogue: "Catalogue", what: str) -> "Option":
    """Return the option that `group=option`, a group or an option's name stands for."""
    from runtree.contract.errors import RequestError, unknown

    group, sign, name = what.partition("=")
    if sign:
        return catalogue.option(group, name)
    if group in catalogue.groups:
        chosen = catalogue.choices().get(group)
        if chosen is None:
            names = ", ".join(catalogue.groups[group])
            raise RequestError(
                f"no option of {group} is chosen by default", f"possible: {names}", f"see: runtree list {group}"
            )
        return catalogue.option(group, chosen)
    homes = [other for other, options in catalogue.groups.items() if what in options]
    if len(homes) > 1:
        raise RequestError(f"'{what}' is an option of {len(homes)} groups", *(f"{home}={what}" for home in homes))
    if not homes:
        raise unknown("group or option", what, {*catalogue.groups, *(n for o in catalogue.groups.values() for n in o)})
    return catalogue.option(homes[0], what)


def as_document(found: "Description") -> dict[str, Any]:
    """Return a description as plain data."""
    from runtree.config.yaml_comments import option_summary

    option = found.option
    about = {"group": option.group, "name": option.name, "summary": option_summary(option), "provider": option.provider}
    more = {key: value for key, value in asdict(found).items() if key != "option"}
    return {**about, "file": str(option.file) if option.file else None, **more}


def print_description(found: "Description", catalogue: "Catalogue") -> None:
    """Print an option for people."""
    from runtree.cli.tables import indented, terminal_width
    from runtree.config.yaml_comments import option_summary

    width = terminal_width()
    click.echo(f"{found.option.group}={found.option.name}")
    click.echo(indented(option_summary(found.option), "  ", width))
    click.echo()
    for label, text in facts(found):
        click.echo(f"{label:<{LABEL}}{text}")
    for parameter in found.parameters:
        print_parameter(parameter, width)
    print_space(found)
    if found.more:
        click.echo("\nmore of its parameters, set with + before the key:")
        click.echo(indented(", ".join(found.more), "  ", width))
    click.echo(f"\n{next_line(suggestions(found, catalogue))}")


def facts(found: "Description") -> list[tuple[str, str]]:
    """Return what an option is for, the code behind it, where it comes from, and what could not be looked into."""
    targets = [f"{target} ({task})" if task else target for task, target in found.targets.items()]
    rows = [
        ("tasks", [", ".join(found.tasks)] if found.tasks else []),
        ("chooses", list(found.chooses)),
        ("target", targets),
        ("fit", [f"honours {', '.join(honoured(found))}"] if found.honours else []),
        ("from", [f"{found.option.provider}: {found.option.file or 'the hook register_algorithms'}"]),
        ("problem", list(found.problems)),
    ]
    return [(label if number == 0 else "", text) for label, texts in rows for number, text in enumerate(texts)]


def honoured(found: "Description") -> list[str]:
    """Return the keys of the `fit` block that an algorithm honours, with the parameter that a value is put into."""
    return [f"fit.{key}" if place == "step" else f"fit.{key} ({place})" for key, place in found.honours.items()]


def print_parameter(parameter: "OptionParameter", width: int | None) -> None:
    """Print a key with its default and what it takes, and below that what it means."""
    from runtree.cli.tables import indented

    told = f"{parameter.path} = {default(parameter.default)}"
    beside = f"{told:<40}    {parameter.type}" if parameter.type else told
    fits = len(beside) <= (width or 120)
    below = [*([] if fits else [parameter.type]), parameter.meaning, parameter.note]
    click.echo(f"\n{beside if fits else told}")
    for text in said_once(list(filter(None, below))):
        click.echo(indented(text, "    ", width))


def said_once(texts: list[str]) -> list[str]:
    """Leave out a sentence that the next one says again: a comment in the YAML often repeats the docstring."""
    return [text for text, after in zip_longest(texts, texts[1:], fillvalue="") if not alike(text, after)]


def alike(one: str, other: str) -> bool:
    """Tell whether two sentences say much the same."""
    from difflib import SequenceMatcher

    return SequenceMatcher(None, one.lower(), other.lower()).ratio() >= 0.5


def default(value: Any) -> str:
    """Return a default as YAML would hold it; ``sqrt (classification), 1.0 (regression)`` where it differs by task."""
    from runtree.config.catalogue import differs_by_task

    if differs_by_task(value):
        return ", ".join(f"{default(own)} ({task})" for task, own in value.items())
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "(required)" if value == "???" else f'"{value}"' if value in ("", " ", ",", ".", ";", "\t") else str(value)


def print_space(found: "Description") -> None:
    """Print what a tuner may choose."""
    if found.space:
        click.echo("\nspace, what a tuner may choose:")
    room = max((len(path) for path in found.space), default=0)
    for path, text in found.space.items():
        click.echo(f"  {path:<{room}}  {text}")


def suggestions(found: "Description", catalogue: "Catalogue") -> list[str]:
    """Return what to type next."""
    option = f"{found.option.group}={found.option.name}"
    needed = [f"{one.path}={one.path.rpartition('.')[2].upper()}" for one in found.parameters if one.default == "???"]
    table = (
        ["data=diabetes"] if found.tasks == ("regression",) and "diabetes" in catalogue.groups.get("data", {}) else []
    )
    return [command("train", option, *table, *needed), command("list", found.option.group)]
