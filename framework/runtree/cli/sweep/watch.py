"""Following a sweep that another process works on: a picture on a terminal, a line a change elsewhere."""

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from runtree.cli.sweep.picture import drawn, progress_line, told_best

if TYPE_CHECKING:
    from runtree.cli.sweep.replay import Replay

EVERY = 0.5  # seconds between two pictures
CHANGE = 1.0  # … between two lines


def follow(seen: "Replay") -> None:
    """Look on until nobody works on the sweep any more; Ctrl-C ends the looking alone."""
    try:
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            _draw(seen)
        else:
            _tell(seen)
    except KeyboardInterrupt:
        click.echo("no longer watching; the sweep goes on", err=True)


def title(seen: "Replay") -> str:
    """Return what is watched."""
    return f"{seen.folder.path.name}: {seen.asked.get('tuner')}, Ctrl-C leaves it alone"


def _draw(seen: "Replay") -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True, highlight=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while seen.read().state == "running":
            live.update(drawn(title(seen), seen.standing, seen.seconds, seen.working), refresh=True)
            time.sleep(EVERY)


def _tell(seen: "Replay") -> None:
    told = ""
    while seen.read().state == "running":
        standing = seen.standing
        news = f"{standing.ended} {told_best(standing)}"
        if news != told:
            told = news
            click.echo(f"{progress_line(standing, seen.seconds)}; best: {told_best(standing)}", err=True)
        time.sleep(CHANGE)
