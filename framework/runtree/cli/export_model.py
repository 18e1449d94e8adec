"""`runtree export-model`: a model as one file that other programs read."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, display_path, format_bytes, labelled, list_names, outputs_option
from runtree.cli.tables import print_json
from runtree.contract.errors import GateError

if TYPE_CHECKING:
    from runtree.app.export_model import ExportResult

PRECISIONS = {"double": "double precision", "float": "single precision"}

HELP = """Write the model of RUN as one file in ONNX, which predicts without Python and without runtree.

The file holds all of the model: preprocessing, algorithm, calibration, decision threshold, transformed target. It has
an input for each column (numbers as double, NaN if missing; dates as double, in seconds since 1970; categories as
string, empty if missing), and the outputs
`label` and `probabilities`, or `prediction`. Before it is written it is compared with the pipeline on up to 10,000
training rows, read again, and on rows with unseen categories and missing values: labels are equal in all of them, and
no probability differs by more than 1e-5 (of a regression: 1e-5 standard deviations). Else nothing is written.

\b
  runtree export-model models:/churn@champion --onnx
  runtree export-model latest --onnx -o churn.onnx
  runtree export-model models:/churn/3 --onnx --rows customers.csv

Exit code 3: the model has no form in ONNX, or it predicts otherwise.
"""


@click.command("export-model", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.option("--onnx", "as_onnx", is_flag=True, help="The format: ONNX.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The file.  [default: NAME.onnx]")
@click.option("--rows", metavar="FILE", help="Compare on these rows, where the run's own table is not there any more.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@outputs_option()
def export_model_command(
    run: str,
    as_onnx: bool,
    output: Path | None,
    rows: str | None,
    trust: tuple[str, ...],
    as_json: bool,
    outputs: str,
) -> None:
    if not as_onnx:
        raise click.UsageError(f"name the format: {command('export-model', run, '--onnx')}")
    from runtree.app import App
    from runtree.app.export_model import ExportRequest, export_onnx
    from runtree.records.find import find_run

    record = find_run(Path(outputs), run, needs="model")
    result = export_onnx(App(), ExportRequest(record, output, rows, trust))
    if as_json:
        print_json(result.content)
    if result.refused:
        raise GateError(*result.refused)
    if not as_json:
        _print(result)


def _print(result: "ExportResult") -> None:
    content = result.content
    version = f"{content['model']} version {content['version']}" if content["model"] else content["run"]
    click.echo(labelled("model", f"{version}: {content['algorithm']}, computed in {PRECISIONS[content['precision']]}"))
    click.echo(labelled("equal", _equality(content)))
    for side in ("inputs", "outputs"):
        kinds = {
            name: "double, seconds since 1970" if name in content["dates"] else kind
            for name, kind in content[side].items()
        }
        click.echo(labelled(side, list_names([f"{name} ({kind})" for name, kind in kinds.items()])))
    marks = {name: way for name, way in (content["sensitive"] or {}).items() if name in content["inputs"]}
    if marks:
        columns = list_names([f"{name} ({way})" for name, way in marks.items()])
        click.echo(labelled("note", f"takes hashes and masks, as predict --keep writes them, and no values: {columns}"))
    click.echo(labelled("file", f"{display_path(Path(content['file']))}, {format_bytes(content['bytes'])}"))


def _equality(content: dict[str, Any]) -> str:
    rows, accepted = content["rows"], content["tried"][-1]
    among = f"{rows['compared']:,} of {rows['all']:,} {'training ' if rows['source'] == 'train' else ''}rows"
    found = f"on {among} and {rows['probes']} others with unseen and missing values"
    difference = accepted["difference"]
    if accepted["labels_equal"] is None:
        return f"{found}: predictions differ by at most {difference:.2g} standard deviations"
    of_scores = "" if difference is None else f", probabilities differ by at most {difference:.2g}"
    return f"{found}: all labels equal{of_scores}"
