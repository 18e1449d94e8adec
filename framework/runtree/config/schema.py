"""The keys that every run has, with their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import ConfigError, unknown

SEGMENT = "[A-Za-z0-9._-]"


@dataclass(frozen=True)
class Objective:
    """By which metric runs are ranked, or by which several a sweep judges them; "auto" asks the task."""

    metric: str | list[str] = "auto"
    direction: str | list[str] = "auto"


def check_root(config: Mapping[str, Any]) -> None:
    """Refuse a root config whose own keys hold what they must not."""
    seed = config.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ConfigError(f"seed: {seed!r} is not a whole number from 0 to 4294967295")
    check_name("experiment.name", (config.get("experiment") or {}).get("name"))
    check_objective(config.get("objective") or {})
    if not isinstance(config.get("outputs"), str):
        raise ConfigError(f"outputs: {config.get('outputs')!r} is not a folder")


def check_name(path: str, name: Any) -> None:
    """Refuse a name that could not be a folder's."""
    import re

    if not isinstance(name, (str, int)) or not re.fullmatch(rf"(?!\.){SEGMENT}{{1,128}}", str(name)):
        raise ConfigError(
            f"{path}: {name!r} cannot name a folder", "use letters, digits, '.', '_' and '-', and no leading dot"
        )


def check_objective(objective: Mapping[str, Any]) -> None:
    """Refuse an objective with unknown keys or an unknown direction."""
    for key in objective:
        if key not in Objective.__dataclass_fields__:
            raise unknown(
                "config key",
                f"objective.{key}",
                [f"objective.{name}" for name in Objective.__dataclass_fields__],
                error=ConfigError,
            )
    directions = objective.get("direction", "auto")
    for direction in directions if isinstance(directions, list) else [directions]:
        if direction not in ("auto", "maximize", "minimize"):
            raise ConfigError(f"objective.direction: {direction!r} is not one of auto, maximize, minimize")
