"""Durations as people type them: ``90s``, ``30min``, ``12h``, ``7d``, ``2w``."""

import re
from typing import Any

from runtree.contract.errors import ConfigError, RuntreeError

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}  # in seconds


def parse_duration(value: Any) -> float | None:
    """Return a duration in seconds, None if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", str(value).strip().lower())
    return float(found[1]) * UNITS[found[2]] if found and found[2] in UNITS else None


def read_duration(value: Any, path: str, error: type[RuntreeError] = ConfigError) -> float:
    """Return a duration in seconds.

    Raises
    ------
    RuntreeError
        It is none, or zero; of the type `error`.
    """
    seconds = parse_duration(value)
    if not seconds:
        raise error(f"{path}: {value!r} is not a duration", "such as 30s, 15min, 1h, 1d, 2w")
    return seconds
