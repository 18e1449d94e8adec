"""`runtree show`: all that is known of one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from runtree.cli.words import command, next_line, outputs_option, usual_outputs

if TYPE_CHECKING:
    from runtree.contract.types import RunRecord

SCHEMA = 1

HELP = """Show one run: how it went, its data, metrics and settings.

RUN is `latest`, a path, or the beginning of a run's id or fingerprint where no other begins so. --config, --history,
--log and --findings print that part alone: the whole config as YAML, the metrics of each iteration, what was said
during the run, what a diagnosis found and what to do about it.

\b
  runtree show latest
  runtree show 20261122-0317 --config > again.yaml
  runtree show latest --findings
"""


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a run's id."""
    from runtree.records.selectors import run_ids

    outputs = context.params.get("outputs") or usual_outputs()
    known = ["latest", *run_ids(Path(outputs))]
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command("show", help=HELP)
@click.argument("run", default="latest", shell_complete=complete_run)
@click.option("--config", is_flag=True, help="Print the whole config, targets and spaces included.")
@click.option("--history", is_flag=True, help="Print the metrics of each iteration.")
@click.option("--log", is_flag=True, help="Print the log.")
@click.option("--findings", is_flag=True, help="Print what a diagnosis found, and what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print metrics, iterations or findings as CSV.")
@outputs_option()
def show_command(
    run: str, config: bool, history: bool, log: bool, findings: bool, as_json: bool, as_csv: bool, outputs: str
) -> None:
    """Find the run and print what was asked for."""
    from runtree.cli.findings import print_findings
    from runtree.cli.run_page import metric_rows, print_page
    from runtree.cli.tables import print_csv, print_json
    from runtree.records.artifacts import whole_config
    from runtree.records.selectors import find_run

    one_of({"--config": config, "--history": history, "--log": log, "--findings": findings})
    record = find_run(Path(outputs), run)
    if findings:
        print_findings(record, as_json, as_csv, outputs)
    elif as_json:
        print_json({"schema": SCHEMA, "run": everything(record)})
    elif config:
        click.echo(whole_config(record), nl=False)
    elif history:
        print_history(record, as_csv)
    elif log:
        print_log(record)
    elif as_csv:
        print_csv(*metric_rows(record))
    else:
        print_page(record)
        click.echo(f"\n{next_line(suggestions(record, outputs))}")


def one_of(flags: dict[str, bool]) -> None:
    """Refuse two flags that each print one part alone."""
    given = [flag for flag, on in flags.items() if on]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} each print one part alone: give one of them")


def everything(record: "RunRecord") -> dict[str, Any]:
    """Return the record, and what lies beside it: data, folds, iterations."""
    from runtree.cli.run_export import full
    from runtree.records import artifacts
    from runtree.records.cleanup import removed_artifacts
    from runtree.records.layout import RunFolder

    gone = removed_artifacts(RunFolder(record.folder))
    beside = {"data": artifacts.data(record), "folds": artifacts.folds(record), "history": artifacts.iterations(record)}
    beside |= {"evaluation": artifacts.evaluation(record)}
    return {**full(record), **beside, **({"cleaned": gone} if gone else {})}


def print_log(record: "RunRecord") -> None:
    """Print the log; nothing in it can move the cursor."""
    from runtree.cli.cells import printable
    from runtree.records.artifacts import log

    for line in log(record).splitlines():
        click.echo(printable(line.replace("\t", "    ")))


def print_history(record: "RunRecord", as_csv: bool) -> None:
    """Print a row for each iteration."""
    from runtree.cli.run_page import print_rows
    from runtree.cli.tables import print_csv
    from runtree.records.artifacts import iterations

    lines = iterations(record)
    if not lines:
        click.echo(f"{record.id}: its algorithm reported no iterations", err=True)
    elif as_csv:
        headings = list(dict.fromkeys(name for line in lines for name in line))
        print_csv(headings, [[line.get(name) for name in headings] for line in lines])
    else:
        print_rows(lines)


def suggestions(record: "RunRecord", outputs: str) -> list[str]:
    """Return what to type next."""
    from runtree.records.cleanup import removed_artifacts
    from runtree.records.layout import RunFolder

    if record.state == "completed":
        config = command("show", record.id, "--config", outputs=outputs)
        if removed_artifacts(RunFolder(record.folder)).get("model"):
            return [command("rerun", record.id, outputs=outputs), config]
        return [command("predict", record.id, "ROWS.csv", "-o", "OUT.csv", outputs=outputs), config]
    return [command("show", record.id, "--log", outputs=outputs), command("runs", outputs=outputs)]
