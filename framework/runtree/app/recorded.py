"""What a record says was typed, ready to be typed again, and what it means by now."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runtree.config.freeze import Frozen
from runtree.config.secrets import HIDDEN
from runtree.contract.errors import RequestError
from runtree.contract.types import RunRecord


def typed(record: RunRecord) -> list[str]:
    """Return the overrides of a run.

    Raises
    ------
    RequestError
        One of them was hidden when it was written down.
    """
    if any(HIDDEN in text for text in record.overrides):
        raise RequestError(f"{record.id} was given a secret on the command line", "name secrets as ${secret:NAME}")
    return list(record.overrides)


def refuse_other_config(
    record: RunRecord, frozen: Frozen, *hints: str, but: Callable[[str], bool] = lambda key: False
) -> None:
    """Refuse a config that is not the one of the run; keys of which `but` says so may have other values.

    Raises
    ------
    RequestError
        With the keys in which it differs.
    """
    if frozen.fingerprint == record.fingerprints.get("config"):
        return
    changed = [key for key in differing(record.config, frozen.flat) if not but(key)]
    if changed:
        raise RequestError(f"{record.id}: the config is not what it was: {', '.join(changed[:4])}", *hints)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys of two flat configs that have other values."""
    keys = dict.fromkeys([*one, *other])
    return [key for key in keys if one.get(key) != other.get(key) and not key.startswith(("outputs", "experiment"))]


def sweep_of(record: RunRecord) -> Path | None:
    """Return the folder of the sweep that a run is of."""
    return record.folder.parent.parent if "/" in record.id and record.folder.parent.name == "runs" else None


def tree_of(record: RunRecord) -> Path:
    """Return the output tree that a run lies in; where its folder was named by hand the one of its config."""
    experiment = (sweep_of(record) or record.folder).parent
    return experiment.parent if experiment.name == record.experiment else Path(str(record.config.get("outputs")))
