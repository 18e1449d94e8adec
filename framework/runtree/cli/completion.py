"""What can follow on the command line: groups, options and keys, without loading Hydra."""

from typing import Any

import click
from click.shell_completion import CompletionItem

LINES = {
    "bash": 'eval "$(_RUNTREE_COMPLETE=bash_source runtree)"',
    "zsh": 'eval "$(_RUNTREE_COMPLETE=zsh_source runtree)"',
    "fish": "_RUNTREE_COMPLETE=fish_source runtree | source",
}


def complete_override(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an override: `al` → `algorithm=`, `algorithm=ran` → `algorithm=random_forest`, `algorithm.n_` → keys."""
    from runtree.app import App

    typed: Any = context.params.get("overrides") or ()
    catalogue = App().catalogue
    group, sign, begun = incomplete.partition("=")
    if sign:
        *before, last = begun.split(",")
        stem = ",".join([*before, ""]) if before else ""
        options = catalogue.groups.get(group, {})
        return [CompletionItem(f"{group}={stem}{name}") for name in options if name.startswith(last)]
    names = [f"{name}=" for name in catalogue.groups]
    keys = [f"{path}=" for path in catalogue.keys(typed) if "._target_" not in path and ".space" not in path]
    return [CompletionItem(name) for name in [*names, *keys] if name.startswith(incomplete)]


def complete_option(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `group=option`, or a group alone."""
    from runtree.app import App

    groups = App().catalogue.groups
    known = [f"{group}={name}" for group, options in groups.items() for name in options]
    return [CompletionItem(name) for name in [*groups, *known] if name.startswith(incomplete)]


@click.command("completion", short_help="Print the line that makes your shell complete.")
@click.argument("shell", type=click.Choice(list(LINES)))
def completion_command(shell: str) -> None:
    """Print the line to put into your shell's start-up file.

    \b
      runtree completion bash >> ~/.bashrc
    """
    click.echo(LINES[shell])
