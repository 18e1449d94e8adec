"""`runtree report`: the report of a run or a sweep, written again from its files."""

from pathlib import Path

import click

from runtree.cli.completion import complete_run_or_sweep
from runtree.cli.format import command, display_path, labelled, next_steps, outputs_option, sweep_name

HELP = """Write report.html of a run or a sweep again, from the files in its folder.

WHAT is `latest`, `best`, a path, the beginning of a run's id or a sweep's name, or `models:/NAME@ALIAS`. The report
names the files that were removed or never written. With -o it is written to FILE, and the folder is not changed.
`models:/NAME`, also with an alias or a number, is a registered model: one page on what it is for, how it does, and who
decided what. What was watched is read from ./monitoring, or from the folder that --monitoring names.

\b
  runtree report latest --open
  runtree report 20261122-0317 -o report.html
  runtree report models:/churn
  runtree report models:/churn --monitoring /srv/monitoring
"""


@click.command("report", help=HELP)
@click.argument("what", default="latest", shell_complete=complete_run_or_sweep)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option(
    "--monitoring",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The results of `runtree monitor -o FOLDER`.",
)
@click.option("--open", "show", is_flag=True, help="Open the report in the browser.")
@outputs_option()
def report_command(what: str, output: Path | None, monitoring: Path | None, show: bool, outputs: str) -> None:
    from runtree.app.report import write_any_report
    from runtree.contract.errors import RequestError
    from runtree.contract.model_version import ModelVersion
    from runtree.contract.storage import reason, remedy
    from runtree.records.commands import run_name
    from runtree.records.layout import SweepFolder

    try:
        written = write_any_report(Path(outputs), what, output, monitoring)
    except OSError as error:
        place = error.filename or output
        raise RequestError(f"{place}: cannot write the report ({reason(error)})", remedy(error)) from None
    kilobytes = written.file.stat().st_size / 1000
    click.echo(labelled("report", f"{display_path(written.file)}   ({kilobytes:,.0f} kB) of {written.name}"))
    for line in written.missing:
        click.echo(labelled("missing", line))
    source = written.source
    if isinstance(source, ModelVersion):
        name = what
    else:
        name = sweep_name(source, outputs) if isinstance(source, SweepFolder) else run_name(source)
    click.echo(f"\n{next_steps([command('report', name, '--open', outputs=outputs)])}")
    if show:
        # as a URI: browsers take a path with a # or ? for an address with a fragment
        click.launch(written.file.resolve().as_uri())
