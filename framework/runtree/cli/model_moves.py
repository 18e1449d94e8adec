"""`runtree models approve`, `reject`, `promote`, `rollback`, `unset`: decisions on versions, and moves of aliases."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import command, next_steps, trust_option
from runtree.cli.model_options import by_option, find_registered, open_registry, reason_option, registry_option
from runtree.cli.model_tables import print_gate

if TYPE_CHECKING:
    from runtree.records.model_versions import RegisteredModel
    from runtree.registry.gate import ScoredRows


@click.command("approve")
@click.argument("version")
@by_option()
@reason_option()
@registry_option()
@click.pass_context
def approve_version(context: click.Context, version: str, by: str | None, reason: str, registry: str | None) -> None:
    """Approve VERSION (NAME/NUMBER), which a protected alias needs."""
    _decide(context, registry, version, "approve", by, reason)


@click.command("reject")
@click.argument("version")
@by_option()
@reason_option()
@registry_option()
@click.pass_context
def reject_version(context: click.Context, version: str, by: str | None, reason: str, registry: str | None) -> None:
    """Reject VERSION (NAME/NUMBER): no protected alias may move to it."""
    _decide(context, registry, version, "reject", by, reason)


@click.command("promote")
@click.argument("version")
@click.argument("alias")
@click.option("--data", "file", metavar="FILE", help="Labelled rows on which both versions are scored.")
@trust_option()
@by_option()
@reason_option()
@registry_option()
@click.pass_context
def promote_version(
    context: click.Context,
    version: str,
    alias: str,
    file: str | None,
    trust: tuple[str, ...],
    by: str | None,
    reason: str,
    registry: str | None,
) -> None:
    """Let ALIAS mean VERSION (NAME@NUMBER); a protected alias, such as champion, needs an approval and the gate."""
    from runtree.config.allowlist import add_import_folder
    from runtree.records.model_versions import parse_reference

    name, word = parse_reference(version)
    add_import_folder(Path.cwd(), trust)  # a type of the user's is likely defined in a module of this folder
    scored = _score(find_registered(context, registry, name), word, alias, file, trust) if file is not None else None
    moved = open_registry(context, registry, by).move_alias(name, word, alias, reason, scored, trust)
    click.echo(f"{alias} of {name} is now version {moved.number}")
    print_gate(find_registered(context, registry, name), moved.number, alias)
    click.echo(
        next_steps([command("predict", f"models:/{name}@{alias}", "ROWS.csv"), command("models", "history", name)])
    )


@click.command("rollback")
@click.argument("name")
@click.argument("alias")
@by_option()
@reason_option()
@registry_option()
@click.pass_context
def roll_back_alias(
    context: click.Context, name: str, alias: str, by: str | None, reason: str, registry: str | None
) -> None:
    """Let ALIAS of NAME mean the version again that it meant before."""

    moved = open_registry(context, registry, by).roll_back(name, alias, reason)
    click.echo(f"{alias} of {name} is version {moved.number} again")


@click.command("unset")
@click.argument("name")
@click.argument("alias")
@by_option()
@reason_option()
@registry_option()
@click.pass_context
def unset_alias(
    context: click.Context, name: str, alias: str, by: str | None, reason: str, registry: str | None
) -> None:
    """Remove ALIAS of NAME."""

    open_registry(context, registry, by).remove_alias(name, alias, reason)
    click.echo(f"{name} has no {alias} any more")


def _score(
    model: "RegisteredModel", word: str | None, alias: str, file: str, trust: tuple[str, ...]
) -> "ScoredRows | None":
    """Score a version and the one that the alias means now on a labelled file."""
    from runtree.app import App
    from runtree.app.promote import score_versions
    from runtree.contract.errors import RequestError

    if alias not in model.policy.protected:
        raise RequestError(f"--data: {alias} of {model.name} is not protected, and moves without a comparison")
    if alias not in model.aliases:
        raise RequestError(f"--data: {model.name} has no {alias} yet to compare with", "leave it out")
    return score_versions(App(), model.version(word), model.version(alias), file, trust)


def _decide(context: click.Context, registry: str | None, word: str, act: str, by: str | None, reason: str) -> None:
    from runtree.records.model_versions import parse_reference

    name, number = parse_reference(word)
    version = open_registry(context, registry, by).decide(name, number, act, reason)
    click.echo(f"{version.reference} is {version.state}")
    if act == "approve":
        click.echo(next_steps([command("models", "promote", f"{name}@{version.number}", "champion")]))
