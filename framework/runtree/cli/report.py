"""`runtree report`: the page of a run or a sweep, made again from its files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from runtree.cli.words import command, next_line, outputs_option

if TYPE_CHECKING:
    from runtree.app.report import WrittenReport

HELP = """Write report.html of a run or a sweep again, from the files in its folder.

WHAT is `latest`, a path, or the beginning of a run's id or a sweep's name. What was removed since, or was never kept,
is named on the page. With -o the page goes to FILE, and the folder stays as it is.

\b
  runtree report latest --open
  runtree report 20261122-0317 -o for-the-board.html
"""


def complete_what(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a run's id or a sweep's name."""
    from runtree.cli.show import complete_run
    from runtree.cli.sweep.choice import complete_sweep

    found = [*complete_sweep(context, parameter, incomplete), *complete_run(context, parameter, incomplete)]
    return list({item.value: item for item in found}.values())


@click.command("report", help=HELP)
@click.argument("what", default="latest", shell_complete=complete_what)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@outputs_option()
def report_command(what: str, output: Path | None, show: bool, outputs: str) -> None:
    """Write the page, and say where it is."""
    from runtree.app.report import write_any_report
    from runtree.contract.errors import RequestError

    try:
        found = write_any_report(Path(outputs), what, output)
    except OSError as error:
        raise RequestError(f"{error.filename or output}: the page cannot be written ({error.strerror})") from None
    tell(found, what, outputs)
    if show:
        click.launch(found.file.resolve().as_uri())


def tell(found: "WrittenReport", what: str, outputs: str) -> None:
    """Print where the page is, what it had to leave out, and what to type next."""
    from runtree.cli.cells import printable
    from runtree.cli.sweep.words import shown_path

    click.echo(f"report   {shown_path(found.file)}   ({found.file.stat().st_size / 1000:,.0f} kB) of {found.name}")
    for line in found.missing:
        click.echo(f"missing  {printable(line)}")
    click.echo(f"\n{next_line([command('report', found.name, '--open', outputs=outputs)])}")
