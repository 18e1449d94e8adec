"""`runtree plugins`: who takes part, with what, and who is left out and why."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.words import command, next_line

if TYPE_CHECKING:
    from runtree.plugins import Plugins

SCHEMA = 1
LABEL = 14  # room for the kind of a contribution
MANY = 12  # types are told one by one up to here
# Contribution hook → how its items are told.
CONTRIBUTIONS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "register_algorithms": ("algorithms", lambda item: item.name),
    "config_paths": ("config", str),
    "register_stages": ("stages", lambda item: item.name),
    "register_metrics": ("metrics", lambda item: item.name),
    "register_commands": ("verbs", lambda item: item.name),
    "register_trackers": ("trackers", lambda item: item.name),
    "trusted_types": ("types", str),
    "environment_facts": ("facts", lambda item: item[0]),
}

HELP = """Show each plugin: what it adds to runtree, or why it is left out.

Every plugin is asked for all that it contributes, so that one that is broken is found here and not in a run. Leave one
out with --block NAME before the verb, or with RUNTREE_BLOCK=NAME,NAME in the environment.

\b
  runtree plugins
  runtree --block NAME plugins --json
"""


@click.command("plugins", help=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plugins_command(as_json: bool) -> None:
    """Ask every plugin for everything, and tell."""
    from runtree.cli.tables import print_json
    from runtree.cli.warnings import warnings_muted
    from runtree.plugins import installed_plugins

    with warnings_muted():
        found = inventory(installed_plugins())
    if as_json:
        print_json({"schema": SCHEMA, "plugins": found, "conflict": conflict()})
        return
    for plugin in found:
        print_plugin(plugin)
    for line in conflict():
        click.echo(line)
    broken = [plugin["name"] for plugin in found if plugin["state"] == "broken"]
    click.echo(next_line([*(command("--block", name, "plugins") for name in broken[:1]), command("list")]))


def inventory(plugins: "Plugins") -> list[dict[str, Any]]:
    """Return every plugin with state and contributions: those that take part, broken ones, blocked ones."""
    adds: dict[str, dict[str, list[str]]] = {}
    for hook, (kind, told) in CONTRIBUTIONS.items():
        for plugin, item in plugins.contributions(hook):
            adds.setdefault(plugin, {}).setdefault(kind, []).append(told(item))
    problems = dict(plugins.broken)
    for plugin, kinds in adds.items():
        for path in kinds.pop("config", []):
            add_folder(plugin, path, kinds, problems)
    named = dict.fromkeys([*plugins.names, *plugins.broken, *sorted(plugins.blocked)])
    return [one(plugins, name, adds.get(name, {}), problems.get(name)) for name in named]


def add_folder(plugin: str, path: str, kinds: dict[str, list[str]], problems: dict[str, str]) -> None:
    """Note the options of a config folder, or that the folder is not there."""
    from runtree.config.catalogue import Catalogue
    from runtree.config.search_path import locate
    from runtree.contract.errors import RuntreeError

    try:
        groups = Catalogue([locate(path, plugin)]).groups
    except RuntreeError as error:
        problems.setdefault(plugin, error.message)
        return
    kinds.setdefault("config", []).append(str(path))
    kinds.setdefault("options", []).extend(f"{group}={name}" for group, options in groups.items() for name in options)


def conflict() -> list[str]:
    """Return why the plugins do not go together, where one name is offered by two."""
    from runtree.app import App
    from runtree.contract.errors import RuntreeError

    try:
        App().catalogue.groups  # noqa: B018
    except RuntreeError as error:
        return str(error).splitlines()
    return []


def one(plugins: "Plugins", name: str, adds: dict[str, list[str]], problem: str | None) -> dict[str, Any]:
    """Return one plugin: its state is ok, blocked or broken."""
    state = "blocked" if name in plugins.blocked else "broken" if problem else "ok"
    hooks = {"hooks": moments(plugins, name)} if state == "ok" else {}
    contributed = {kind: items for kind, items in {**adds, **hooks}.items() if items}
    return {
        "name": name,
        "version": plugins.versions.get(name),
        "state": state,
        "problem": problem,
        "adds": contributed,
    }


def moments(plugins: "Plugins", name: str) -> list[str]:
    """Return the hooks of a plugin that are no contributions: it hears of a run, saves or loads models."""
    plugin = plugins.manager.get_plugin(name)
    callers = plugins.manager.get_hookcallers(plugin) or [] if plugin is not None else []
    return sorted(caller.name for caller in callers if caller.name not in CONTRIBUTIONS)


def print_plugin(plugin: dict[str, Any]) -> None:
    """Print a plugin and what it adds, or why it is left out and what to do."""
    state = plugin["state"].upper() if plugin["state"] == "broken" else plugin["state"]
    click.echo(f"{plugin['name']} {plugin['version'] or ''}".rstrip() + f"   {state}")
    if plugin["problem"]:
        click.echo(f"  {plugin['problem']}")
        click.echo(f"  leave it out: runtree --block {plugin['name']} …   or: export RUNTREE_BLOCK={plugin['name']}")
    if plugin["state"] == "blocked":
        click.echo("  left out by --block or RUNTREE_BLOCK, and asked for nothing")
    for kind, items in plugin["adds"].items():
        print_items(kind, items)
    click.echo()


def print_items(kind: str, items: list[str]) -> None:
    """Print contributions of one kind, wrapped below each other."""
    from runtree.cli.tables import indented, terminal_width

    told = by_group(items) if kind == "options" else sorted(items) if kind == "types" else items
    if kind == "types" and len(items) > MANY:
        told = [f"{len(items)} that a saved model may hold (all: runtree plugins --json)"]
    text = indented(", ".join(told), " " * LABEL, terminal_width() or 120)
    click.echo(f"  {kind}".ljust(LABEL) + text[LABEL:])


def by_group(options: list[str]) -> list[str]:
    """Return options by group: ``data=csv|parquet``, and ``algorithm (33)`` where there are many."""
    groups: dict[str, list[str]] = {}
    for option in options:
        group, _, name = option.partition("=")
        groups.setdefault(group, []).append(name)
    return [
        f"{group}={'|'.join(names)}" if len(names) < 5 else f"{group} ({len(names)})" for group, names in groups.items()
    ]
