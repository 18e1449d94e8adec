"""Which sweep is meant: by name, by path, the latest, or the one that is running."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from runtree.cli.completion import complete_override
from runtree.cli.words import usual_outputs

if TYPE_CHECKING:
    from runtree.records.layout import SweepFolder


def complete_sweep(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a sweep's name."""
    from runtree.records.layout import sweep_folders

    outputs = context.params.get("outputs") or usual_outputs()
    known = ["latest", *(folder.path.name for folder in reversed(sweep_folders(Path(outputs))))]
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def complete_more(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what may be changed when a sweep goes on."""
    found = complete_override(context, parameter, incomplete)
    return [item for item in found if item.value.startswith(("compute", "tuner."))]


def sweep_argument(default: str | None = "latest") -> Callable[[Any], Any]:
    """Return the argument that names a sweep."""
    return click.argument("sweep", default=default, required=False, shell_complete=complete_sweep)


def running_sweep(outputs: Path) -> "SweepFolder | None":
    """Return the one sweep that somebody works on; None where there is no such sweep.

    Raises
    ------
    RequestError
        There are several.
    """
    from runtree.contract.errors import RequestError
    from runtree.records.layout import sweep_folders

    found = [folder for folder in sweep_folders(outputs) if folder.holder() is not None]
    if len(found) > 1:
        names = ", ".join(folder.path.name for folder in found[:4])
        raise RequestError(f"{len(found)} sweeps are running: {names}", "name one of them: runtree stop NAME")
    return found[0] if found else None
