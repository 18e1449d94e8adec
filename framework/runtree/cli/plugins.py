"""`runtree plugins`: the installed plugins, what each adds, and which are broken."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import command, indented, next_steps
from runtree.cli.main import VERBS, muted_warnings
from runtree.cli.tables import print_json
from runtree.contract.validation import TAKEN

if TYPE_CHECKING:
    from runtree.plugins import Plugins

SCHEMA = 1
LABEL_WIDTH = 14
HEAVY_SECONDS = 0.05  # what a plugin may add to each start of runtree
IMPORT_TIMEOUT_SECONDS = 120
# a line of `python -X importtime`: own and cumulative microseconds, two spaces for each level, the module
IMPORT_LINE = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| ( *)(\S+)")
MAX_TYPES = 12  # that are listed one by one
MAX_OPTIONS = 4  # of a group that are listed one by one
# Contribution hook → kind and text of its items.
CONTRIBUTIONS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "register_algorithms": ("algorithms", lambda item: item.name),
    "config_paths": ("config", str),
    "register_stages": ("stages", lambda item: _with_settings(item)),
    "register_metrics": ("metrics", lambda item: _with_settings(item)),
    "register_commands": ("verbs", lambda item: item.name),
    "register_trackers": ("trackers", lambda item: item.name),
    "register_detectors": ("detectors", lambda item: item.name),
    "register_alerts": ("alerts", lambda item: item.name),
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
        conflict = _find_conflicts()
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
    from runtree.app import App

    contributions: dict[str, dict[str, list[str]]] = {}
    for hook, (kind, format_item) in CONTRIBUTIONS.items():
        for plugin, item in plugins.contributions(hook):
            contributions.setdefault(plugin, {}).setdefault(kind, []).append(format_item(item))
    # a copy: a missing folder is a problem of this list, and the plugin's hooks still work
    problems = dict(plugins.broken)
    for plugin, option in plugins.contributions("register_algorithms"):
        if why := _find_space_error(option):
            problems.setdefault(plugin, why)
    for plugin, kinds in contributions.items():
        for verb in sorted(VERBS.keys() & {*kinds.get("verbs", [])}):
            problems.setdefault(plugin, f"its verb '{verb}' is left out: {TAKEN}")
        for path in kinds.pop("config", []):
            _add_config_folder(plugin, path, kinds, problems)
    catalogue = App(plugins).catalogue
    catalogue.groups  # noqa: B018  reading the property finds names that are taken
    for plugin, what in [*plugins.taken, *catalogue.taken]:
        problems.setdefault(plugin, f"its {what} is left out: {TAKEN}")
    inventory = []
    imports = _measure_imports(plugins)
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
                "imports": imports.get(name, {}),
                "adds": {kind: items for kind, items in adds.items() if items},
            }
        )
    return inventory


def _measure_imports(plugins: "Plugins") -> dict[str, dict[str, int]]:
    """Return the packages that the modules of plugins import, and their milliseconds, where it takes long.

    Measured in a new process for each plugin: in this one the first plugin that needs a library pays for all.
    """
    if max(plugins.import_seconds.values(), default=0.0) < HEAVY_SECONDS:
        return {}
    measured = {}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for name in plugins.import_seconds:
        # runtree first: it is there whenever a plugin is loaded
        words = [sys.executable, "-X", "importtime", "-c", f"import runtree.plugins, {plugins.points[name].module}"]
        try:
            done = subprocess.run(
                words, env=environment, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            continue
        measured[name] = heavy_imports(done.stderr, {plugins.points[name].module.partition(".")[0]})
    return measured


def heavy_imports(importtime: str, own: Collection[str]) -> dict[str, int]:
    """Return the milliseconds of each foreign package, with all that it imports itself, from Python's own table."""
    lines = [IMPORT_LINE.match(line) for line in importtime.splitlines()]
    totals: dict[str, int] = {}
    parents: list[tuple[int, str]] = []
    # from the end: a module follows those that it imports
    for cumulative, indent, module in (match.groups() for match in reversed(lines) if match):
        level, package = len(indent), module.partition(".")[0]
        parents = [parent for parent in parents if parent[0] < level]
        # what a library, or runtree, imports itself is in their time
        known = {*own, *sys.stdlib_module_names}
        if package not in {*known, "runtree"} and {parent for _, parent in parents} <= known:
            totals[package] = totals.get(package, 0) + int(cumulative)
        parents.append((level, package))
    heavy = {package: round(total / 1000) for package, total in totals.items() if total >= HEAVY_SECONDS * 1e6}
    return dict(sorted(heavy.items(), key=lambda pair: -pair[1]))


def _find_space_error(option: Any) -> str:
    """Return why a space cannot be parsed, which would only show in a sweep; empty if it can."""
    from runtree.config.catalogue import algorithm_node
    from runtree.config.space.dimensions import parse_space
    from runtree.contract.errors import RuntreeError

    node = algorithm_node(option)
    try:
        for task in option.tasks:
            parse_space(node["space"], "algorithm.", task, {"algorithm": node})
    except RuntreeError as error:
        return error.message
    return ""


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


def _with_settings(item: Any) -> str:
    """Return the name of a stage or a metric, with its settings and their defaults."""
    settings = ", ".join(f"{key}={value}" for key, value in item.settings.items())
    return f"{item.name} ({settings})" if settings else str(item.name)


def _find_conflicts() -> list[str]:
    """Return a line for each name that two plugins claim."""
    from runtree.app import App
    from runtree.contract.errors import RuntreeError
    from runtree.contract.validation import unique_by_name

    app = App()
    options = [(group, name) for group, options in app.catalogue.groups.items() for name in options]
    checks: list[Callable[[], object]] = [partial(app.catalogue.refuse_rivals, *option) for option in options]
    named = (
        *("register_stages", "register_metrics", "register_trackers", "register_detectors", "register_alerts"),
        "register_commands",
    )
    for hook in named:
        kind = CONTRIBUTIONS[hook][0].removesuffix("s")
        checks.append(partial(unique_by_name, kind, list(app.plugins.contributions(hook))))
    lines: list[str] = []
    for check in checks:
        try:
            check()
        except RuntreeError as error:
            lines += str(error).splitlines()
    return lines


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
    if plugin["imports"]:
        listed = ", ".join(f"{package} {milliseconds} ms" for package, milliseconds in plugin["imports"].items())
        click.echo(f"  slow: its module imports {listed} at each start of runtree; import them where they are used")
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
