"""The limits of MLflow on names, values and batches, and functions that enforce them.

The figures are those of `mlflow.utils.validation` (3.17).
"""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KEY = 250
PARAM = 6000
TAG = 5000  # 8000 in current versions; older servers allow this many
METRICS = 1000  # per call
PARAMS = 100
TAGS = 100
INVALID = re.compile(r"[^/\w.\- :]")


def name(text: str) -> str:
    """Return a valid name; a changed one ends in a hash, so that names stay distinct."""
    fit = INVALID.sub("_", text)[:KEY]
    if posixpath.normpath(fit) != fit or fit.startswith(("/", "..")) or fit in ("", "."):
        fit = fit.replace("/", "_").strip(".") or "_"
    if fit == text:
        return fit
    return f"{fit[: KEY - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def text(value: Any, most: int) -> str:
    """Return a value as text of at most `most` characters."""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def params(values: Mapping[str, Any]) -> dict[str, str]:
    """Return valid parameters."""
    return {name(key): text(value, PARAM) for key, value in values.items()}


def metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are numbers."""
    return {name(key): float(value) for key, value in values.items() if isinstance(value, (int, float))}


def tags(values: Mapping[str, Any]) -> dict[str, str]:
    """Return valid tags, without empty ones."""
    return {name(key): text(value, TAG) for key, value in values.items() if value not in (None, "", {}, [], ())}


def batches(params: Mapping[str, str], metrics: Sequence[Any], tags: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each call of `log_batch`; the tags are in the last one."""
    from mlflow.entities import Param, RunTag

    all_params = [Param(key, value) for key, value in params.items()]
    calls = max(-(-len(all_params) // PARAMS), -(-len(metrics) // (METRICS - PARAMS - TAGS)), 1)
    for call in range(calls):
        some = metrics[call * (METRICS - PARAMS - TAGS) :][: METRICS - PARAMS - TAGS]
        last = [RunTag(key, value) for key, value in tags.items()] if call == calls - 1 else []
        if some or last or all_params[call * PARAMS :]:
            yield {"metrics": some, "params": all_params[call * PARAMS :][:PARAMS], "tags": last}
