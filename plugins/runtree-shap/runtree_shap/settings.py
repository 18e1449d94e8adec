"""How much is explained: the keys of the config group `explain`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Skipped(Exception):
    """There is no explanation, and this is why."""


@dataclass(frozen=True)
class Settings:
    """What a run may set; see `conf/explain/default.yaml`."""

    rows: int = 200
    background: int = 30
    evaluations: int = 20_000
    seconds: int = 20
    shown: int = 20


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read the settings of a run's config; a run that chose no option of the group `explain` has the defaults."""
    node = {key: value for key, value in (config.get("explain") or {}).items() if key != "name"}
    strange = [key for key in node if key not in Settings.__dataclass_fields__]
    if strange:
        raise Skipped(
            f"unknown config key 'explain.{strange[0]}'; possible: {', '.join(Settings.__dataclass_fields__)}"
        )
    for key, value in node.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < (0 if key == "rows" else 1):
            raise Skipped(f"explain.{key}: {value!r} is not a count")
    return Settings(**node)


@dataclass(frozen=True)
class Budget:
    """What a model-agnostic explanation may spend: rows, background rows and permutations for each row."""

    rows: int
    background: int
    permutations: int


ROWS = 50  # of a model-agnostic explanation: tens say what matters, and each costs predictions


def share_out(settings: Settings, features: int) -> Budget:
    """Share the predictions out: rows first, then background rows, then permutations.

    A row costs two walks of `features` + 1 predictions for each background row and permutation.
    """
    walk = 2 * (features + 1)
    rows = min(settings.rows, ROWS, settings.evaluations // walk)
    if rows < 1:
        raise Skipped(f"{features} features need {walk} predictions a row: raise explain.evaluations")
    background = max(1, min(settings.background, settings.evaluations // (rows * walk)))
    return Budget(rows, background, max(1, min(10, settings.evaluations // (rows * walk * background))))
