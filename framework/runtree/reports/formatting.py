"""Numbers, intervals and names as text of a page."""

import math
from collections.abc import Mapping
from typing import Any

METRIC_LABELS: Mapping[str, str] = {
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


def format_number(value: Any, signed: bool = False) -> str:
    """Return a value with four significant digits and separated thousands; texts and truth values as they read."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    # before numbers: bool is a subclass of int
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
        # four decimals below 1, so that scores in one column align; # keeps trailing zeros
        text = f"{value:.4f}" if abs(value) < 1 else f"{value:#.4g}".rstrip(".")
    else:
        text = f"{value:.4g}"
    # a hyphen is shorter than a plus sign, and a browser may break a line after it
    return sign + text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else sign + text


def metric_label(name: str) -> str:
    return METRIC_LABELS.get(name, name.replace("_", " "))


def format_interval(interval: Mapping[str, Any] | None, signed: bool = False) -> str:
    """Return "0.93 to 0.99"; a dash where a limit is missing."""
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return MISSING
    return f"{format_number(interval['low'], signed)} to {format_number(interval['high'], signed)}"


def format_estimate(estimate: Mapping[str, Any], signed: bool = False) -> str:
    """Return a value with its interval: "0.97 (0.93 to 0.99)"."""
    interval, value = format_interval(estimate, signed), format_number(estimate.get("value"), signed)
    return value if interval == MISSING else f"{value} ({interval})"


def format_p_value(value: Any) -> str:
    """Return a p value, which is never shown as 0."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def format_seconds(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return MISSING
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def format_percent(value: Any) -> str:
    return f"{value:.0%}" if isinstance(value, (int, float)) and math.isfinite(value) else MISSING


def format_bytes(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:,.0f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


def pluralize(count: int, noun: str) -> str:
    """Return "1 row", "5,000 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def join_words(words: list[str], most: int = 6) -> str:
    """Return "a, b and c"; beyond `most` the rest is counted."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
