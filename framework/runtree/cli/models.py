"""`runtree models`: registered models, their versions, aliases and history."""

import re
from pathlib import Path

import click

from runtree.cli.completion import complete_run
from runtree.cli.format import (
    command,
    encrypt_option,
    labelled,
    next_steps,
    outputs_option,
    pluralize,
    wrapped,
)
from runtree.cli.model_moves import (
    approve_version,
    promote_version,
    reject_version,
    roll_back_alias,
    unset_alias,
)
from runtree.cli.model_options import (
    Act,
    act_options,
    by_option,
    find_registered,
    find_registry,
    open_registry,
    registry_option,
)
from runtree.cli.model_reviews import override_command, review_command
from runtree.cli.model_tables import (
    LABEL_WIDTH,
    SCHEMA,
    format_tags,
    print_model,
    print_models,
    print_version,
    warn_of_faults,
)
from runtree.cli.tables import print_json, print_table

SEAL_LENGTH = 16  # of the 64 digits; enough to recognize a line

HELP = """List registered models; register, approve, promote and roll back versions.

A version is a copy of a run's model that never changes. An alias, such as `champion`, is a name that moves from one
version to another. Wherever a run is expected, `models:/NAME@ALIAS` and `models:/NAME/NUMBER` mean a version.

\b
  runtree models register latest churn
  runtree models approve churn/1 --reason 'checked on the accounts of October'
  runtree models promote churn@1 champion
  runtree predict models:/churn@champion ROWS.csv -o OUT.csv
  runtree models rollback churn champion --reason 'complaints from the branch in Bern'
  runtree models override 3f2a-7 --value no --reason 'the customer has called'
"""


@click.group("models", help=HELP, invoke_without_command=True)
@registry_option(show=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def models_command(context: click.Context, registry: str | None, as_json: bool) -> None:
    # click also calls the group before its subcommand
    if context.invoked_subcommand is None:
        print_models(find_registry(context, registry), as_json)


for subcommand in (
    approve_version,
    override_command,
    promote_version,
    reject_version,
    review_command,
    roll_back_alias,
    unset_alias,
):
    models_command.add_command(subcommand)


@models_command.command("register")
@click.argument("run", shell_complete=complete_run)
@click.argument("name")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version. Repeatable.")
@encrypt_option("Encrypt the model and its predictions")
@outputs_option()
@act_options
def register_model(act: Act, run: str, name: str, tags: tuple[str, ...], encrypt: str | None, outputs: str) -> None:
    """Copy the model of RUN into the registry as the next version of NAME, with its lineage and a model card."""
    from runtree.records.find import find_run
    from runtree.records.sealed import named_key

    record = find_run(Path(outputs), run, needs="model")
    key = named_key(encrypt, "--encrypt") if encrypt else None
    version = act.open().register(name, record, _tags(tags), act.reason, key)
    click.echo(f"registered run {record.id} as {version.reference}")
    for missed in record.missed:
        click.echo(wrapped("warning", f"it failed a gate of its run: {missed}"))
    click.echo(labelled("card", str(version.folder / "card.md")))
    steps = [
        command("models", "approve", f"{name}/{version.number}", "--reason", "…"),
        command("models", "promote", f"{name}@{version.number}", "champion"),
        command("predict", version.reference, "ROWS.csv", "-o", "OUT.csv"),
    ]
    click.echo(next_steps(steps))


@models_command.command("show")
@click.argument("model")
@click.option("--card", is_flag=True, help="Print the model card.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@registry_option()
@click.pass_context
def show_model(context: click.Context, model: str, card: bool, as_json: bool, registry: str | None) -> None:
    """Show a model (NAME), or one version of it (NAME@ALIAS, NAME/NUMBER)."""
    from runtree.records.model_versions import parse_reference

    name, word = parse_reference(model)
    found = find_registered(context, registry, name)
    if word is None and not card:
        print_model(found, as_json)
        return
    version = found.version(word)
    if card:
        click.echo((version.folder / "card.md").read_text(encoding="utf-8"), nl=False)
    elif as_json:
        print_json({"schema": SCHEMA, **version.to_dict()})
    else:
        print_version(version)


@models_command.command("tag")
@click.argument("version")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE...")
@by_option()
@registry_option()
@click.pass_context
def tag_version(
    context: click.Context, version: str, tags: tuple[str, ...], by: str | None, registry: str | None
) -> None:
    """Set tags of VERSION (NAME/NUMBER); `KEY=` removes one."""
    from runtree.records.model_versions import parse_reference

    name, word = parse_reference(version)
    tagged = open_registry(context, registry, by).tag(name, word, _tags(tags))
    click.echo(f"{tagged.reference}: {format_tags(tagged.tags) or 'no tags'}")


@models_command.command("policy")
@click.argument("name")
@click.argument("changes", nargs=-1, metavar="[KEY=VALUE]...")
@act_options
def change_policy(act: Act, name: str, changes: tuple[str, ...]) -> None:
    """Show or change what a version of NAME must meet before a protected alias moves to it.

    \b
    protected    aliases that need an approved version and the gate
    require      bounds: test.f1, test.f1.low, new.f1, change, change.low, change.relative, held_out.high, fairness_gap,
                 latency_ms, size_mb
    approvers    who may approve; anyone if empty

    \b
      runtree models policy churn 'require=["test.f1 >= 0.9","change.low > 0"]' approvers=[anna,ben]
    """
    if changes:
        act.open().set_policy(name, _policy_changes(changes), act.reason)
    policy = act.find(name).policy
    for key in ("protected", "require", "approvers"):
        click.echo(labelled(key, ", ".join(getattr(policy, key)) or "none", LABEL_WIDTH))


@models_command.command("history")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@registry_option()
@click.pass_context
def show_history(context: click.Context, name: str, as_json: bool, registry: str | None) -> None:
    """Show all that was done with NAME: when, by whom and why."""
    from runtree.records.model_versions import describe_entry
    from runtree.registry.verify import seal

    model = find_registered(context, registry, name)
    if as_json:
        print_json({"schema": SCHEMA, "name": name, "entries": list(model.entries), "faults": list(model.faults)})
        return
    rows = [[e["number"], e["time"][:19].replace("T", " "), e["by"], describe_entry(e)] for e in model.entries]
    print_table(("line", "time (UTC)", "by", "what"), rows)
    warn_of_faults(model)
    click.echo()
    _print_seal(seal(model.entries), command("models", "verify", name, *_registry_words(registry)))


@models_command.command("at")
@click.argument("name")
@click.argument("date")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@registry_option()
@click.pass_context
def show_past(context: click.Context, name: str, date: str, as_json: bool, registry: str | None) -> None:
    """Show versions and aliases of NAME as they were at the end of DATE (2026-11-28, or 2026-11-28T14:30, in UTC)."""
    from runtree.records.model_versions import at_end_of, find_model

    print_model(find_model(find_registry(context, registry), name, at_end_of(date)), as_json)


@models_command.command("verify")
@click.argument("name", required=False)
@click.option("--head", metavar="SEAL", help="A seal that was printed earlier: the log must still contain it.")
@registry_option()
@click.pass_context
def verify_models(context: click.Context, name: str | None, head: str | None, registry: str | None) -> None:
    """Check that the log and all files of NAME, or of every model, are as they were written. Exit code 3 if not.

    `models history NAME` prints the seal of the log of NAME, and `models verify` that of the audit log, which covers
    them all. Note one elsewhere: with --head a log that was cut, or written anew, is found as well.
    """
    from runtree.contract.errors import GateError
    from runtree.registry.verify import seal, verify_registry

    found = verify_registry(find_registry(context, registry), name, head)
    if found.faults:
        raise GateError(f"{pluralize(len(found.faults), 'change')} found", *found.faults)
    versions = pluralize(sum(len(model.versions) for model in found.models), "version")
    lines = pluralize(sum(len(model.entries) for model in found.models), "line")
    acts = "" if name else f", {pluralize(len(found.audited), 'audited act')}"
    click.echo(
        f"{pluralize(len(found.models), 'model')}, {versions}, {lines} of history{acts}: all as they were written"
    )
    if name is None and found.audited:
        _print_seal(seal(found.audited), command("models", "verify", *_registry_words(registry)))


def _registry_words(registry: str | None) -> list[str]:
    return ["--registry", registry] if registry else []


def _print_seal(text: str, verify: str) -> None:
    click.echo(labelled("seal", text[:SEAL_LENGTH]))
    click.echo(next_steps([f"{verify} --head {text[:SEAL_LENGTH]}"]))


def _tags(words: tuple[str, ...]) -> dict[str, str]:
    from runtree.contract.errors import RequestError

    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}=.{0,1000}", word, re.DOTALL):
            raise RequestError(f"tag '{word}' is not KEY=VALUE", "type: team=credit")
    return dict(word.split("=", 1) for word in words)


def _policy_changes(words: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the lists of ``require=["test.f1 >= 0.9"]`` or ``protected=champion`` by key."""
    import yaml

    from runtree.contract.errors import RequestError

    changes = {}
    for word in words:
        key, mark, text = word.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not mark or (value is None and text.strip() not in ("", "null", "[]")):
            raise RequestError(f"'{word}' is not KEY=[VALUE,…]", "type: 'require=[\"test.f1 >= 0.9\"]'")
        changes[key] = [str(item) for item in values]
    return changes
