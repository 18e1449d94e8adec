"""Triggers: what has to be seen in the windows of a model before it is asked to be trained again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runtree.contract.durations import parse_duration
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.expression import Expression
from runtree.records.retrain_requests import REFUSED, RetrainRequest

Content = Mapping[str, Any]
# what a condition says of a window: whether it holds and a sentence; None if the window does not tell
Finding = tuple[bool, str] | None

POLICIES = ("suggest", "train", "train_and_promote")
MODES = ("refit", "retune")
NAMES = ("age", "new_rows", "drift_share", "quality_drop", "kpi", "schema")
DETECTOR_OF_SCHEMA = "schema"


@dataclass(frozen=True)
class TriggerOptions:
    """`monitor.triggers`; `conf/monitor/_monitor_.yaml` explains the keys."""

    any: dict[str, Any] = field(default_factory=dict)
    all: dict[str, Any] = field(default_factory=dict)
    windows: int = 2
    cool_down: str = "1d"
    per_day: int = 1


def check_triggers(options: TriggerOptions, parse: Callable[[str, str], Expression]) -> None:
    """Refuse a trigger that there is not, or a value that it does not take.

    Parameters
    ----------
    parse
        Gets a condition on figures and its config path.

    Raises
    ------
    ConfigError
        With the path of the trigger.
    """
    for group in ("any", "all"):
        for name, value in getattr(options, group).items():
            path = f"monitor.triggers.{group}.{name}"
            if name not in NAMES:
                raise unknown(f"trigger at monitor.triggers.{group}:", name, NAMES, error=ConfigError)
            if name == "age":
                duration(value, path)
            elif name == "kpi":
                parse(str(value), path)
            elif name == "schema":
                if value is not True:
                    raise ConfigError(f"{path}: {value!r} is not possible", f"type: {path}=true")
            elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ConfigError(f"{path}: {value!r} is no number from 0 on", f"such as {path}={_EXAMPLES[name]}")
            elif name == "drift_share" and value > 1:
                raise ConfigError(f"{path}: {value!r} is no share, and would never be reached", f"such as {path}=0.3")
    duration(options.cool_down, "monitor.triggers.cool_down")
    for name in ("windows", "per_day"):
        if getattr(options, name) < 1:
            raise ConfigError(f"monitor.triggers.{name}: must be at least 1, got {getattr(options, name)}")


_EXAMPLES = {"new_rows": 10_000, "drift_share": 0.3, "quality_drop": 0.02}


def duration(value: Any, path: str) -> timedelta:
    """Return ``7d``, ``12h`` or ``2w`` as a duration.

    Raises
    ------
    ConfigError
        It is none.
    """
    seconds = parse_duration(value)
    if seconds is None:
        raise ConfigError(f"{path}: {value!r} is no duration", f"such as {path}=7d, {path}=12h")
    return timedelta(seconds=seconds)


@dataclass(frozen=True)
class TriggerView:
    """What triggers look at.

    Attributes
    ----------
    windows
        The records of the windows of the version, in the order of time.
    trained
        When it was registered, ISO 8601 in UTC.
    direction
        Of the metric that it is ranked by.
    """

    windows: Sequence[Content]
    trained: str
    direction: str
    now: datetime


def find_fired(
    options: TriggerOptions, model: TriggerView, parse: Callable[[str, str], Expression]
) -> tuple[list[str], list[str]]:
    """Return the triggers that have fired, and a sentence for each; of those under `all` none or all fire."""
    found = {
        group: {name: _look(name, value, options, model, parse) for name, value in getattr(options, group).items()}
        for group in ("any", "all")
    }
    fired = {name: says for name, says in found["any"].items() if says}
    if found["all"] and all(found["all"].values()):
        fired |= found["all"]
    return sorted(fired), [fired[name] for name in sorted(fired)]


def _look(
    name: str, value: Any, options: TriggerOptions, model: TriggerView, parse: Callable[[str, str], Expression]
) -> str:
    """Return what was seen if a trigger has fired, else an empty text."""
    if name == "age":
        age = model.now - datetime.fromisoformat(model.trained)
        return f"it is {age.days} days old, limit {value}" if age >= duration(value, "monitor.triggers") else ""
    if name == "new_rows":
        rows = sum(int(window["rows"]) for window in model.windows)
        return f"{rows:,} new rows, limit {value:,}" if rows >= value else ""
    checks: dict[str, Callable[[Content], Finding]] = {
        "drift_share": lambda window: _drift_share(window, value),
        "quality_drop": lambda window: _quality_drop(window, value, model.direction),
        "kpi": lambda window: _condition(window, parse(str(value), "monitor.triggers")),
        "schema": _schema,
    }
    # windows that do not tell, such as those whose labels have not come yet, neither count nor interrupt those that do
    findings = [
        found for window in reversed(model.windows) if window["state"] != "small" and (found := checks[name](window))
    ]
    latest = findings[: options.windows]
    if len(latest) < options.windows or not all(holds for holds, _ in latest):
        return ""
    return f"{latest[0][1]}" + (f", in {len(latest)} windows in a row" if len(latest) > 1 else "")


def _drift_share(window: Content, limit: float) -> Finding:
    share = (window.get("figures") or {}).get("drift.share")
    return None if share is None else (share >= limit, f"{share:.0%} of the columns drift, limit {limit:.0%}")


def _quality_drop(window: Content, limit: float, direction: str) -> Finding:
    quality = window.get("quality") or {}
    change = (quality.get("differences") or {}).get(quality.get("metric"))
    if change is None or change["low"] is None:
        return None
    # the least drop that the interval of the change leaves possible
    drop = -change["high"] if direction == "maximize" else change["low"]
    says = f"{quality['metric']} {change['value']:+.4f} from the held-out rows, at least {max(drop, 0):.4f} worse"
    return drop > limit, f"{says}, limit {limit:g}"


def _condition(window: Content, condition: Expression) -> Finding:
    figures = window.get("figures") or {}
    if any(figures.get(name) is None for name in condition.names):
        return None
    shown = ", ".join(f"{name} is {figures[name]:.4g}" for name in condition.names)
    return condition.evaluate(figures), f"{condition.text}; {shown}"


def _schema(window: Content) -> Finding:
    found = next((one for one in window["drift"] if one["detector"] == DETECTOR_OF_SCHEMA), None)
    return None if found is None else (bool(found["alarm"]), str(found["note"] or "the schema has changed"))


def held_back(options: TriggerOptions, requests: Sequence[RetrainRequest], version: int, now: datetime) -> str:
    """Return why no request may be made now; empty if one may.

    The cool-down begins as a request is closed, and doubles with each refusal since the version was put in place.
    """
    opened = next((one for one in requests if not one.outcome and one.content["version"] == version), None)
    if opened is not None:
        return f"request {opened.id} is open"
    refusals = sum(one.outcome == REFUSED and one.content["version"] == version for one in requests)
    closed = max((str(one.state["closed"]) for one in requests if one.state.get("closed")), default=None)
    if closed is not None:
        end = datetime.fromisoformat(closed) + duration(options.cool_down, "monitor.triggers") * 2**refusals
        if now < end:
            after = f", after {refusals} refused" if refusals else ""
            return f"the cool-down lasts until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC{after}"
    today = [
        one for one in requests if one.content["triggers"] and str(one.content["created"])[:10] == f"{now:%Y-%m-%d}"
    ]
    if len(today) >= options.per_day:
        return f"{len(today)} of {options.per_day} a day were made today"
    return ""
