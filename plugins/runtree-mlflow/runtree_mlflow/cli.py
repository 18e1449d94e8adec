"""`runtree mlflow push`: send runs and sweeps from the tree, whatever became of them when they ran."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import command, next_steps, outputs_option, pluralize
from runtree.contract.errors import NotFoundError, RunFailedError

if TYPE_CHECKING:
    from runtree_mlflow.settings import Settings

SCHEMA = 1

HELP = """Send runs and sweeps to an MLflow tracking store.

WHAT is `latest`, a run's id, a sweep, or an experiment; without it everything is sent. What MLflow has already is not
sent again, and what is there in part is completed. The store is the one that MLFLOW_TRACKING_URI names, or --uri.

\b
  runtree mlflow push
  runtree mlflow push 20261122-0317-sweep --uri http://localhost:5000
"""


@click.group("mlflow")
def mlflow_command() -> None:
    """Send runs to an MLflow tracking store."""


@mlflow_command.command("push", help=HELP)
@click.argument("what", required=False)
@click.option("--uri", metavar="URI", help="The store or the server.")
@click.option("--experiment", metavar="NAME", help="MLflow's experiment; else the name of runtree's.")
@click.option("--no-model", is_flag=True, help="Leave the models out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@outputs_option()
def push_command(
    what: str | None, uri: str | None, experiment: str | None, no_model: bool, as_json: bool, as_csv: bool, outputs: str
) -> None:
    """Send, and say what became of each run."""
    from runtree.cli.tables import print_csv, print_json
    from runtree_mlflow.settings import Settings, set_defaults

    set_defaults()
    folders = chosen(Path(outputs), what)
    became, shown = send(folders, Settings(uri, experiment, not no_model), again=command("mlflow", "push"))
    rows = [[run, state] for run, state in became.items()]
    if as_json:
        print_json({"schema": SCHEMA, "uri": shown, "runs": [{"id": run, "became": state} for run, state in rows]})
    elif as_csv:
        print_csv(["id", "became"], rows)
    else:
        counts = {state: sum(found == state for _, found in rows) for state in ("sent", "completed", "known", "busy")}
        told = [f"{count:,} {SAID[state]}" for state, count in counts.items() if count]
        click.echo(f"mlflow  {shown}: {', '.join(told) or 'nothing to send'}")
        click.echo(next_steps([f"mlflow ui --backend-store-uri {shown}" if "://" in shown else "mlflow ui"]))


SAID = {
    "sent": "sent",
    "completed": "completed",
    "known": "there already",
    "busy": "being sent by another process",
}


def chosen(outputs: Path, what: str | None) -> list[Path]:
    """Return the folders of runs and sweeps that are meant.

    Raises
    ------
    NotFoundError
        There is none of that name.
    """
    from runtree.records.layout import find_sweep
    from runtree.records.selectors import find_run

    if what is None or (outputs / what).is_dir():
        places = [outputs / what] if what else sorted(path for path in outputs.glob("*") if path.is_dir())
        found = [folder for place in places for child in sorted(place.iterdir()) for folder in within(child)]
        if not found:
            raise NotFoundError(f"no runs in {outputs / (what or '')}", "train one: runtree train")
        return found
    if (Path(what) / "ledger.jsonl").is_file() or what.rstrip("/").endswith("-sweep"):
        return [find_sweep(outputs, what.rstrip("/")).path]
    found = find_run(outputs, what).folder
    sweep = found.parent.parent
    return [sweep if (sweep / "ledger.jsonl").is_file() else found]  # a sweep's run is sent with its sweep


def within(folder: Path) -> list[Path]:
    """Return a folder that is a run's or a sweep's; of a sweep by another sweeper than runtree's each run."""
    if (folder / "run.json").is_file() or (folder / "ledger.jsonl").is_file():
        return [folder]
    return sorted(file.parent for file in folder.glob("runs/*/run.json"))


def send(folders: list[Path], settings: "Settings", again: str) -> tuple[dict[str, str], str]:
    """Send from each folder; return what became of each run, and where they are, without credentials."""
    from runtree_mlflow.push import open_sender
    from runtree_mlflow.settings import harmless
    from runtree_mlflow.store import Store

    became: dict[str, str] = {}
    try:
        store = Store(settings)
        for number, folder in enumerate(folders, 1):
            became |= open_sender(folder, store).send()
            click.echo(f"{number}/{len(folders)}  {folder}", err=True)
    except Exception as error:
        sent = sum(state in ("sent", "completed") for state in became.values())
        raise RunFailedError(
            f"mlflow: {harmless(f'{type(error).__name__}: {error}')}",
            f"{pluralize(sent, 'run')} sent until then; go on with: {again}",
        ) from None
    return became, harmless(store.uri)
