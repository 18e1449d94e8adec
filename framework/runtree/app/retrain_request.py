"""How a request to train a model again comes about: by triggers when a model is watched, or by a person."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtree.app.monitored_rows import MonitorRequest
from runtree.contract.commands import command
from runtree.contract.model_version import ModelVersion
from runtree.contract.redaction import redact
from runtree.contract.types import RunRecord
from runtree.monitoring.options import MonitorOptions, read_condition
from runtree.monitoring.page import read_windows
from runtree.monitoring.triggers import TriggerView, find_fired, held_back
from runtree.records.layout import MonitorFolder
from runtree.records.model_versions import find_model, parse_reference, registered_in
from runtree.records.retrain_requests import RetrainRequest, find_request, read_requests, refuse_closed, write_request
from runtree.registry.store import user_name

CHAMPION = "champion"
TAG = "request"  # of a version: the id of the request that it was made for


def request_retraining(
    options: MonitorOptions, request: MonitorRequest, folder: MonitorFolder
) -> tuple[RetrainRequest | None, list[str]]:
    """Write a request if triggers have fired and nothing holds it back; return it, or notes on why there is none.

    The same look twice makes one request: its name is that of model, version, newest window and triggers.
    """
    registered = registered_in(request.record.folder)
    if not (options.triggers.any or options.triggers.all):
        return None, []
    if registered is None:
        return None, [f"triggers are for registered models: {command('models', 'register', request.record.id, 'NAME')}"]
    model = find_model(registered.path.parent, registered.name)
    version = model.version(int(request.record.folder.name))
    _, word = parse_reference(request.reference) if "models:/" in request.reference else ("", None)
    alias = word if word and word in model.aliases else CHAMPION
    if model.aliases.get(alias) != version.number:
        return None, [f"triggers are for the version that {alias} means, which is not {version.number}"]
    windows = [one for one in read_windows(folder) if (one.get("model") or {}).get("run") == request.record.id]
    now = datetime.now(UTC)
    watched = TriggerView(windows, version.registered, str(request.record.objective.get("direction")), now)
    fired, evidence = find_fired(options.triggers, watched, lambda text, path: read_condition(options, text, path))
    if not fired:
        return None, []
    known, newest = read_requests(folder), str(windows[-1]["window"]["name"])
    reason = held_back(options.triggers, known, version.number, now)
    if reason:
        return None, [f"{', '.join(fired)}: no new request, since {reason}"]
    content = {
        **_about(version, alias),
        "triggers": fired,
        "evidence": evidence,
        "window": newest,
        "source": redact(_source(request)),
        "policy": options.policy,
        "mode": options.retrain,
    }
    written = write_request(folder, [model.name, str(version.number), newest, *fired], content)
    return (None if written.outcome else written), []


def _about(version: ModelVersion, alias: str) -> dict[str, Any]:
    return {"version": version.number, "run": version.run, "alias": alias, "by": user_name()}


def _source(request: MonitorRequest) -> dict[str, Any]:
    """Return where the rows of the windows are found again."""
    keys = ("file", "labels", "key", "overrides", "log", "since")
    return {key: getattr(request, key) for key in keys}


def source_request(record: RunRecord, source: Mapping[str, Any], trusted: tuple[str, ...]) -> MonitorRequest:
    """Return what was watched as a request was made."""
    words = tuple(map(str, source.get("overrides") or ()))
    keys = {key: source[key] for key in ("file", "labels", "key", "log", "since") if source.get(key)}
    return replace(MonitorRequest(record, record.id, overrides=words, trusted=trusted), **keys)


@dataclass(frozen=True)
class RetrainOrder:
    """What is typed.

    Attributes
    ----------
    data
        Keys of `data`, or a file, in place of those of the champion.
    request
        The beginning of the id of a request; None: the open one, else a new one.
    mode, policy
        None: as the request says.
    output
        The folder that holds a folder for each model that is watched.
    declines
        The request is not to be worked on, for a `reason`.
    """

    name: str
    data: tuple[str, ...] = ()
    request: str | None = None
    mode: str | None = None
    policy: str | None = None
    alias: str = CHAMPION
    trusted: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    output: Path = Path("monitoring")
    declines: bool = False


def open_requests(watched: MonitorFolder, version: ModelVersion) -> list[RetrainRequest]:
    """Return the requests about a version that are open, the oldest first.

    That which the version itself was made for is one of them: its process was killed after it had moved the alias.
    """
    own = (version.number, version.tags.get(TAG))
    known = [one for one in read_requests(watched) if not one.outcome]
    return [one for one in known if one.content["version"] == own[0] or one.id == own[1]]


def choose_request(order: RetrainOrder, version: ModelVersion, node: Mapping[str, Any]) -> RetrainRequest | None:
    """Return the request that is to be worked on: the one named, else the open one, else a new one for typed rows.

    Parameters
    ----------
    node
        The `monitor` settings of the champion's run.

    Raises
    ------
    RuntreeError
        There is no such request, or it is closed.
    """
    watched = MonitorFolder(order.output / order.name)
    if order.request is not None:
        found = find_request(watched, order.request)
        refuse_closed(found, command("retrain", order.name, "--data", "FILE"))
        return found
    opened = open_requests(watched, version)
    if opened:
        return opened[0]
    if not order.data:
        return None
    content = {
        **_about(version, order.alias),
        "by": order.by or user_name(),
        "triggers": [],
        "evidence": [order.reason] if order.reason else [],
        "window": None,
        "source": None,
        "data": list(order.data),
        "policy": order.policy or node.get("policy") or MonitorOptions.policy,
        "mode": order.mode or node.get("retrain") or MonitorOptions.retrain,
    }
    # those that are closed are counted, so that the same words may be typed again later
    words = [order.name, str(version.number), "typed", *order.data, str(len(read_requests(watched)))]
    return write_request(watched, words, content)
