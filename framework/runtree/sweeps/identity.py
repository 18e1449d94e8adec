"""What identifies a sweep: written to `sweep.yaml` when it begins, compared when it is resumed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtree.config.catalogue import flatten
from runtree.config.compose import Composer
from runtree.contract.errors import RequestError
from runtree.contract.fingerprint import IGNORED_GROUPS
from runtree.contract.redaction import HIDDEN, redact
from runtree.records.layout import SweepFolder, read_description, timestamp
from runtree.records.writer import jsonable, write_yaml
from runtree.sweeps.messages import PreflightResult
from runtree.sweeps.search_space import SearchSpace

MAY_CHANGE_ON_RESUME = (  # keys of `tuner`
    "stop",
    "retries",
    "backoff",
    "on_failure",
    "grace",
    "plots",
    "report",
    "keep",
    "recheck",
    "predictions",
)


def sweep_identity(
    spaces: Sequence[SearchSpace],
    composer: Composer,
    tuner: Mapping[str, Any],
    preflight: PreflightResult | None,
    seeds: Sequence[int] = (),
) -> dict[str, Any]:
    """Return what must not change when a sweep is resumed: space, seeds, config, tuner, data, split and objectives."""
    families = {
        space.name or "all": {
            "space": space.declared,
            # without `compute` and `outputs`, which may differ on resume
            "config": _without_outside(composer.base(_first_options(space)).frozen.config),
        }
        for space in spaces
    }
    comparable: dict[str, Any] = (
        {}
        if preflight is None
        else {
            "data": preflight.data,
            "split": preflight.split,
            "objectives": preflight.objectives,
            **({"scoring": preflight.scoring} if preflight.scoring else {}),
        }
    )
    kept = {key: value for key, value in tuner.items() if key not in MAY_CHANGE_ON_RESUME}
    comparable |= {"seeds": list(seeds)} if seeds else {}
    # without secrets, as it is written to sweep.yaml; and as JSON would give it back: otherwise a tuple would differ
    # from the list that is read from the file
    identity: dict[str, Any] = jsonable(redact({"families": families, "tuner": kept, **comparable}))
    return identity


def _first_options(space: SearchSpace) -> dict[str, str]:
    """Return the group options of a space's first combination."""
    groups = {dimension.path: dimension.domain.values[0] for dimension in space.space if dimension.composed}
    return {**groups, **space.choices}


def _without_outside(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in IGNORED_GROUPS}


def write_description(file: Path, request: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Write `sweep.yaml`."""
    write_yaml(file, {"schema": 1, "begun": timestamp(), **request, "identity": identity})


def read_request(folder: SweepFolder) -> dict[str, Any]:
    """Return the content of `sweep.yaml`, to resume the sweep with.

    Raises
    ------
    NotFoundError
        It is missing or damaged.
    RequestError
        The command line held a secret, which is not stored.
    """
    content = read_description(folder)
    if any(HIDDEN in text for text in content["overrides"]):
        raise RequestError(
            f"{folder.description}: the sweep began with a secret on its command line, which is not stored"
        )
    return content


def check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse to resume a sweep with another identity; raise RequestError with the first differences."""
    old, new = flatten(earlier), flatten(now)
    # as text: 1, 1.0 and true are equal in Python, but not the same config. Absent is not null: else the damaged name
    # of a key whose value is null would pass
    texts = [{key: _text(value) for key, value in identity.items()} for identity in (old, new)]
    differing = [key for key in {**old, **new} if texts[0].get(key) != texts[1].get(key)]
    if not differing:
        return
    lines = [f"{key}: {_text(old.get(key))} → {_text(new.get(key))}" for key in differing[:3]]
    rest = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
    raise RequestError(
        f"{folder}: this is not the sweep that was begun, {len(differing)} keys differ{rest}",
        *lines,
        "begin a new sweep, or change them back",
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
