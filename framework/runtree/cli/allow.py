"""`runtree allow`: this user lets the conf/ of a folder name its own modules, as they are now."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import display_path, format_age, labelled, list_names, pluralize

if TYPE_CHECKING:
    from runtree.app.consent import Consent

HELP = """Let the conf/ of this folder name modules of this folder, without --trust on each command line.

A config file may name no code, as it may be anyone's. This command records that you have read the files of conf/, and
the modules that they name or that these import: with their hashes, for you alone, outside of the folder. A change of
one of them asks again, and says which. Neither a copy of the folder nor another user has this permission, and no class
of another package, and no record of a run, gets one by it.

\b
  runtree allow              show what conf/ names, and allow it
  runtree allow --list       folders that you have allowed
  runtree allow --revoke     take it back for this folder
"""


@click.command("allow", help=HELP)
@click.option("--list", "listed", is_flag=True, help="List the folders that you have allowed.")
@click.option("--revoke", is_flag=True, help="Take it back for this folder.")
def allow_command(listed: bool, revoke: bool) -> None:
    from runtree.app.consent import give_consent, list_consents, revoke_consent

    folder = Path.cwd().resolve()
    if listed and revoke:
        raise click.UsageError("--list and --revoke: one at a time")
    if listed:
        print_consents(list_consents())
    elif revoke:
        revoke_consent(folder)
        click.echo(labelled("revoked", str(folder)))
    else:
        print_allowed(give_consent(folder))


def print_allowed(consent: "Consent") -> None:
    """Print the names that are allowed, the files that they depend on, and names that are not allowed by this."""
    from runtree.app import App
    from runtree.app.consent import record_file

    snapshot = consent.snapshot
    modules = [name for name in snapshot.files if not name.endswith(".yaml")]
    click.echo(labelled("folder", str(consent.folder)))
    for name in sorted(snapshot.calls):
        click.echo(labelled("allowed", name))
    if not snapshot.calls:
        click.echo(labelled("allowed", "conf/ names no code of this folder"))
    others = [name for name in snapshot.elsewhere if not App().allow_list().permits(name)]
    if others:
        click.echo(labelled("not", f"{list_names(others)}: of other packages; type --trust {others[0]}"))
    configs = pluralize(len(snapshot.files) - len(modules), "file")
    click.echo(
        labelled(
            "while", " and ".join([f"{configs} in conf/", *([list_names(modules)] if modules else [])]) + " stay as now"
        )
    )
    click.echo(labelled("record", display_path(record_file(consent.folder))))


def print_consents(consents: "list[Consent]") -> None:
    """Print a line for each allowed folder, with what has changed there since."""
    if not consents:
        click.echo("no folder is allowed", err=True)
    for consent in consents:
        state = "allowed" if consent.is_given else "changed"
        why = consent.snapshot.problem or list_names(consent.changed)
        age = format_age(str(consent.recorded.get("allowed", "")))
        click.echo(labelled(state, f"{consent.folder}  {age}{f': {why}' if why else ''}"))
