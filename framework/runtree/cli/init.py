"""`runtree init`: a folder of your own, ready to be trained in."""

import os
import shlex
from pathlib import Path

import click

from runtree.cli.words import next_line

HELP = """Make FOLDER (or this one) a place to train in: conf/ with an example experiment, .gitignore, README.md.

With --data and --target the experiment trains on that file, a .csv or .parquet one; else on a bundled table.
Nothing that exists is overwritten.

\b
  runtree init churn --data customers.csv --target churned
  runtree init
"""


@click.command("init", help=HELP)
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="The table to learn from.")
@click.option("--target", metavar="COLUMN", help="The column to predict.")
def init_command(folder: Path, data: Path | None, target: str | None) -> None:
    """Write the files that are not there yet, and say what to type next."""
    from runtree.cli import scaffold

    table = scaffold.inspect_table(data, target)
    scaffold.refuse_shipped(folder)
    files = scaffold.files(folder, table)
    made, kept = scaffold.write(folder, files)
    for name in made:
        click.echo(f"created  {shown(folder / name)}")
    for name in kept:
        click.echo(f"kept     {shown(folder / name)}, which was there already")
    chosen = f" data={table.name}" if table and scaffold.EXPERIMENT_FILE in kept else ""  # the kept one names another
    enter = f"cd {shlex.quote(str(folder))} && " if folder.resolve() != Path.cwd() else ""
    click.echo(f"\n{next_line([f'{enter}runtree train experiment={scaffold.EXPERIMENT}{chosen}', 'runtree runs'])}")


def shown(path: Path) -> str:
    """Return a path as a user would type it."""
    return os.path.normpath(path)
