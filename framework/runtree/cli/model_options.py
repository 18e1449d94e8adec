"""Options of the commands that act on the registry: where it is, who acts, and why."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runtree.records.model_versions import RegisteredModel
    from runtree.registry.store import Registry


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


def open_registry(context: click.Context, registry: str | None, by: str | None) -> "Registry":
    """Return the registry as whoever acts changes it."""
    from runtree.plugins import installed_plugins
    from runtree.registry.store import Registry, user_name

    return Registry(find_registry(context, registry), installed_plugins(), by or user_name())


def find_registered(context: click.Context, registry: str | None, name: str) -> "RegisteredModel":
    """Return a registered model."""
    from runtree.records.model_versions import find_model

    return find_model(find_registry(context, registry), name)
