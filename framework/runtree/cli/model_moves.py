"""`runtree models approve`, `reject`, `promote`, `rollback`, `unset`: decisions on versions, and moves of aliases."""

from pathlib import Path

import click

from runtree.cli.format import command, next_steps, trust_option
from runtree.cli.model_options import Act, act_options
from runtree.cli.model_tables import print_gate


@click.command("approve")
@click.argument("version")
@act_options
def approve_version(act: Act, version: str) -> None:
    """Approve VERSION (NAME/NUMBER), which a protected alias needs."""
    _decide(act, version, "approve")


@click.command("reject")
@click.argument("version")
@act_options
def reject_version(act: Act, version: str) -> None:
    """Reject VERSION (NAME/NUMBER): no protected alias may move to it."""
    _decide(act, version, "reject")


@click.command("promote")
@click.argument("version")
@click.argument("alias")
@click.option("--data", "file", metavar="FILE", help="Labelled rows on which both versions are scored, or a first one.")
@trust_option()
@act_options
def promote_version(act: Act, version: str, alias: str, file: str | None, trust: tuple[str, ...]) -> None:
    """Let ALIAS mean VERSION (NAME@NUMBER); a protected alias, such as champion, needs an approval and the gate."""
    from runtree.app import App
    from runtree.app.promote import rows_to_promote
    from runtree.config.allowlist import add_import_folder
    from runtree.contract.errors import RequestError
    from runtree.records.model_versions import parse_reference

    name, word = parse_reference(version)
    add_import_folder(Path.cwd(), trust)  # a type of the user's is likely defined in a module of this folder
    if file is not None and alias not in act.find(name).policy.protected:
        raise RequestError(f"--data: {alias} of {name} is not protected, and moves without a comparison")
    moved = act.open().move_alias(name, word, alias, act.reason, rows_to_promote(App(), file, trust), trust)
    click.echo(f"{alias} of {name} is now version {moved.number}")
    print_gate(act.find(name), moved.number, alias)
    click.echo(
        next_steps([command("predict", f"models:/{name}@{alias}", "ROWS.csv"), command("models", "history", name)])
    )


@click.command("rollback")
@click.argument("name")
@click.argument("alias")
@act_options
def roll_back_alias(act: Act, name: str, alias: str) -> None:
    """Let ALIAS of NAME mean the version again that it meant before."""
    moved = act.open().roll_back(name, alias, act.reason)
    click.echo(f"{alias} of {name} is version {moved.number} again")


@click.command("unset")
@click.argument("name")
@click.argument("alias")
@act_options
def unset_alias(act: Act, name: str, alias: str) -> None:
    """Remove ALIAS of NAME."""
    act.open().remove_alias(name, alias, act.reason)
    click.echo(f"{name} has no {alias} any more")


def _decide(act: Act, word: str, decision: str) -> None:
    from runtree.records.model_versions import parse_reference

    name, number = parse_reference(word)
    version = act.open().decide(name, number, decision, act.reason)
    click.echo(f"{version.reference} is {version.state}")
    if decision == "approve":
        click.echo(next_steps([command("models", "promote", f"{name}@{version.number}", "champion")]))
