"""`runtree clean`: make room in the output tree, and say first what would go."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.words import command, counted, next_line, outputs_option, where_option
from runtree.records.cleanup import REMOVABLE_KINDS

if TYPE_CHECKING:
    from runtree.app.clean import Removable

SCHEMA = 1
AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
WHAT = {"failed": "run", "leaves": "heavy leaves", "attempts": "attempts", "halves": "half a folder"}

HELP = """List what may go from the output tree, and with --yes remove it.

\b
  failed     runs that failed or were interrupted, those of sweeps excepted
  leaves     model, plots, predictions and checkpoints of runs that are not the best of their experiment or sweep;
             config, metrics, history and log stay, so that the run is listed and compared as before
  attempts   what attempts at runs of sweeps left that died
  halves     folders of runs that died before their first record, and what a killed removal left

Nothing is touched that is younger than --older, that somebody works on, or that runtree did not write. Symbolic links
are not followed. The best run of an experiment is that with the best objective on one table; --best takes its heavy
leaves, too. With --where runs alone go, and those only to which it holds.

\b
  runtree clean
  runtree clean --older 30d --only leaves --experiment churn --yes
"""


def read_age(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """Return a time like 7d, 12h or 30m in seconds."""
    found = AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"'{value}' is no time: write a number and s, m, h, d or w, e.g. 7d")
    return float(found[1]) * SECONDS[found[2]]


@click.command("clean", help=HELP)
@click.option(
    "--older",
    metavar="AGE",
    callback=read_age,
    default="7d",
    show_default=True,
    help="What is at least so old: 12h, 4w.",
)
@click.option("--only", multiple=True, type=click.Choice(REMOVABLE_KINDS), help="This kind alone; may be given again.")
@click.option("--experiment", metavar="NAME", help="In one experiment.")
@where_option()
@click.option("--best", is_flag=True, help="Take the heavy leaves of the best runs, too.")
@click.option("--yes", is_flag=True, help="Remove it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def clean_command(
    older: float,
    only: tuple[str, ...],
    experiment: str | None,
    where: tuple[str, ...],
    best: bool,
    yes: bool,
    as_json: bool,
    outputs: str,
) -> int:
    """Look through the tree, list what may go, and where it is asked for remove it."""
    from runtree.app.clean import CleanRequest, CleanScan, try_remove

    refuse_unknown_experiment(Path(outputs), experiment)
    looked = CleanScan(Path(outputs), CleanRequest(older, only or REMOVABLE_KINDS, experiment, best, where))
    items = looked.items()
    faults = {item.path: fault for item in items if (fault := try_remove(item))} if yes else {}
    if as_json:
        print_as_json(items, faults, yes, looked.held)
    else:
        print_items(items, faults, yes)
        for path in looked.held:
            click.echo(f"passed over, for somebody works there: {path}", err=True)
        if items and not yes:
            click.echo(f"\n{next_line([again(older, only, experiment, where, best, outputs)])}")
    return 1 if faults else 0


def refuse_unknown_experiment(outputs: Path, experiment: str | None) -> None:
    """Say which experiments there are."""
    from runtree.app.clean import list_folders
    from runtree.contract.errors import unknown

    known = [folder.name for folder in list_folders(outputs)]
    if experiment is not None and experiment not in known:
        raise unknown("experiment", experiment, known)


def print_items(items: "list[Removable]", faults: dict[Path, str], done: bool) -> None:
    """Print a line for each thing, and how much it is."""
    from runtree.cli.tables import print_table, terminal_width

    if not items:
        click.echo("nothing may go")
        return
    rows = [[WHAT[item.kind], told_place(item), told_bytes(item.bytes), item.why] for item in items]
    notes = {number: f"not removed: {faults[item.path]}" for number, item in enumerate(items) if item.path in faults}
    print_table(["what", "where", "size", "why"], rows, notes, terminal_width())
    gone = [item for item in items if item.path not in faults]
    freed = told_bytes(sum(item.bytes for item in gone))
    total = f"{counted(len(gone), 'thing')}, {freed}"
    click.echo(f"\nremoved {total}" if done else f"\nwould remove {total}; nothing was removed")


def told_place(item: "Removable") -> str:
    """Return where it is: the leaves of a run in one word."""
    return f"{item.path}: {' '.join(path.name for path in item.leaves)}" if item.leaves else str(item.path)


def told_bytes(number: int) -> str:
    """Return bytes to three digits: 512 B, 12.3 kB, 4.56 GB."""
    size, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{number} B" if unit == "B" else f"{size:.3g} {unit}"


def print_as_json(items: "list[Removable]", faults: dict[Path, str], done: bool, held: list[Path]) -> None:
    """Print it as one document."""
    from runtree.cli.tables import print_json

    told = [
        {
            "kind": item.kind, "path": item.path, "leaves": [path.name for path in item.leaves], "bytes": item.bytes,
            "why": item.why, "removed": done and item.path not in faults, "fault": faults.get(item.path),
        }
        for item in items
    ]  # fmt: skip
    print_json({"schema": SCHEMA, "items": told, "bytes": sum(item.bytes for item in items), "passed_over": held})


def again(
    older: float, only: tuple[str, ...], experiment: str | None, where: tuple[str, ...], best: bool, outputs: str
) -> str:
    """Return the same command with --yes."""
    words = [] if older == 7 * SECONDS["d"] else ["--older", f"{older:g}s"]
    words += [word for kind in only for word in ("--only", kind)]
    words += ["--experiment", experiment] if experiment else []
    words += [word for condition in where for word in ("--where", condition)]
    return command("clean", *words, *(["--best"] if best else []), "--yes", outputs=outputs)
