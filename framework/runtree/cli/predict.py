"""`runtree predict`: predictions for the rows of a file."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.evaluate import one_file
from runtree.cli.format import command, encrypt_option, outputs_option, pluralize, printable, whole_number

if TYPE_CHECKING:
    from runtree.lifecycle.predict import Predictor, RowCounts
    from runtree.records.sealed import SealKey

HELP = """Predict the rows of FILE, or of another table, with the model of RUN.

RUN is `latest`, `best`, a path, the beginning of a run's id, or `models:/NAME@ALIAS`. FILE must have the columns that
the model was trained on; other columns are ignored, or copied with --keep. It may be of any format that a table is
trained from (CSV, Parquet, Arrow, JSON lines, Excel), a folder, a glob in quotes, or a URL. A text file is read as the
table of the run was: with its separator, decimal mark and encoding, unless they are given. A value that is no number or
date where the model was trained with them is refused. CSV and Parquet files larger than memory are read and written in
batches; if such a command was killed, the same one goes on after the last complete part.

Keys of `data` name rows of any other source, such as a query, which are read whole. The tables that the run joined are
joined to FILE, unless it has their columns.

If the output is a folder, each file of a folder, also of one at a URL, is predicted into a file of its own (a.csv into
a.csv.parquet), once: repeated, the command goes on with those that are new or have changed. --watch waits for more, and
follows an alias.

\b
  runtree predict latest customers.csv -o scores.parquet
  runtree predict 20261122-0 customers.csv -o scores.csv --keep customer_id
  runtree predict latest data=sql data.url=sqlite:///shop.db data.table=new_orders
  runtree predict models:/churn@champion incoming/ -o scored/ --watch
  runtree predict models:/churn@champion s3://shop/incoming -o scored/ --watch
"""


@click.command("predict", help=HELP)
@click.argument("run", shell_complete=complete_run)
@click.argument("words", nargs=-1, required=True, metavar="[FILE] [KEY=VALUE]...")
@click.option("-o", "--output", "place", default="predictions.parquet", metavar="PATH", show_default=True)
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
@click.option("--watch", is_flag=True, help="Predict the files of a folder as they come, until Ctrl-C.")
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(0.01), help="Seconds between two looks.")
@encrypt_option("Encrypt the output")
@outputs_option()
def predict_command(
    run: str,
    words: tuple[str, ...],
    place: str,
    keep: tuple[str, ...],
    batch: int,
    unreadable: str,
    separator: str | None,
    decimal: str | None,
    encoding: str | None,
    trust: tuple[str, ...],
    watch: bool,
    every: float,
    encrypt: str | None,
    outputs: str,
) -> None:
    from runtree.app import App
    from runtree.app.evaluate import EvaluationRequest, rows_to_predict
    from runtree.contract.errors import RequestError
    from runtree.contract.model_version import SCHEME
    from runtree.contract.urls import scheme_of
    from runtree.lifecycle.predict import row_notes
    from runtree.lifecycle.predict_file import FORMATS, predict_file
    from runtree.records.find import find_run
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record
    from runtree.records.sealed import named_key
    from runtree.registry.version_files import run_key
    from runtree.tables.places import local_path

    given = {"separator": separator, "decimal": decimal, "encoding": encoding}
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}

    @lru_cache(maxsize=1)
    def load(folder: Path) -> "tuple[Predictor, SealKey | None]":
        record = read_record(RunFolder(folder))
        predictor = App().load_predictor(record, trust)
        predictor = replace(predictor, csv=replace(predictor.csv, **named), refuse=unreadable == "refuse")
        return predictor, named_key(encrypt, "--encrypt") if encrypt else run_key(record)

    if scheme_of(place):
        raise RequestError(f"-o {place}: predictions are written on this machine", "name a file or folder, and copy it")
    output, (file, overrides) = Path(place), one_file(words)
    record = find_run(Path(outputs), run, needs="model")
    if watch and file is None:
        raise click.UsageError("--watch needs a folder")
    source = None if file is None else file if scheme_of(file) not in ("", "file") else Path(local_path(file))
    is_folder = source is not None and (isinstance(source, str) or source.is_dir())
    if source is not None and (watch or (is_folder and output.suffix not in FORMATS)):
        run = run if run.startswith(SCHEME) else str(record.folder)  # an alias may move; `latest` stays what it was

        def predict(source: Path | str, target: Path) -> "RowCounts":
            predictor, key = load(find_run(Path(outputs), run).folder)
            return predict_file(predictor, source, target, keep, batch, key)

        _predict_each(source, output, predict, every if watch else None)
        return
    began = time.monotonic()
    predictor, key = load(record.folder)
    rows = rows_to_predict(App(), EvaluationRequest(record, file, overrides, trust), predictor)
    counts = predict_file(predictor, rows, output, keep, batch, key)
    for note in row_notes(predictor, counts):
        click.echo(f"note: {printable(note)}", err=True)
    before = f", {counts.earlier:,} of them by an earlier call" if counts.earlier else ""
    click.echo(f"predicted {counts.rows:,} rows with {record.id} in {time.monotonic() - began:.1f} s{before}")
    click.echo(f"wrote {output}{', encrypted; to open it: ' + command('unseal', str(output)) if key else ''}")


def _predict_each(
    source: Path | str, target: Path, predict: "Callable[[Path | str, Path], RowCounts]", every: float | None
) -> None:
    from runtree.contract.errors import RequestError, RunFailedError
    from runtree.lifecycle.predict_folder import predict_folder
    from runtree.tables.file_formats import FileOptions

    if isinstance(source, Path) and not source.is_dir():
        raise RequestError(f"{source}: is no folder", "into a folder the files of a folder are predicted")
    count = failed = 0
    try:
        for found in predict_folder(source, target, predict, tuple(FileOptions().suffixes), every):
            count, failed = count + 1, failed + bool(found.error)
            for line in (found.error or pluralize(found.rows, "row")).splitlines():
                hint = line.startswith("  ")
                click.echo(printable(line if hint else f"{found.name}: {line}"), err=bool(found.error))
    except KeyboardInterrupt:
        if every is None:
            raise
    click.echo(f"predicted {pluralize(count - failed, 'file')} into {target}")
    if failed and every is None:
        raise RunFailedError(
            f"{pluralize(failed, 'file')} could not be predicted", "the same command tries again those that failed"
        )
