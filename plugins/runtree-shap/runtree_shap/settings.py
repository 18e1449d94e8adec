"""The keys of the config group `explain`, and the budget of a permutation explanation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Skipped(Exception):
    """Raised with the reason why there is no explanation."""


@dataclass(frozen=True)
class Settings:
    """The config; see `conf/explain/default.yaml`."""

    rows: int = 200
    background: int = 30
    evaluations: int = 20_000
    seconds: int = 20
    shown: int = 20


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read the settings of a run's config; without the group `explain`, the defaults."""
    node = {key: value for key, value in (config.get("explain") or {}).items() if key != "name"}
    unknown = [key for key in node if key not in Settings.__dataclass_fields__]
    if unknown:
        raise Skipped(
            f"unknown config key 'explain.{unknown[0]}'; possible: {', '.join(Settings.__dataclass_fields__)}"
        )
    for key, value in node.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < (0 if key == "rows" else 1):
            raise Skipped(f"explain.{key}: {value!r} is not a count")
    return Settings(**node)


@dataclass(frozen=True)
class Budget:
    """Rows, background rows and permutations per row of a permutation explanation."""

    rows: int
    background: int
    permutations: int


MAX_ROWS = 50  # of a permutation explanation: enough for a ranking of the features, and each costs predictions


def divide_budget(settings: Settings, features: int) -> Budget:
    """Divide the predictions: rows first, then background rows, then permutations.

    A row costs two walks of `features` + 1 predictions for each background row and permutation.
    """
    walk = 2 * (features + 1)
    rows = min(settings.rows, MAX_ROWS, settings.evaluations // walk)
    if rows < 1:
        raise Skipped(f"{features} features need {walk} predictions a row: raise explain.evaluations")
    background = max(1, min(settings.background, settings.evaluations // (rows * walk)))
    return Budget(rows, background, max(1, min(10, settings.evaluations // (rows * walk * background))))
