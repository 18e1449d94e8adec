"""Registered models and their versions, as `runtree models` prints them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.cli.format import command, format_age, labelled, next_steps
from runtree.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from runtree.contract.model_version import ModelVersion
    from runtree.records.model_versions import RegisteredModel

SCHEMA = 1
LABEL_WIDTH = 12


def format_tags(tags: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(tags.items()))


def print_models(root: Path, as_json: bool) -> None:
    from runtree.records.model_versions import model_folders, read_model

    models = [read_model(folder) for folder in model_folders(root)]
    if as_json:
        print_json({"schema": SCHEMA, "registry": str(root), "models": [model_document(model) for model in models]})
        return
    if not models:
        click.echo(f"no registered models in {root}")
        click.echo(next_steps([command("models", "register", "latest", "NAME")]))
        return
    rows = []
    for model in models:
        aliases = ", ".join(f"{alias} {number}" for alias, number in model.aliases.items())
        latest = model.versions.get(model.latest)
        age = format_age(latest.registered) if latest else None
        rows.append([model.name, len(model.versions), model.latest, age, aliases or None])
    faults = {number: f"-> {model.faults[0]}" for number, model in enumerate(models) if model.faults}
    print_table(("model", "versions", "latest", "registered", "aliases"), rows, faults)
    click.echo(f"\n{next_steps([command('models', 'show', models[0].name)])}")


def model_document(model: "RegisteredModel") -> dict[str, Any]:
    versions = [version.to_dict() for version in model.versions.values()]
    policy = {key: list(getattr(model.policy, key)) for key in ("protected", "require", "approvers")}
    facts = {"aliases": dict(model.aliases), "policy": policy, "faults": list(model.faults)}
    return {"name": model.name, "versions": versions, **facts}


def print_model(model: "RegisteredModel", as_json: bool) -> None:
    if as_json:
        print_json({"schema": SCHEMA, **model_document(model)})
        return
    if not model.versions:
        click.echo(f"{model.name} had no version then")
        return
    rows = []
    for version in reversed(list(model.versions.values())):
        metric, value = _objective(version)
        cells = [version.number, version.state, ", ".join(version.aliases) or None, metric, value, version.run]
        rows.append([*cells, format_age(version.registered), format_tags(version.tags) or None])
    print_table(("version", "state", "aliases", "metric", "test", "run", "registered", "tags"), rows)
    warn_of_faults(model)
    steps = [command("models", "show", f"{model.name}/{model.latest}"), command("models", "history", model.name)]
    click.echo(f"\n{next_steps(steps)}")


def _objective(version: "ModelVersion") -> tuple[str | None, float | None]:
    """Return the metric by which the run of a version was ranked, and its value on the test split."""
    from runtree.contract.errors import NotFoundError
    from runtree.records.layout import RunFolder
    from runtree.records.record import read_record

    try:
        record = read_record(RunFolder(version.folder))
    except NotFoundError:
        return None, None
    name = record.objective.get("metric")
    return name, record.metrics.get("test", {}).get(name)


def print_version(version: "ModelVersion") -> None:
    facts = {
        "version": version.reference,
        "state": version.state,
        "aliases": ", ".join(version.aliases) or "none",
        "run": version.run,
        "registered": f"{version.registered[:19].replace('T', ' ')} UTC by {version.by}",
        "tags": format_tags(version.tags) or "none",
        "content": version.content,
        "folder": str(version.folder),
    }
    for label, text in facts.items():
        click.echo(labelled(label, text, LABEL_WIDTH))
    steps = [
        command("models", "show", f"{version.name}/{version.number}", "--card"),
        command("show", version.reference),
    ]
    click.echo(next_steps(steps))


def print_gate(model: "RegisteredModel", number: int, alias: str) -> None:
    """Print the conditions that the version has just passed, if the alias is protected."""
    gates = [e for e in model.entries if e["act"] == "gate" and e["version"] == number and e["alias"] == alias]
    for condition in gates[-1]["gate"]["conditions"] if gates and alias in model.policy.protected else ():
        click.echo(labelled("gate", f"{condition['condition']}: {condition['value']:.4g}"))
    if gates and (new := gates[-1]["gate"].get("new")) and new["value"] is not None:
        click.echo(labelled("rows", f"{new['metric']} is {new['value']:.4g} on {new['rows']}"))


def warn_of_faults(model: "RegisteredModel") -> None:
    for fault in model.faults:
        click.echo(f"warning: {model.folder.log}: {fault}", err=True)
