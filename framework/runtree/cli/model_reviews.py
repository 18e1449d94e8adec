"""`runtree models override` and `review`: people look at what a model has answered, and decide instead of it."""

from pathlib import Path

import click

from runtree.cli.format import command, labelled, next_steps, outputs_option
from runtree.cli.model_options import by_option, find_registry, log_option, reason_option, registry_option


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
    from runtree.app.override import OverrideRequest, override_prediction
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
