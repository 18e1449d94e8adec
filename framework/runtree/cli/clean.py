"""`runtree clean`: list what can be removed from the output folder, and remove it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import command, format_bytes, next_steps, outputs_option, pluralize, where_option
from runtree.cli.tables import print_json, print_table
from runtree.records.cleanup import REMOVABLE_KINDS

if TYPE_CHECKING:
    from runtree.app.clean import Removable

SCHEMA = 1
AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# long enough for a run of last week that was not looked at yet
DEFAULT_AGE = "7d"
NAMES = {"failed": "run", "artifacts": "artifacts", "attempts": "attempts", "incomplete": "incomplete run"}

HELP = """List what can be removed from the output folder; --yes removes it.

\b
  failed     failed and interrupted runs, except those of sweeps
  artifacts  model, plots, predictions and checkpoints of runs that are not the best of their experiment or sweep;
             config, metrics, history and log are kept, so that the run can still be listed and compared
  attempts   files of attempts at the runs of a sweep that crashed
  incomplete folders of runs that crashed before their first record, and files of a removal that was interrupted

Kept are items newer than --older, runs and sweeps in progress, and files that runtree did not write. Symbolic links are
not followed. The best run of an experiment has the best objective on its table; --best removes its artifacts, too. With
--where only runs that match are removed.

\b
  runtree clean
  runtree clean --older 30d --only artifacts --experiment churn --yes
"""


def _check_age(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if AGE.fullmatch(value) is None:
        raise click.BadParameter(f"'{value}' is not an age; write a number and s, m, h, d or w, e.g. {DEFAULT_AGE}")
    return value


@click.command("clean", help=HELP)
@click.option(
    "--older",
    metavar="AGE",
    callback=_check_age,
    default=DEFAULT_AGE,
    show_default=True,
    help="Only items older than AGE, e.g. 12h or 4w.",
)
@click.option("--only", multiple=True, type=click.Choice(REMOVABLE_KINDS), help="Only this kind. Can be repeated.")
@click.option("--experiment", metavar="NAME", help="Only in this experiment.")
@where_option()
@click.option("--best", is_flag=True, help="Also the artifacts of the best runs.")
@click.option("--yes", is_flag=True, help="Remove the items.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def clean_command(
    older: str,
    only: tuple[str, ...],
    experiment: str | None,
    where: tuple[str, ...],
    best: bool,
    yes: bool,
    as_json: bool,
    outputs: str,
) -> int:
    from runtree.app.clean import CleanRequest, CleanScan, list_folders, try_remove
    from runtree.contract.errors import unknown

    experiments = [folder.name for folder in list_folders(Path(outputs))]
    if experiment is not None and experiment not in experiments:
        raise unknown("experiment", experiment, experiments)
    seconds = float(older[:-1]) * UNIT_SECONDS[older[-1]]
    # nothing is removed without --yes, so that the list can be read first
    scan = CleanScan(Path(outputs), CleanRequest(seconds, only or REMOVABLE_KINDS, experiment, best, where))
    items = scan.items()
    # one item that cannot be removed must not keep the others
    faults = {item.path: fault for item in items if (fault := try_remove(item))} if yes else {}
    if as_json:
        _print_json(items, faults, yes, scan.held)
        return 1 if faults else 0
    _print_items(items, faults, yes)
    for path in scan.held:
        click.echo(f"skipped, in use: {path}", err=True)
    if items and not yes:
        # the command repeats every option, so that it removes exactly what was listed
        words = [] if older == DEFAULT_AGE else ["--older", older]
        words += [word for kind in only for word in ("--only", kind)]
        words += ["--experiment", experiment] if experiment else []
        words += [word for condition in where for word in ("--where", condition)]
        words += ["--best"] if best else []
        click.echo(f"\n{next_steps([command('clean', *words, '--yes', outputs=outputs)])}")
    return 1 if faults else 0


def _print_items(items: "list[Removable]", faults: dict[Path, str], removed: bool) -> None:
    if not items:
        click.echo("nothing to remove")
        return
    rows = []
    for item in items:
        names = f": {' '.join(path.name for path in item.artifacts)}" if item.artifacts else ""
        rows.append([NAMES[item.kind], f"{item.path}{names}", format_bytes(item.bytes), item.why])
    notes = {number: f"not removed: {faults[item.path]}" for number, item in enumerate(items) if item.path in faults}
    print_table(["what", "where", "size", "why"], rows, notes)
    removable = [item for item in items if item.path not in faults]
    total = f"{pluralize(len(removable), 'item')}, {format_bytes(sum(item.bytes for item in removable))}"
    click.echo(f"\nremoved {total}" if removed else f"\nwould remove {total}; nothing was removed")


def _print_json(items: "list[Removable]", faults: dict[Path, str], removed: bool, held: list[Path]) -> None:
    documents = [
        {
            "kind": item.kind,
            "path": item.path,
            "artifacts": [path.name for path in item.artifacts],
            "bytes": item.bytes,
            "why": item.why,
            "removed": removed and item.path not in faults,
            "fault": faults.get(item.path),
        }
        for item in items
    ]
    total = sum(item.bytes for item in items)
    print_json({"schema": SCHEMA, "items": documents, "bytes": total, "passed_over": held})
