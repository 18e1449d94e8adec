"""`runtree stop`: ask the process of a sweep to end it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.completion import complete_sweep
from runtree.cli.format import DEFAULT_OUTPUTS, command, next_steps, outputs_option, pluralize, sweep_name

if TYPE_CHECKING:
    from runtree.records.layout import SweepFolder

MAX_SHOWN_SWEEPS = 4

HELP = """Stop a running sweep: no new runs are started, and the running ones finish.

SWEEP is `latest`, a path, or the beginning of a sweep's name; by default it is the sweep that is running. With --now
the running ones are terminated, each after up to tuner.grace seconds to save its state. To continue the sweep later:
runtree resume.

\b
  runtree stop
  runtree stop 20261122-0317 --now
"""


@click.command("stop", help=HELP)
@click.argument("sweep", default=None, required=False, shell_complete=complete_sweep)
@click.option("--now", is_flag=True, help="Terminate the running runs, too.")
@outputs_option()
def stop_command(sweep: str | None, now: bool, outputs: str) -> None:
    from runtree.cli.sweep.ledger_reader import LedgerReader
    from runtree.records.layout import find_sweep
    from runtree.records.writer import write_text

    folder = find_sweep(Path(outputs), sweep) if sweep else _find_running_sweep(Path(outputs))
    if folder is None:
        click.echo(f"no sweep is running{'' if outputs == DEFAULT_OUTPUTS else f' in {outputs}'}")
        return
    name = sweep_name(folder, outputs)
    reader = LedgerReader(folder).read()
    # only a driver reads requests, and it removes an old one when it starts
    if reader.holder is None:
        click.echo(f"{name} is not running")
        click.echo(next_steps([command("status", name, outputs=outputs)]))
        return
    # the driver looks for this file twice a second: a signal would not reach another machine
    write_text(folder.request, "terminate" if now else "finish")
    pid, host = reader.holder.get("pid", "?"), reader.holder.get("host", "?")
    click.echo(f"stop requested: {name} (process {pid} on {host})")
    click.echo(_format_effect(len(reader.running), now, float(reader.tuner_config.get("grace") or 0.0)))
    commands = [command("status", name, "--watch", outputs=outputs), command("resume", name, outputs=outputs)]
    click.echo(next_steps(commands))


def _find_running_sweep(outputs: Path) -> "SweepFolder | None":
    """Return the only sweep that is running; None where none is.

    Raises
    ------
    RequestError
        Several sweeps are running.
    """
    from runtree.contract.errors import RequestError
    from runtree.records.layout import sweep_folders

    running = [folder for folder in sweep_folders(outputs) if folder.holder() is not None]
    if len(running) > 1:
        names = ", ".join(folder.path.name for folder in running[:MAX_SHOWN_SWEEPS])
        raise RequestError(f"{len(running)} sweeps are running: {names}", "name one of them: runtree stop NAME")
    return running[0] if running else None


def _format_effect(running: int, now: bool, grace: float) -> str:
    if not running:
        return "it starts no new runs, and ends"
    runs = pluralize(running, "running job")
    if now:
        return f"it starts no new runs, and terminates {runs} after at most {grace:g} s to save their state"
    return f"it starts no new runs, and ends when {runs} {'has' if running == 1 else 'have'} finished (at once: --now)"
