"""`runtree serve keys`: the API keys of services."""

import click

from runtree.cli.format import labelled, next_steps
from runtree.cli.model_options import by_option, registry_option

SCHEMA = 1


@click.group("keys", invoke_without_command=True)
@registry_option(show=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def keys_command(context: click.Context, registry: str | None, as_json: bool) -> None:
    """List the API keys of services; add and remove them.

    As soon as there is one, each request needs a key. Roles: predict (predictions, explanations, labels), read
    (metrics), review (decide on answers), admin (everything). Keys are kept as hashes, in keys.json of the registry;
    services follow a change within a second.

    \b
      runtree serve keys add --role predict --name branch-bern
      runtree serve keys remove branch-bern
    """
    if context.invoked_subcommand is None:
        _list(registry, as_json)


@keys_command.command("list")
@registry_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def list_keys(context: click.Context, registry: str | None, as_json: bool) -> None:
    """List the keys."""
    _list(registry or _outer(context), as_json)


@keys_command.command("add")
@click.option("--role", default="predict", show_default=True, metavar="ROLE", help="predict, read, review or admin.")
@click.option("--name", default="", metavar="NAME", help="Who has it.")
@by_option()
@registry_option()
@click.pass_context
def add_key(context: click.Context, role: str, name: str, by: str | None, registry: str | None) -> None:
    """Make a key and print it, once."""
    from runtree.registry.store import user_name

    key, text = _store(registry or _outer(context)).add(role, name, by or user_name())
    click.echo(labelled("key", text))
    click.echo(labelled("role", key.role))
    click.echo("It is not kept, and cannot be shown again.")
    click.echo(next_steps([f"curl -H 'Authorization: Bearer {text[:12]}…' http://127.0.0.1:8000/v2"]))


@keys_command.command("remove")
@click.argument("key")
@by_option()
@registry_option()
@click.pass_context
def remove_key(context: click.Context, key: str, by: str | None, registry: str | None) -> None:
    """Remove KEY, by its id or its name."""
    from runtree.registry.store import user_name

    store = _store(registry or _outer(context))
    removed = store.remove(key, by or user_name())
    click.echo(f"removed {removed.id} ({removed.role})")
    if not store.all():
        click.echo("note: no key is left, and no request is answered until there is one", err=True)


def _list(registry: str | None, as_json: bool) -> None:
    from runtree.cli.tables import print_json, print_table
    from runtree.serving.keys import describe_key

    keys = [describe_key(key) for key in _store(registry).all()]
    if as_json:
        print_json({"schema": SCHEMA, "keys": keys})
    elif not keys:
        click.echo("no keys: a service answers anyone who can reach it, which is this machine")
    else:
        print_table(
            ("id", "role", "name", "created", "by"),
            [[*[*key.values()][:3], key["created"][:19], key["by"]] for key in keys],
        )


def _outer(context: click.Context) -> str | None:
    return context.parent.params.get("registry") if context.parent else None


def _store(registry: str | None):  # type: ignore[no-untyped-def]
    from pathlib import Path

    from runtree.records.model_versions import registry_root
    from runtree.serving.keys import KeyStore

    return KeyStore(Path(registry) if registry else registry_root())
