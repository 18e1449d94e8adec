"""`runtree retrain`: a registered model is trained again on new rows, compared, promoted or refused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runtree.cli.format import labelled, next_steps, trust_option
from runtree.cli.model_options import by_option, reason_option, registry_option
from runtree.cli.tables import print_json
from runtree.contract.commands import command
from runtree.contract.errors import GateError
from runtree.records.retrain_requests import PENDING, PROMOTED, REFUSED

if TYPE_CHECKING:
    from runtree.app.retrain import RetrainResult

HELP = """Train the champion of NAME again on new rows, and promote the new version if it is better beyond chance.

The config is that of the champion; only keys of `data` may differ. Both versions are scored on labelled rows that
neither was made with: those of the newest window that was watched, or those that the new run held out. The champion
stays on a tie. Without --data the request that a trigger has written is worked on (monitor.triggers), with the table
of the champion if it has changed, else with the rows with labels that were watched; one that was interrupted goes on
where it was left.

\b
  runtree retrain churn --data orders_2026_11.parquet
  runtree retrain churn --data data.path=orders_2026_11.parquet --data data.sample=100000
  runtree retrain churn                            the open request, from a scheduled job, for example
  runtree retrain churn --request 3f9a --policy train_and_promote
  runtree retrain churn --request 3f9a --decline --reason 'the rule is back as it was'

Exit code 0: promoted, or registered and waiting for approval; 3: refused.
"""


@click.command("retrain", help=HELP)
@click.argument("name")
@click.option(
    "--data", multiple=True, metavar="FILE|KEY=VALUE", help="The new rows: a file, or keys of data. Repeatable."
)
@click.option("--request", metavar="ID", help="A request of a trigger. [default: the open one]")
@click.option(
    "--mode",
    type=click.Choice(["refit", "retune"]),
    help="refit: the champion's parameters; retune: its search again, from what it found. [default: monitor.retrain]",
)
@click.option(
    "--policy",
    type=click.Choice(["train", "train_and_promote"]),
    help="Whether a better version waits for approval, or is approved and promoted at once. [default: monitor.policy]",
)
@click.option("--decline", is_flag=True, help="Close the request untouched, as refused, for a --reason.")
@click.option("--alias", default="champion", show_default=True, help="The name of the version that is to be replaced.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="monitoring", show_default=True,
    help="The folder of `runtree monitor`, where requests are kept.",
)  # fmt: skip
@trust_option()
@by_option()
@reason_option()
@registry_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def retrain_command(
    name: str,
    data: tuple[str, ...],
    request: str | None,
    mode: str | None,
    policy: str | None,
    decline: bool,
    alias: str,
    output: Path,
    trust: tuple[str, ...],
    by: str | None,
    reason: str,
    registry: str | None,
    as_json: bool,
) -> None:
    from runtree.app import App, TrainCallbacks
    from runtree.app.retrain import retrain
    from runtree.app.retrain_request import RetrainOrder
    from runtree.cli.progress import RunProgress
    from runtree.records.model_versions import parse_reference, registry_root

    name, word = parse_reference(name)
    if decline and (data or mode or policy):
        raise click.UsageError("--decline closes a request: --data, --mode and --policy say how to work on it")
    order = RetrainOrder(name, data, request, mode, policy, word or alias, trust, by or "", reason, output, decline)
    progress = RunProgress()
    callbacks = TrainCallbacks(progress.on_stage, progress.on_run_end, progress.on_iteration)
    try:
        result = retrain(App(), Path(registry) if registry else registry_root(), order, callbacks)
    finally:
        progress.stop()
    if as_json:
        print_json({"schema": 1, **result.to_dict()})
    else:
        for label, text in _lines(name, result):
            click.echo(labelled(label, text))
        if decline:
            click.echo(labelled("refused", result.reasons[0]))
        places = [] if output == Path("monitoring") else ["-o", str(output)]
        places += [] if registry is None else ["--registry", registry]
        click.echo(next_steps(list(_next(name, order.alias, result, places))))
    if result.outcome == REFUSED and not decline:
        stays = f"{order.alias} of {name} stays as it is"
        raise GateError(f"{stays}: {result.reasons[0] if result.reasons else 'refused'}", *result.reasons[1:3])


def _lines(name: str, result: "RetrainResult") -> Iterator[tuple[str, str]]:
    request, version = result.request, result.version
    if request is None:
        yield "request", f"none of {name} is open: no trigger has fired, or its request is closed"
        return
    yield "request", f"{request.id}: {request.cause}"
    if result.outcome is None:
        yield "waits", "the policy is to suggest only: a person has to name the request"
    if version is not None:
        yield "version", f"{version.reference}: run {version.run}"
    change = result.gate.get("change") or {}
    for label, found in (("newest", change), ("old rows", result.old)):
        if "value" in found:
            low, high = (f"{found[end]:+.4g}" for end in ("low", "high"))
            gain = f"gain in {found['metric']} {found['value']:+.4g}, 95 % from {low} to {high}"
            yield label, f"{gain}, on {found['rows']}"
    if result.outcome == PROMOTED and version is not None:
        yield "promoted", f"{request.content['alias']} of {name} is now version {version.number}"
    elif result.outcome == PENDING:
        yield "pending", result.reasons[0]


def _next(name: str, alias: str, result: "RetrainResult", places: Sequence[str]) -> Iterator[str]:
    request, version = result.request, result.version
    registry = list(places[places.index("--registry") :]) if "--registry" in places else []
    if request is None:
        yield command("retrain", name, "--data", "FILE", *places)
    elif result.outcome is None:
        yield command("retrain", name, "--request", request.id, *places)
        yield command("retrain", name, "--request", request.id, "--decline", "--reason", "…", *places)
    elif result.outcome == PENDING and version is not None:
        yield command("models", "approve", f"{name}/{version.number}", "--reason", "…", *registry)
        yield command("models", "promote", f"{name}@{version.number}", alias, *registry)
    elif result.outcome == PROMOTED:
        yield command("models", "history", name, *registry)
        yield command("models", "rollback", name, alias, *registry)
    else:
        yield command("models", "history", name, *registry)
