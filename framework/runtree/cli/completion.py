"""`runtree completion`, and what can follow on a command line: groups, options, keys, runs and sweeps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from runtree.cli.format import default_outputs
from runtree.cli.main import plugins_installed

if TYPE_CHECKING:
    from runtree.config.catalogue import Catalogue

LINES = {
    "bash": 'eval "$(_RUNTREE_COMPLETE=bash_source runtree)"',
    "zsh": 'eval "$(_RUNTREE_COMPLETE=zsh_source runtree)"',
    "fish": "_RUNTREE_COMPLETE=fish_source runtree | source",
}
INTERNAL_KEYS = ("._target_", ".space", ".iterations")  # which an option sets for itself
RESUMABLE_KEYS = ("compute", "tuner.")  # what a sweep may continue with in another form


def load_catalogue() -> "Catalogue":
    """Return the options that can be chosen, importing Hydra only where a plugin may contribute some."""
    # a Tab must answer in a fraction of a second, and loading the app takes longer than that
    if plugins_installed():  # a plugin may contribute algorithms by a hook, which only the app collects
        from runtree.app import App

        return App().catalogue
    from runtree.config.catalogue import Catalogue
    from runtree.config.search_path import SHIPPED, config_folders, shipped_conf

    return Catalogue(config_folders([(SHIPPED, str(shipped_conf()))]))


def complete_override(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an override: `al` → `algorithm=`, `algorithm=ran` → `algorithm=random_forest`, `algorithm.n_` → keys."""
    overrides: Any = context.params.get("overrides") or ()
    catalogue = load_catalogue()
    group, equals, value = incomplete.partition("=")
    if equals:
        # the shell replaces the whole word, so what was typed before the comma is repeated
        before, comma, last = value.rpartition(",")  # of several options the last is completed
        options = catalogue.groups.get(group, {})
        return _matching((f"{group}={before}{comma}{name}" for name in options if name.startswith(last)), "")
    keys = (path for path in catalogue.keys(overrides) if not any(internal in path for internal in INTERNAL_KEYS))
    return _matching((f"{name}=" for name in (*catalogue.groups, *keys)), incomplete)


def complete_resumable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the overrides that `runtree resume` accepts."""
    items = complete_override(context, parameter, incomplete)
    return [item for item in items if item.value.startswith(RESUMABLE_KEYS)]


def complete_option(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `group=option`, or a group alone."""
    groups = load_catalogue().groups
    pairs = [f"{group}={name}" for group, options in groups.items() for name in options]
    return _matching([*groups, *pairs], incomplete)


def complete_group(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _matching(load_catalogue().groups, incomplete)


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from runtree.records.selectors import run_ids

    return _matching(["latest", "best", *run_ids(_outputs(context))], incomplete)


def complete_sweep(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from runtree.records.layout import sweep_folders

    # the latest first, which is the most likely one
    names = [folder.path.name for folder in reversed(sweep_folders(_outputs(context)))]
    return _matching(["latest", *names], incomplete)


def complete_run_or_sweep(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    items = [*complete_sweep(context, parameter, incomplete), *complete_run(context, parameter, incomplete)]
    # both lists begin with `latest`
    return list({item.value: item for item in items}.values())


def _outputs(context: click.Context) -> Path:
    # click completes before it applies defaults, so the value may be missing
    return Path(context.params.get("outputs") or default_outputs())


def _matching(names: Any, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("completion", short_help="Print the line that enables completion in your shell.")
@click.argument("shell", type=click.Choice(list(LINES)))
def completion_command(shell: str) -> None:
    """Print the line that enables completion, for the start-up file of your shell.

    \b
      runtree completion bash >> ~/.bashrc
    """
    click.echo(LINES[shell])
