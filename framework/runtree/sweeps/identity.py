"""What a sweep is: written when it begins, compared when it is resumed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.config.catalogue import flatten
from runtree.config.compose import Composer
from runtree.config.freeze import OUTSIDE
from runtree.config.secrets import HIDDEN, redact
from runtree.contract.errors import RequestError
from runtree.records.layout import SweepFolder, read_description, timestamp
from runtree.records.writer import jsonable, write_yaml
from runtree.sweeps.messages import PreflightResult
from runtree.sweeps.search_space import SearchSpace

MAY_CHANGE_ON_RESUME = (
    "stop",
    "retries",
    "backoff",
    "on_failure",
    "grace",
    "plots",
    "report",
    "keep",
    "recheck",
)  # may be changed when a sweep is resumed


def sweep_identity(
    families: Sequence[SearchSpace], composer: Composer, tuner: Mapping[str, Any], found: PreflightResult | None
) -> dict[str, Any]:
    """Return what must be the same for a sweep to go on: space, config, tuner, data, split and objectives."""
    known = {
        family.name or "all": {
            "space": family.declared,
            "config": redact(_science(composer.base(_first(family)).frozen.config)),
        }
        for family in families
    }
    compared = {} if found is None else {"data": found.data, "split": found.split, "objectives": found.objectives}
    kept = {key: value for key, value in tuner.items() if key not in MAY_CHANGE_ON_RESUME}
    content: dict[str, Any] = jsonable({"families": known, "tuner": kept, **compared})
    return content


def _first(family: SearchSpace) -> dict[str, str]:
    """Return the options that a family's first combination is composed with."""
    groups = {one.path: one.domain.values[0] for one in family.space if one.composed}
    return {**groups, **family.choices}


def _science(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in OUTSIDE}


def write_description(file: Path, request: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Write `sweep.yaml`: how it was asked for, and what it is."""
    write_yaml(file, {"schema": 1, "begun": timestamp(), **request, "identity": known})


def read_request(folder: SweepFolder) -> dict[str, Any]:
    """Return how a sweep was asked for, to be asked for so again.

    Raises
    ------
    NotFoundError
        Nothing tells, or it is damaged.
    RequestError
        It was asked for with a secret, which is not kept.
    """
    content = read_description(folder)
    if any(HIDDEN in text for text in content["overrides"]):
        raise RequestError(f"{folder.description}: a secret was typed when it began, and secrets are not kept")
    return content


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with another space, config, tuner or data.

    Raises
    ------
    RequestError
        What differs, before and now.
    """
    old, new = flatten(before), flatten(now)
    differing = [key for key in {**old, **new} if _shown(old.get(key)) != _shown(new.get(key))]
    if not differing:
        return
    lines = [f"{key}: {_shown(old.get(key))} → {_shown(new.get(key))}" for key in differing[:3]]
    rest = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
    raise RequestError(
        f"{folder}: this is not the sweep that was begun, {len(differing)} keys differ{rest}",
        *lines,
        "begin a new one, or put back what was changed",
    )


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
