"""`runtree mlflow push`: send runs and sweeps from the output tree."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import command, next_steps, outputs_option, pluralize
from runtree.contract.errors import NotFoundError, RunFailedError, RuntreeError
from runtree.contract.model_version import SCHEME

if TYPE_CHECKING:
    from runtree_mlflow.settings import Settings

SCHEMA = 1

HELP = """Send runs and sweeps to an MLflow tracking store.

WHAT is `latest`, a run's id, a sweep, or an experiment; without it, all are sent. Runs that MLflow has are not
sent again, and incomplete ones are completed. The store is --uri, else MLFLOW_TRACKING_URI. A version of a registered
model (models:/NAME/NUMBER or models:/NAME@ALIAS) is registered there, too, with the aliases of its model.

\b
  runtree mlflow push
  runtree mlflow push 20261122-0317-sweep --uri http://localhost:5000
  runtree mlflow push models:/churn@champion
"""


@click.group("mlflow")
def mlflow_command() -> None:
    """Send runs to an MLflow tracking store."""


@mlflow_command.command("push", help=HELP)
@click.argument("what", required=False)
@click.option("--uri", metavar="URI", help="URI of the store or server.")
@click.option("--experiment", metavar="NAME", help="The MLflow experiment. Default: the experiment of the run.")
@click.option("--no-model", is_flag=True, help="Do not send models.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@outputs_option()
def push_command(
    what: str | None, uri: str | None, experiment: str | None, no_model: bool, as_json: bool, as_csv: bool, outputs: str
) -> None:
    """Send runs and print the result of each."""
    from runtree.cli.tables import print_csv, print_json
    from runtree_mlflow.settings import Settings, set_defaults

    set_defaults()
    settings, again = Settings(uri, experiment, not no_model), command("mlflow", "push")
    if what is not None and what.startswith(SCHEME):
        results, shown = send([what], settings, command("mlflow", "push", what))
    else:
        results, shown = send(select_folders(Path(outputs), what), settings, again)
    rows = [[run, state] for run, state in results.items()]
    if as_json:
        print_json({"schema": SCHEMA, "uri": shown, "runs": [{"id": run, "result": state} for run, state in rows]})
    elif as_csv:
        print_csv(["id", "result"], rows)
    else:
        counts = {state: sum(found == state for _, found in rows) for state in ("sent", "completed", "known", "busy")}
        texts = [f"{count:,} {RESULT_TEXTS[state]}" for state, count in counts.items() if count]
        click.echo(f"mlflow  {shown}: {', '.join(texts) or 'nothing to send'}")
        click.echo(next_steps([f"mlflow ui --backend-store-uri {shown}" if "://" in shown else "mlflow ui"]))


RESULT_TEXTS = {
    "sent": "sent",
    "completed": "completed",
    "known": "already there",
    "busy": "being sent by another process",
}


def select_folders(outputs: Path, what: str | None) -> list[Path]:
    """Return the folders of the selected runs and sweeps.

    Raises
    ------
    NotFoundError
        There is no such run, sweep or experiment.
    """
    from runtree.records.find import find_run
    from runtree.records.layout import find_sweep

    if what is None or (outputs / what).is_dir():
        places = [outputs / what] if what else sorted(path for path in outputs.glob("*") if path.is_dir())
        found = [folder for place in places for child in sorted(place.iterdir()) for folder in run_folders(child)]
        if not found:
            raise NotFoundError(f"no runs in {outputs / (what or '')}", "train one: runtree train")
        return found
    if (Path(what) / "ledger.jsonl").is_file() or what.rstrip("/").endswith("-sweep"):
        return [find_sweep(outputs, what.rstrip("/")).path]
    found = find_run(outputs, what).folder
    sweep = found.parent.parent
    return [sweep if (sweep / "ledger.jsonl").is_file() else found]  # a run of a sweep is sent with the sweep


def run_folders(folder: Path) -> list[Path]:
    """Return the folder if it is a run or a sweep, else the runs in it, as another Hydra sweeper leaves them."""
    if (folder / "run.json").is_file() or (folder / "ledger.jsonl").is_file():
        return [folder]
    return sorted(file.parent for file in folder.glob("runs/*/run.json"))


def send(places: list[Path] | list[str], settings: "Settings", again: str) -> tuple[dict[str, str], str]:
    """Send each folder, or version of a model; return the result of each, and the URI without credentials."""
    from runtree.records.model_versions import registry_root
    from runtree_mlflow.push import open_sender
    from runtree_mlflow.registry import push_version
    from runtree_mlflow.settings import redact
    from runtree_mlflow.store import Store

    results: dict[str, str] = {}
    try:
        store = Store(settings)
        for number, place in enumerate(places, 1):
            if isinstance(place, str):
                results |= push_version(store, registry_root(), place)
            else:
                results |= open_sender(place, store).send()
            click.echo(f"{number}/{len(places)}  {place}", err=True)
    except RuntreeError:
        raise
    except Exception as error:
        sent = sum(state in ("sent", "completed") for state in results.values())
        raise RunFailedError(
            f"mlflow: {redact(f'{type(error).__name__}: {error}')}",
            f"{pluralize(sent, 'run')} sent; continue with: {again}",
        ) from None
    return results, redact(store.uri)
