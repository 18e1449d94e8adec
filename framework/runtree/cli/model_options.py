"""Options of the commands that act on the registry: where it is, who acts, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
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
    """Return the registry, open for changes by a person."""
    from runtree.plugins import installed_plugins
    from runtree.registry.store import Registry, user_name

    return Registry(find_registry(context, registry), installed_plugins(), by or user_name())


def find_registered(context: click.Context, registry: str | None, name: str) -> "RegisteredModel":
    """Return a registered model."""
    from runtree.records.model_versions import find_model

    return find_model(find_registry(context, registry), name)


@dataclass(frozen=True)
class Act:
    """A change of the registry: of which one, by whom, and why."""

    context: click.Context
    folder: str | None
    by: str | None
    reason: str

    def open(self) -> "Registry":
        """Return the registry, open for changes by this person."""
        return open_registry(self.context, self.folder, self.by)

    def find(self, name: str) -> "RegisteredModel":
        """Return a registered model as it is now."""
        return find_registered(self.context, self.folder, name)


def act_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options `--by`, `--reason` and `--registry`, which it receives as its first argument."""

    @wraps(function)
    def call(context: click.Context, /, *values: Any, **options: Any) -> Any:
        folder, by, reason = (options.pop(name) for name in ("registry", "by", "reason"))
        return function(Act(context, folder, by, reason), *values, **options)

    command: Callable[..., Any] = click.pass_context(call)
    for option in (registry_option(), reason_option(), by_option()):  # the last one is listed first
        command = option(command)
    return command
