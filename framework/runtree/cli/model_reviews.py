"""`runtree models override` and `review`: people look at what a model has answered, and decide instead of it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import command, labelled, next_steps, outputs_option, pluralize, whole_number
from runtree.cli.model_options import by_option, find_registry, log_option, reason_option, registry_option
from runtree.cli.tables import print_csv, print_json, print_table

if TYPE_CHECKING:
    from runtree.records.prediction_review import ReviewRow

HEADINGS = ("request", "time", "prediction", "chosen", "weight")


@click.command("override")
@click.argument("request")
@click.argument("model", required=False)
@click.option("--value", required=True, metavar="VALUE", help="What holds instead: a class, or a number.")
@by_option()
@reason_option()
@log_option()
@registry_option()
@outputs_option()
@click.pass_context
def override_command(
    context: click.Context,
    request: str,
    model: str | None,
    value: str,
    by: str | None,
    reason: str,
    log: str,
    registry: str | None,
    outputs: str,
) -> None:
    """Decide instead of a model: override its answer to REQUEST.

    REQUEST is the id of the answer, with the number of the row where it had several: q1/3. The value is kept in the
    prediction log, and who decided and why in the audit log of the registry. The prediction itself confirms it. With
    MODEL the answer must be that model's.

    \b
      runtree models override 3f2a-7 --value no --reason 'the customer has called'
      runtree models override order-17/3 models:/churn --value yes --by anna --reason 'paid in the branch'
    """
    from runtree.app.oversight import OverrideRequest, override_prediction
    from runtree.registry.store import user_name

    root = find_registry(context, registry)
    asked = OverrideRequest(request, value, by or user_name(), reason, root, Path(outputs), model, log)
    answer, found, is_new = override_prediction(asked)
    if not is_new:
        click.echo(f"{answer.name}: {found} stands there already; nothing was written")
        return
    instead = "which confirms the prediction" if found == answer.prediction else f"instead of {answer.prediction}"
    before = f", and of the {answer.override} decided before" if answer.override is not None else ""
    click.echo(f"{answer.name} of {answer.reference} is {found} now, {instead}{before}")
    click.echo(labelled("audit", str(root / "audit.jsonl")))
    watched = answer.model if answer.version == "run" else f"models:/{answer.reference}"
    more = [] if log == "predictions" else ["--log", log]
    click.echo(next_steps([command("monitor", watched, *more), command("models", "verify")]))


@click.command("review")
@click.argument("model", shell_complete=complete_run)
@click.option("--rows", "count", type=whole_number(1), default=20, show_default=True, help="How many.")
@log_option()
@click.option("--since", default="", metavar="DATE", help="Only answers from this moment on, in UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with all inputs.")
@registry_option()
@outputs_option()
@click.pass_context
def review_command(
    context: click.Context,
    model: str,
    count: int,
    log: str,
    since: str,
    as_json: bool,
    as_csv: bool,
    registry: str | None,
    outputs: str,
) -> None:
    """List answers of MODEL for people to look at: half of them the most uncertain ones, the others at random.

    Those with a label are left out. The same rows are chosen each time. The weight of a row is the number of answers
    that it stands for. `runtree serve` has a page to decide on them, at /review.

    \b
      runtree models review models:/churn@champion
      runtree models review models:/churn@champion --rows 200 --since 2026-11-01 --csv > to_check.csv
    """
    from runtree.app.oversight import review_model
    from runtree.records.prediction_review import sample_for_review

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    reviewed = review_model(model, find_registry(context, registry), Path(outputs))
    sample = sample_for_review(log, reviewed, count, since)
    if as_json:
        rows = [asdict(row) for row in sample.rows]
        counts = {"model": reviewed.reference, "answers": sample.answers, "labelled": sample.labelled}
        print_json({"schema": 1, **counts, "rows": rows})
        return
    if as_csv:
        inputs = list(dict.fromkeys(name for row in sample.rows for name in row.inputs))
        classes = [*(reviewed.classes if any(row.probabilities for row in sample.rows) else ())]
        headings = [*HEADINGS, *(f"p_{label}" for label in classes), *inputs]
        found = [
            [*_facts(row), *map(row.probabilities.get, classes), *map(row.inputs.get, inputs)] for row in sample.rows
        ]
        print_csv(headings, found)
        return
    done = f", {sample.labelled:,} {'has' if sample.labelled == 1 else 'have'} one already" if sample.labelled else ""
    click.echo(f"{pluralize(sample.answers, 'answer')} of {reviewed.reference} without a label{done}")
    if not sample.rows:
        return
    headings = [*HEADINGS[:3], "probability", *HEADINGS[3:]]
    print_table(headings, [[*(facts := _facts(row))[:3], _likely(row), *facts[3:]] for row in sample.rows])
    more = [] if log == "predictions" else ["--log", log]
    other = next((label for label in reviewed.classes if label != str(sample.rows[0].prediction)), "…")
    words = ["--value", other, "--reason", "…", *more]
    steps = [command("models", "override", sample.rows[0].request, *words), command("models", "review", model, "--csv")]
    click.echo(next_steps(steps))


def _facts(row: "ReviewRow") -> list[Any]:
    return [row.request, row.time, row.prediction, row.chosen, row.weight]


def _likely(row: "ReviewRow") -> float | None:
    return max(row.probabilities.values(), default=None)
