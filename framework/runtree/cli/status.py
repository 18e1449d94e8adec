"""`runtree status`: how far a sweep is, read from its files alone."""

from pathlib import Path

import click

from runtree.cli.sweep.choice import sweep_argument
from runtree.cli.words import outputs_option

SCHEMA = 1

HELP = """Show how far a sweep is: its state, its runs, the best so far, what will end it, what is left.

SWEEP is `latest`, a path, or the beginning of a sweep's name. Only its files are read: it may work in another process,
or have ended long ago. --watch follows it until it ends; leaving that with Ctrl-C does not touch the sweep.

\b
  runtree status
  runtree status 20261122-0317 --watch
  runtree status --all --json
"""


@click.command("status", help=HELP)
@sweep_argument()
@click.option("--watch", is_flag=True, help="Follow it until it ends.")
@click.option("--all", "everything", is_flag=True, help="A line for each sweep, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def status_command(sweep: str, watch: bool, everything: bool, as_json: bool, outputs: str) -> None:
    """Read what was written, and print it."""
    from runtree.cli.sweep.page import all_as_json, as_document, print_all, print_page
    from runtree.cli.sweep.replay import Replay
    from runtree.cli.sweep.watch import follow
    from runtree.cli.tables import print_json
    from runtree.records.layout import find_sweep, sweep_folders

    if watch and (everything or as_json):
        raise click.UsageError("--watch follows one sweep: give neither --all nor --json with it")
    if everything:
        folders = sweep_folders(Path(outputs))[::-1]
        print_json({"schema": SCHEMA, "sweeps": all_as_json(folders)}) if as_json else print_all(folders, outputs)
        return
    seen = Replay(find_sweep(Path(outputs), sweep)).read()
    if as_json:
        print_json({"schema": SCHEMA, "sweep": as_document(seen)})
        return
    if watch:
        follow(seen)
    print_page(seen, outputs)
