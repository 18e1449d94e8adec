"""`runtree check`: checks of data and pipeline before training."""

from typing import TYPE_CHECKING

import click

from runtree.cli.completion import complete_override
from runtree.cli.format import command, format_seconds, labelled, next_steps
from runtree.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from runtree.app.check import CheckReport

SCHEMA = 1

HELP = """Check data and pipeline before training.

The checks look for columns that leak the target, for splits that share rows, and for a pipeline that learns nothing or
everything. Each one passes, warns, fails or is skipped, and says why and what to do. Models are fitted on a sample of
the rows, and nothing is written. The exit code is 0 if no check failed, else 3.

\b
  runtree check algorithm=logistic
  runtree check data=csv data.path=houses.csv data.target=price --json
"""


# Hydra's flags (-cn, --cfg) are unknown to click: they stay among the arguments, and Hydra's own parser reads them
@click.command("check", help=HELP, context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_override)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check_command(overrides: tuple[str, ...], as_json: bool) -> int:
    # inside the function, here and in every verb: `--help` and completion import this module, and must not load Hydra
    from runtree.app import App
    from runtree.app.application import flags_of
    from runtree.app.check import check_config
    from runtree.cli.progress import Spinner
    from runtree.cli.train import is_hydra_query, print_hydra_answer
    from runtree.config.hydra_engine import parse_flags
    from runtree.contract.errors import GateError

    app, flags = App(), parse_flags(overrides)
    if is_hydra_query(flags):
        return print_hydra_answer(app, flags)
    spinner = Spinner()
    try:
        checked = check_config(app, flags, lambda name: spinner.show(f"check: {name} …"))
    finally:
        # also after an error: a spinner that is not stopped leaves the cursor hidden
        spinner.stop()
    if as_json:
        _print_json(checked)
    else:
        _print_checks(checked, [*flags_of(flags), *flags.overrides])
    return 0 if checked.passed else GateError.exit_code


def _print_checks(checked: "CheckReport", words: list[str]) -> None:
    from runtree.checks.context import CHECK_STATES
    from runtree.cli.train import run_lines

    click.echo(labelled(*run_lines(checked.run)[0]))
    fitted = f"{checked.run.config.algorithm.name}, fitted on {checked.rows:,} rows of the train split"
    click.echo(f"{labelled('check', fitted)}\n")
    rows = [[outcome.check.name, outcome.result.state, outcome.result.message] for outcome in checked.outcomes]
    advice = {number: outcome.result.advice for number, outcome in enumerate(checked.outcomes)}
    notes = {number: f"-> {text}" for number, text in advice.items() if text}
    print_table(["check", "result", "message"], rows, notes)
    counts = ", ".join(f"{checked.count(state)} {state}" for state in CHECK_STATES if checked.count(state))
    again = "" if checked.passed else "; fix what failed, and check again"
    click.echo(f"\n{counts} in {format_seconds(checked.seconds)} s; nothing was written{again}")
    click.echo(next_steps([command("train" if checked.passed else "check", *words)]))


def _print_json(checked: "CheckReport") -> None:
    checks = [
        {
            "name": outcome.check.name,
            "question": outcome.check.question,
            "result": outcome.result.state,
            "message": outcome.result.message,
            "advice": outcome.result.advice,
            "seconds": round(outcome.seconds, 3),
        }
        for outcome in checked.outcomes
    ]
    print_json({"schema": SCHEMA, "passed": checked.passed, "rows": checked.rows, "checks": checks})
