"""`runtree stop`: ask the process that works on a sweep to end it."""

from pathlib import Path

import click

from runtree.cli.sweep.choice import running_sweep, sweep_argument
from runtree.cli.words import OUTPUTS, command, counted, outputs_option

HELP = """Ask a running sweep to end: it begins no new runs, and those that work now may finish.

SWEEP is `latest`, a path, or the beginning of a sweep's name; without it the one that is running is meant. With --now
the runs are ended too; each has tuner.grace seconds to save what it has. The sweep can go on later: runtree resume.

\b
  runtree stop
  runtree stop 20261122-0317 --now
"""


@click.command("stop", help=HELP)
@sweep_argument(default=None)
@click.option("--now", is_flag=True, help="End the runs that work now, too.")
@outputs_option()
def stop_command(sweep: str | None, now: bool, outputs: str) -> None:
    """Leave a request beside the ledger; its driver looks for it twice a second."""
    from runtree.cli.sweep.replay import Replay
    from runtree.cli.sweep.words import next_lines, sweep_name
    from runtree.records.layout import find_sweep
    from runtree.records.writer import write_text

    folder = find_sweep(Path(outputs), sweep) if sweep else running_sweep(Path(outputs))
    if folder is None:
        where = "" if outputs == OUTPUTS else f" in {outputs}"
        click.echo(f"no sweep is running{where}: there is nothing to stop")
        return
    name = sweep_name(folder, outputs)
    seen = Replay(folder).read()
    if seen.holder is None:
        click.echo(f"nobody works on {name}: there is nothing to stop")
        click.echo(next_lines([command("status", name, outputs=outputs)]))
        return
    write_text(folder.request, "terminate" if now else "finish")
    click.echo(f"asked process {seen.holder.get('pid', '?')} on {seen.holder.get('host', '?')} to end {name}")
    click.echo(what_will_happen(len(seen.working), now, float(seen.node.get("grace") or 0.0)))
    click.echo(
        next_lines([command("status", name, "--watch", outputs=outputs), command("resume", name, outputs=outputs)])
    )


def what_will_happen(working: int, now: bool, grace: float) -> str:
    """Return it in a line."""
    if not working:
        return "it begins no new runs, and ends"
    runs = f"the {counted(working, 'run')} at work"
    if now:
        return f"it begins no new runs, and ends {runs}: {grace:g} s to save what is there"
    return f"it begins no new runs, and {runs} may finish (to end them too: --now)"
