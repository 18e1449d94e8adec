"""`runtree predict`: predictions for the rows of a file."""

import time
from dataclasses import replace
from pathlib import Path

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, encrypt_option, outputs_option, printable, whole_number

HELP = """Predict the rows of FILE with the model of RUN.

RUN is `latest`, `best`, a path, or the beginning of a run's id. FILE must have the columns that the model was trained
on; other columns are ignored, or copied with --keep. It may be of any format that a table is trained from (CSV,
Parquet, Arrow, JSON lines, Excel), a folder, a glob in quotes, or a URL. A text file is read as the table of the run
was: with its separator, decimal mark and encoding, unless they are given. A value that is no number or date where the
model was trained with them is refused. CSV and Parquet files larger than memory are read and written in batches.

\b
  runtree predict latest customers.csv -o scores.parquet
  runtree predict 20261122-0 customers.csv -o scores.csv --keep customer_id
"""


@click.command("predict", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("file")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("predictions.parquet"), show_default=True)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of FILE to the output.")
@click.option("--batch", default=50_000, show_default=True, type=whole_number(1), help="Rows per batch.")
@click.option(
    "--unreadable",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    show_default=True,
    help="What to do with a value that is no number or date where the model needs one, a missing column, or a row "
    "that is against the schema of the model.",
)
@click.option("--separator", metavar="MARK", help="The separator of FILE, if not that of the run's table.")
@click.option("--decimal", metavar="MARK", help="Its decimal mark.")
@click.option("--encoding", metavar="NAME", help="Its encoding.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Load a model that contains this type of your own.")
@encrypt_option("Encrypt the output")
@outputs_option()
def predict_command(
    run: str,
    file: str,
    output: Path,
    keep: tuple[str, ...],
    batch: int,
    unreadable: str,
    separator: str | None,
    decimal: str | None,
    encoding: str | None,
    trust: tuple[str, ...],
    encrypt: str | None,
    outputs: str,
) -> None:
    from runtree.app import App
    from runtree.lifecycle.predict import predict_file, row_notes
    from runtree.records.find import find_run
    from runtree.records.sealed import named_key
    from runtree.registry.store import run_key

    record = find_run(Path(outputs), run, needs="model")
    key = named_key(encrypt, "--encrypt") if encrypt else run_key(record)
    began = time.monotonic()
    predictor = App().load_predictor(record, trust)
    given = {"separator": separator, "decimal": decimal, "encoding": encoding}
    csv = replace(predictor.csv, **{key: value for key, value in given.items() if value is not None})
    predictor = replace(predictor, csv=csv, refuse=unreadable == "refuse")
    counts = predict_file(predictor, file, output, keep, batch, key)
    for note in row_notes(predictor, counts):
        click.echo(f"note: {printable(note)}", err=True)
    click.echo(f"predicted {counts.rows:,} rows with {record.id} in {time.monotonic() - began:.1f} s")
    click.echo(f"wrote {output}{', encrypted; to open it: ' + command('unseal', str(output)) if key else ''}")
