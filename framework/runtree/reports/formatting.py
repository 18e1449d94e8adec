"""Numbers, names and intervals as a page tells them."""

import math
from collections.abc import Mapping
from typing import Any

NAMES: Mapping[str, str] = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
    "mape": "MAPE",
    "r2": "R²",
    "f1": "F1",
    "mcc": "MCC",
}
MISSING = "\N{EN DASH}"


def number(value: Any, signed: bool = False) -> str:
    """Return a value for a table: four significant digits, thousands parted."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    sign = "+" if signed and value > 0 else ""
    if isinstance(value, int) or (abs(value) >= 1e4 and abs(value) < 1e15):
        text = f"{round(value):,}"
    elif value and abs(value) < 1e-3:
        text = f"{value:.2e}"
    elif abs(value) < 1e4:
        text = f"{value:.4f}" if abs(value) < 1 else f"{value:#.4g}".rstrip(".")
    else:
        text = f"{value:.4g}"
    return sign + text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else sign + text


def metric_name(name: str) -> str:
    """Return a metric as people call it."""
    return NAMES.get(name, name.replace("_", " "))


def interval(found: Mapping[str, Any] | None, signed: bool = False) -> str:
    """Return "0.93 to 0.99"; a dash where there is none."""
    if not found or found.get("low") is None or found.get("high") is None:
        return MISSING
    return f"{number(found['low'], signed)} to {number(found['high'], signed)}"


def with_interval(found: Mapping[str, Any], signed: bool = False) -> str:
    """Return "0.97 (0.93 to 0.99)"."""
    bounds = interval(found, signed)
    value = number(found.get("value"), signed)
    return value if bounds == MISSING else f"{value} ({bounds})"


def p_value(value: Any) -> str:
    """Return a p-value: never 0."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: Any) -> str:
    """Return seconds to the precision that matters."""
    if not isinstance(value, (int, float)):
        return MISSING
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def percent(value: Any) -> str:
    """Return a share as per cent."""
    return f"{value:.0%}" if isinstance(value, (int, float)) and math.isfinite(value) else MISSING


def size(count: int) -> str:
    """Return bytes: 312 kB, 4.1 MB."""
    return f"{count} B" if count < 1000 else f"{count / 1000:,.0f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


def count_of(count: int, word: str) -> str:
    """Return "1 row", "5,000 rows"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def join_words(words: list[str], most: int = 6) -> str:
    """Return "a, b and c"; beyond `most` the others are counted."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
