"""`runtree check`: questions asked before money is spent; nothing is kept."""

import sys
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_override

if TYPE_CHECKING:
    from runtree.app.check import CheckReport

SCHEMA = 1

HELP = """Look at what `runtree train OVERRIDES` would learn from, and with, before it is trained at length.

Columns that give the answer away, parts that are not apart, a pipeline that learns nothing or too much: each check
passes, warns, fails or is skipped, and says what it found and what to do. What is fitted is fitted on a sample of the
rows. Nothing is written. The exit code is 0 where none failed, 3 where one did.

\b
  runtree check algorithm=logistic
  runtree check data=csv data.path=houses.csv data.target=price --json
"""


@click.command("check", help=HELP, context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check_command(overrides: tuple[str, ...], as_json: bool) -> int:
    """Ask every check and print what they found."""
    from runtree.app import App
    from runtree.app.check import check_config
    from runtree.cli.train import asks_hydra, show
    from runtree.config.hydra_engine import parse_flags
    from runtree.contract.errors import GateError

    app, flags = App(), parse_flags(overrides)
    if asks_hydra(flags):
        return show(app, flags)
    spinner = Spinner()
    try:
        checked = check_config(app, flags, spinner.tell)
    finally:
        spinner.stop()
    print_json_document(checked) if as_json else print_page(checked, flags.overrides)
    return 0 if checked.passed else GateError.exit_code


def print_page(checked: "CheckReport", overrides: "list[str]") -> None:
    """Print the data, a line for each check with what to do below it, and what to type next."""
    from runtree.checks.context import CHECK_STATES
    from runtree.cli.tables import print_table, terminal_width
    from runtree.cli.train_report import summary
    from runtree.cli.words import command, duration, next_line

    click.echo(summary(checked.run)[0])
    click.echo(f"check {checked.run.config.algorithm.name} fitted on {checked.rows:,} rows of the train part\n")
    rows = [[one.check.name, one.finding.state, one.finding.found] for one in checked.outcomes]
    notes = {number: one.finding.advice for number, one in enumerate(checked.outcomes) if one.finding.advice}
    print_table(
        ["check", "result", "found"], rows, {key: f"-> {text}" for key, text in notes.items()}, terminal_width()
    )
    counts = ", ".join(f"{checked.count(state)} {state}" for state in CHECK_STATES if checked.count(state))
    click.echo(f"\n{counts} in {duration(checked.seconds)} s; nothing was written")
    again = f"mend what failed, then: {command('check', *overrides)}"
    click.echo(next_line([command("train", *overrides) if checked.passed else again]))


def print_json_document(checked: "CheckReport") -> None:
    """Print what was found for programs."""
    from runtree.cli.tables import print_json

    checks = [
        {
            "name": one.check.name,
            "asks": one.check.asks,
            "result": one.finding.state,
            "found": one.finding.found,
            "advice": one.finding.advice,
            "seconds": round(one.seconds, 3),
        }
        for one in checked.outcomes
    ]
    print_json({"schema": SCHEMA, "passed": checked.passed, "rows": checked.rows, "checks": checks})


class Spinner:
    """What is being done, on stderr: a spinner on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._status: Any = None

    def tell(self, name: str) -> None:
        """Show what begins."""
        if not sys.stderr.isatty():
            return
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(f"check: {name} …")

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status is not None:
            self._status.stop()
