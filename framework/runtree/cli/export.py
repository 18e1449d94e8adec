"""`runtree export`: all runs in one table."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.words import command, counted, next_line, outputs_option, where_option

if TYPE_CHECKING:
    import pandas as pd

HELP = """Write all runs into one table, a row a run: what pandas, DuckDB and a spreadsheet read.

The columns are those of `runtree runs --csv` and of `runtree.load_runs()`: fields, metrics (validation.f1), config keys
(algorithm.alpha), fingerprints, objective, error, folder. A Parquet file keeps the types.

\b
  runtree export -o runs.parquet
  runtree export -o good.csv --where 'test.accuracy>0.9' --experiment churn
"""


@click.command("export", help=HELP)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs.parquet"), show_default=True)
@click.option("--experiment", metavar="NAME", help="Runs of one experiment.")
@where_option()
@outputs_option()
def export_command(output: Path, experiment: str | None, where: tuple[str, ...], outputs: str) -> None:
    """Read the runs and write the table."""
    from runtree.contract.errors import RequestError
    from runtree.records.dataframe import load_runs

    if output.suffix not in (".parquet", ".csv"):
        raise RequestError(f"-o: '{output}' is neither .parquet nor .csv", "e.g. runtree export -o runs.parquet")
    table = load_runs(outputs, where, experiment)
    try:
        write_table(table, output)
    except OSError as error:
        raise RequestError(f"-o: cannot write {output} ({error.strerror})", "name another file") from None
    click.echo(f"wrote {output}: {counted(len(table), 'run')}, {counted(table.shape[1], 'column')}")
    click.echo(next_line([command("runs", outputs=outputs) if len(table) else command("train")]))


def write_table(table: "pd.DataFrame", file: Path) -> None:
    """Write a table aside and move it into place."""
    from runtree.cli.cells import harmless

    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as target:
            if file.suffix == ".parquet":
                table.to_parquet(target, index=False)
            else:
                harmless_texts(table).rename(columns=harmless).to_csv(target, index=False)
        aside.replace(file)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def harmless_texts(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table in which no cell is one that a spreadsheet takes for a formula."""
    from runtree.cli.cells import harmless

    changed = table.copy(deep=False)
    for name in table.columns:
        if table[name].dtype == "string":
            changed[name] = table[name].map(harmless, na_action="ignore")
    return changed
