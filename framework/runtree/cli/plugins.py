"""`runtree plugins`: the installed plugins, what each adds, and which are broken."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import command, indented, next_steps
from runtree.cli.main import VERBS, muted_warnings
from runtree.cli.tables import print_json

if TYPE_CHECKING:
    from runtree.plugins import Plugins

SCHEMA = 1
LABEL_WIDTH = 14
MAX_TYPES = 12  # that are listed one by one
MAX_OPTIONS = 4  # of a group that are listed one by one
# Contribution hook → kind and text of its items.
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

HELP = """List the installed plugins: what each adds, or why it is left out.

Every hook of every plugin is called, so that a broken plugin is found here and not during a run. To leave a plugin out:
--block NAME before the verb, or RUNTREE_BLOCK=NAME,NAME in the environment.

\b
  runtree plugins
  runtree --block NAME plugins --json
"""


@click.command("plugins", help=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plugins_command(as_json: bool) -> None:
    from runtree.plugins import installed_plugins

    with muted_warnings():
        inventory = _make_inventory(installed_plugins())
    conflict = _find_conflict()
    if as_json:
        print_json({"schema": SCHEMA, "plugins": inventory, "conflict": conflict})
        return
    for plugin in inventory:
        _print_plugin(plugin)
    for line in conflict:
        click.echo(line)
    broken = [plugin["name"] for plugin in inventory if plugin["state"] == "broken"]
    click.echo(next_steps([*(command("--block", name, "plugins") for name in broken[:1]), command("list")]))


def _make_inventory(plugins: "Plugins") -> list[dict[str, Any]]:
    """Return state ("ok", "blocked" or "broken") and contributions of every plugin."""
    contributions: dict[str, dict[str, list[str]]] = {}
    for hook, (kind, format_item) in CONTRIBUTIONS.items():
        for plugin, item in plugins.contributions(hook):
            contributions.setdefault(plugin, {}).setdefault(kind, []).append(format_item(item))
    # a copy: a missing folder is a problem of this list, and the plugin's hooks still work
    problems = dict(plugins.broken)
    for plugin, kinds in contributions.items():
        for verb in sorted(VERBS.keys() & {*kinds.get("verbs", [])}):
            problems.setdefault(plugin, f"its verb '{verb}' is left out: runtree has one of that name")
        for path in kinds.pop("config", []):
            _add_config_folder(plugin, path, kinds, problems)
    inventory = []
    for name in dict.fromkeys([*plugins.names, *plugins.broken, *sorted(plugins.blocked)]):
        problem = problems.get(name)
        state = "blocked" if name in plugins.blocked else "broken" if problem else "ok"
        adds = {**contributions.get(name, {}), **({"hooks": _other_hooks(plugins, name)} if state == "ok" else {})}
        inventory.append(
            {
                "name": name,
                "version": plugins.versions.get(name),
                "state": state,
                "problem": problem,
                "adds": {kind: items for kind, items in adds.items() if items},
            }
        )
    return inventory


def _add_config_folder(plugin: str, path: str, kinds: dict[str, list[str]], problems: dict[str, str]) -> None:
    """Add the options of a config folder to the contributions, or a problem where it does not exist."""
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


def _find_conflict() -> list[str]:
    """Return the message, in lines, where two plugins claim one name."""
    from runtree.app import App
    from runtree.contract.errors import RuntreeError
    from runtree.contract.validation import unique_by_name

    app = App()
    try:
        # reading the property finds a clash of options
        app.catalogue.groups  # noqa: B018
        for hook in ("register_stages", "register_metrics", "register_trackers", "register_commands"):
            unique_by_name(CONTRIBUTIONS[hook][0].removesuffix("s"), app.plugins.contributions(hook))
    except RuntreeError as error:
        return str(error).splitlines()
    return []


def _other_hooks(plugins: "Plugins", name: str) -> list[str]:
    """Return the hooks of a plugin that contribute nothing to list: run_finished, save_model, …"""
    plugin = plugins.manager.get_plugin(name)
    callers = plugins.manager.get_hookcallers(plugin) or [] if plugin is not None else []
    return sorted(caller.name for caller in callers if caller.name not in CONTRIBUTIONS)


def _print_plugin(plugin: dict[str, Any]) -> None:
    state = plugin["state"].upper() if plugin["state"] == "broken" else plugin["state"]
    click.echo(f"{plugin['name']} {plugin['version'] or ''}".rstrip() + f"   {state}")
    if plugin["problem"]:
        click.echo(f"  {plugin['problem']}")
        click.echo(f"  to leave it out: runtree --block {plugin['name']} …   or: export RUNTREE_BLOCK={plugin['name']}")
    if plugin["state"] == "blocked":
        click.echo("  left out by --block or RUNTREE_BLOCK; none of its hooks was called")
    for kind, items in plugin["adds"].items():
        # other items stay in the order in which they take effect
        texts = _group_options(items) if kind == "options" else sorted(items) if kind == "types" else items
        if kind == "types" and len(items) > MAX_TYPES:
            texts = [f"{len(items)} that may occur in a saved model (all: runtree plugins --json)"]
        text = indented(", ".join(texts), " " * LABEL_WIDTH)
        click.echo(f"  {kind}".ljust(LABEL_WIDTH) + text[LABEL_WIDTH:])
    click.echo()


def _group_options(options: list[str]) -> list[str]:
    """Return options by group: ``data=csv|parquet``, or ``algorithm (33)`` where there are many."""
    groups: dict[str, list[str]] = {}
    for option in options:
        group, _, name = option.partition("=")
        groups.setdefault(group, []).append(name)
    return [
        f"{group}={'|'.join(names)}" if len(names) <= MAX_OPTIONS else f"{group} ({len(names)})"
        for group, names in groups.items()
    ]
