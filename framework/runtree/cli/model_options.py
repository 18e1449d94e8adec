"""Options of the commands that act on the registry: where it is, who acts, and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def registry_option(show: bool = False) -> Callable[[Any], Any]:
    """Return the option for the folder of registered models. It is valid before and after a subcommand."""
    return click.option(
        "--registry",
        metavar="DIR",
        help="The folder of the registry. Also: RUNTREE_REGISTRY.  [default: registry]"
        if show
        else "The folder of the registry.",
    )


def by_option() -> Callable[[Any], Any]:
    """Return the option that names who acts."""
    return click.option("--by", metavar="NAME", help="Who does it.  [default: the user of this process]")


def reason_option() -> Callable[[Any], Any]:
    """Return the option for a reason, which is kept in the history."""
    return click.option("--reason", metavar="TEXT", default="", help="Why; it is kept in the history.")


def log_option() -> Callable[[Any], Any]:
    """Return the option for the place of the prediction log."""
    return click.option(
        "--log", default="predictions", show_default=True, metavar="PLACE", help="The prediction log: a folder or URL."
    )


def find_registry(context: click.Context, registry: str | None) -> Path:
    """Return the registry: `--registry` after the subcommand, else before it, else the default."""
    from runtree.records.model_versions import registry_root

    name = registry or (context.parent.params.get("registry") if context.parent else None)
    return Path(name) if name else registry_root()
