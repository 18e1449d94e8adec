"""A registered model in MLflow's registry: the run, its model, the version with its tags, and the aliases."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.model_version import ModelVersion
from runtree.records.layout import RunFolder
from runtree.records.model_versions import RegisteredModel, find_model, find_version
from runtree.records.sealed import is_sealed
from runtree_mlflow.facts import read
from runtree_mlflow.model import PLACE, send_model
from runtree_mlflow.push import MARK, PushResult, push_run
from runtree_mlflow.store import Store

NUMBER = "runtree.version"  # identifies a version: MLflow counts on its own


def push_version(store: Store, root: Path, reference: str) -> dict[str, PushResult]:
    """Send the version that a reference means, and let the aliases of its model mean what they mean here.

    Raises
    ------
    RequestError
        It is encrypted.
    """
    version = find_version(root, reference)
    folder = RunFolder(version.folder)
    if is_sealed(folder.model / "model.json"):
        raise RequestError(f"{version.reference}: is encrypted, and MLflow would keep it in plain")
    run = _push_run(store, folder)
    client, own = store.client, _own_versions(store, version.name)
    tags = {f"runtree.tag.{key}": value for key, value in version.tags.items()}
    tags |= {NUMBER: str(version.number), "runtree.content": version.content, "runtree.state": version.state}
    number = own.get(version.number)
    if number is None:
        number = _make_version(client, version, run, tags)
    else:
        for key, value in tags.items():
            client.set_model_version_tag(version.name, number, key, value)
    result: PushResult = "known" if version.number in own else "sent"
    _mirror_aliases(client, find_model(root, version.name), {**own, version.number: number})
    return {version.reference: result}


def _push_run(store: Store, folder: RunFolder) -> Any:
    """Send the run of a version, if MLflow lacks it or its model; the files of the version stay as they are."""
    facts = read(folder.path)
    experiment = store.experiment(facts.record.experiment)
    found = store.find(experiment, facts.key)
    if found is None or MARK not in found.data.tags:
        push_run(store, facts, experiment)
        found = store.find(experiment, facts.key)
    if not store.client.list_artifacts(found.info.run_id, PLACE):
        send_model(store, folder, found.info.run_id)
    return found


def _own_versions(store: Store, name: str) -> dict[int, str]:
    """Return the versions of a model in MLflow that were sent from here: MLflow's number by ours."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # it is there already; else the next request says what is wrong
        store.client.create_registered_model(name)
    found = store.client.search_model_versions(f"name='{name}'")
    return {int(version.tags[NUMBER]): str(version.version) for version in found if NUMBER in version.tags}


def _make_version(client: Any, version: ModelVersion, run: Any, tags: dict[str, str]) -> str:
    card = version.folder / "card.md"
    made = client.create_model_version(
        version.name,
        f"{run.info.artifact_uri}/{PLACE}",
        run.info.run_id,
        tags=tags,
        description=card.read_text(encoding="utf-8") if card.is_file() else None,
    )
    return str(made.version)


def _mirror_aliases(client: Any, model: RegisteredModel, numbers: dict[int, str]) -> None:
    existing = dict(client.get_registered_model(model.name).aliases)
    for alias, number in model.aliases.items():
        if number in numbers and str(existing.get(alias)) != numbers[number]:
            client.set_registered_model_alias(model.name, alias, numbers[number])
    # one that was never given here is of somebody else
    given = {entry["alias"] for entry in model.entries if entry["act"] == "alias"}
    for alias in existing.keys() & given - model.aliases.keys():
        client.delete_registered_model_alias(model.name, alias)
