"""`runtree describe`: one option, its keys, and the class behind it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_option
from runtree.cli.format import command, indented, labelled, next_steps, terminal_width
from runtree.cli.tables import print_json

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue, Option
    from runtree.config.describe import Description, OptionParameter

SCHEMA = 1
DEFAULT_COLUMN_WIDTH = 40  # of key and default, before the type
# of the letters: a comment in the YAML often rewords the docstring
SAME_SENTENCE_RATIO = 0.5  # two sentences at least so similar say the same
QUOTED_DEFAULTS = ("", " ", ",", ".", ";", "\t")  # which would be overlooked without quotes

HELP = """Describe an option: its keys with default, type and meaning, its search space, and the class behind it.

WHAT is group=option, a group (its default option is described), or the name of an option that no other group has.

\b
  runtree describe algorithm=random_forest
  runtree describe csv
"""


@click.command("describe", help=HELP)
@click.argument("what", shell_complete=complete_option)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def describe_command(what: str, as_json: bool) -> None:
    from runtree.app import App
    from runtree.config.describe import describe

    app = App()
    description = describe(app.catalogue, _find_option(app.catalogue, what), app.allow_list())
    if as_json:
        print_json({"schema": SCHEMA, "option": _make_document(description)})
    else:
        _print_description(description, app.catalogue)


def _find_option(catalogue: "Catalogue", what: str) -> "Option":
    """Return the option for `group=option`, a group, or the name of an option."""
    from runtree.contract.errors import RequestError, unknown

    group, equals, name = what.partition("=")
    if equals:
        return catalogue.option(group, name)
    # a group wins over an option of the same name
    if group in catalogue.groups:
        default = catalogue.choices().get(group)
        if default is None:
            names = ", ".join(catalogue.groups[group])
            raise RequestError(f"{group} has no default option", f"possible: {names}", f"see: {command('list', group)}")
        return catalogue.option(group, default)
    groups = [group for group, options in catalogue.groups.items() if what in options]
    if len(groups) > 1:
        raise RequestError(f"'{what}' is an option of {len(groups)} groups", *(f"{group}={what}" for group in groups))
    if not groups:
        options = (option for options in catalogue.groups.values() for option in options)
        raise unknown("group or option", what, {*catalogue.groups, *options})
    return catalogue.option(groups[0], what)


def _make_document(description: "Description") -> dict[str, Any]:
    from runtree.config.yaml_comments import option_summary

    option = description.option
    about = {"group": option.group, "name": option.name, "summary": option_summary(option), "provider": option.provider}
    fields = {key: value for key, value in asdict(description).items() if key != "option"}
    return {**about, "file": str(option.file) if option.file else None, **fields}


def _print_description(description: "Description", catalogue: "Catalogue") -> None:
    from runtree.config.yaml_comments import option_summary

    click.echo(f"{description.option.group}={description.option.name}")
    click.echo(indented(option_summary(description.option), "  "))
    click.echo()
    for label, text in _facts(description):
        click.echo(labelled(label, text))
    for parameter in description.parameters:
        _print_parameter(parameter)
    if description.space:
        click.echo("\nsearch space:")
        width = max(map(len, description.space))
        for path, text in description.space.items():
            click.echo(f"  {path:<{width}}  {text}")
    if description.more:
        click.echo("\nfurther parameters, set with + before the key:")
        click.echo(indented(", ".join(description.more), "  "))
    click.echo(f"\n{next_steps(_suggestions(description, catalogue))}")


def _facts(description: "Description") -> Iterator[tuple[str, str]]:
    """Yield tasks, the classes behind the option, its origin, and what could not be inspected."""
    origin = f"{description.option.provider}: {description.option.file or 'the hook register_algorithms'}"
    honoured = [
        f"fit.{key}" if place == "step" else f"fit.{key} ({place})" for key, place in description.honours.items()
    ]
    facts = {
        "tasks": [", ".join(description.tasks)] if description.tasks else [],
        "chooses": description.chooses,
        "target": [f"{target} ({task})" if task else target for task, target in description.targets.items()],
        "fit": [f"honours {', '.join(honoured)}"] if honoured else [],
        "from": [origin],
        "problem": description.problems,
    }
    for label, texts in facts.items():
        for number, text in enumerate(texts):
            yield "" if number else label, text


def _print_parameter(parameter: "OptionParameter") -> None:
    """Print a key with default and type, and below it its meaning."""
    pair = f"{parameter.path} = {_format_default(parameter.default)}"
    line = f"{pair:<{DEFAULT_COLUMN_WIDTH}}    {parameter.type}" if parameter.type else pair
    # a type such as a list of choices may be longer than a terminal is wide
    fits = len(line) <= (terminal_width() or 120)
    below = list(filter(None, [*([] if fits else [parameter.type]), parameter.meaning, parameter.note]))
    click.echo(f"\n{line if fits else pair}")
    for text, following in zip(below, [*below[1:], ""], strict=False):
        if not _say_the_same(text, following):  # a comment in the YAML often repeats the docstring
            click.echo(indented(text, "    "))


def _say_the_same(first: str, second: str) -> bool:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first.lower(), second.lower()).ratio() >= SAME_SENTENCE_RATIO


def _format_default(value: Any) -> str:
    """Return a default as YAML: ``sqrt (classification), 1.0 (regression)`` where it differs by task."""
    from runtree.config.catalogue import differs_by_task

    if differs_by_task(value):
        return ", ".join(f"{_format_default(default)} ({task})" for task, default in value.items())
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "(required)" if value == "???" else f'"{value}"' if value in QUOTED_DEFAULTS else str(value)


def _suggestions(description: "Description", catalogue: "Catalogue") -> list[str]:
    option = f"{description.option.group}={description.option.name}"
    required = [parameter.path for parameter in description.parameters if parameter.default == "???"]
    overrides = [f"{path}={path.rpartition('.')[2].upper()}" for path in required]
    # the default table is one of classification
    if description.tasks == ("regression",) and "diabetes" in catalogue.groups.get("data", {}):
        overrides = ["data=diabetes", *overrides]
    words = ("serve", "latest") if description.option.group == "serve" else ("train",)
    return [command(*words, option, *overrides), command("list", description.option.group)]
