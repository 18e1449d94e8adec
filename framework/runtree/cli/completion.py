"""What can follow on the command line: groups, options and keys, without loading Hydra."""

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from runtree.cli.installed import plugins_installed

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue

LINES = {
    "bash": 'eval "$(_RUNTREE_COMPLETE=bash_source runtree)"',
    "zsh": 'eval "$(_RUNTREE_COMPLETE=zsh_source runtree)"',
    "fish": "_RUNTREE_COMPLETE=fish_source runtree | source",
}

HIDDEN = ("._target_", ".space", ".iterations")  # keys that options say of themselves


def known() -> "Catalogue":
    """Return what can be chosen; plugins, and what it takes to ask them, are loaded only where there are any."""
    if plugins_installed():
        from runtree.app import App

        return App().catalogue
    from runtree.config.catalogue import Catalogue
    from runtree.config.search_path import SHIPPED, config_folders, shipped_conf

    return Catalogue(config_folders([(SHIPPED, str(shipped_conf()))]))


def complete_override(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an override: `al` → `algorithm=`, `algorithm=ran` → `algorithm=random_forest`, `algorithm.n_` → keys."""
    typed: Any = context.params.get("overrides") or ()
    catalogue = known()
    group, sign, begun = incomplete.partition("=")
    if sign:
        *before, last = begun.split(",")
        stem = ",".join([*before, ""]) if before else ""
        options = catalogue.groups.get(group, {})
        return [CompletionItem(f"{group}={stem}{name}") for name in options if name.startswith(last)]
    names = [f"{name}=" for name in catalogue.groups]
    keys = [f"{path}=" for path in catalogue.keys(typed) if not any(own in path for own in HIDDEN)]
    return [CompletionItem(name) for name in [*names, *keys] if name.startswith(incomplete)]


def complete_option(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `group=option`, or a group alone."""
    groups = known().groups
    pairs = [f"{group}={name}" for group, options in groups.items() for name in options]
    return [CompletionItem(name) for name in [*groups, *pairs] if name.startswith(incomplete)]


@click.command("completion", short_help="Print the line that makes your shell complete.")
@click.argument("shell", type=click.Choice(list(LINES)))
def completion_command(shell: str) -> None:
    """Print the line to put into your shell's start-up file.

    \b
      runtree completion bash >> ~/.bashrc
    """
    click.echo(LINES[shell])
