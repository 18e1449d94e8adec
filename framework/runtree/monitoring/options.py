"""The options of a monitor: the keys of the group `monitor`, and the detectors that they choose."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from runtree.config.config_blocks import read_block
from runtree.contract.detection import Detector
from runtree.contract.durations import read_duration
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.expression import Expression, parse
from runtree.contract.validation import NAME, unique_by_name
from runtree.monitoring.triggers import TriggerOptions, check_triggers

Period = Literal["hour", "day", "week", "month", "quarter", "year"]
PERIODS: Mapping[Period, str] = {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
AUTO, NONE = "auto", "none"
TRUTHS = "truths"
Streamed = Literal["error", "prediction"]  # figures of rows that are tested over time
MIN_ROWS = 20  # of a window that is tested: the distributions of the tests are those of larger samples
MAX_SEGMENTS = 10  # values of a column, the most frequent
FIGURES = ("rows", "labelled", "drift", "quality", "change", "estimate", "seconds", "errors", "kpi", "overrides")
OF_KIND = {
    "rows": ("",),
    "labelled": ("",),
    "drift": ("columns", "share"),
    "seconds": ("p50", "p95", "p99"),
    "errors": ("rows", "share"),
    "overrides": ("rows", "share"),
}
POSSIBLE = (
    "possible: rows, labelled, drift.columns, drift.share, quality.METRIC, change.METRIC, estimate.METRIC, kpi.NAME, "
    "seconds.p50, seconds.p95, seconds.p99, errors.rows, errors.share, overrides.rows, overrides.share"
)


@dataclass(frozen=True)
class WindowOptions:
    """How rows are cut into windows: by count, or by a time column and a period; neither: one window."""

    rows: int | None = None
    time: str | None = None
    every: Period | None = None
    minimum: int = 100


@dataclass(frozen=True)
class MonitorOptions:
    """All options; `conf/monitor/_monitor_.yaml` explains them."""

    name: str = "default"
    window: WindowOptions = field(default_factory=WindowOptions)
    columns: str | list[str] = "all"
    ignore: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    detectors: str | list[str] = AUTO
    thresholds: dict[str, float | int] = field(default_factory=dict)
    stream: list[Streamed] = field(default_factory=lambda: ["error", "prediction"])
    quality: Literal["auto", "labels", "none"] = "auto"
    labels: Literal["truths", "truths_and_overrides"] = "truths"
    kpis: dict[str, str] = field(default_factory=dict)
    require: list[str] = field(default_factory=list)
    alerts: str | list[str] = AUTO
    alerting: dict[str, dict[str, Any]] = field(default_factory=dict)
    remind: str | None = "1d"
    budget: float = 0.05
    triggers: TriggerOptions = field(default_factory=TriggerOptions)
    policy: Literal["suggest", "train", "train_and_promote"] = "train"
    retrain: Literal["refit", "retune"] = "refit"


PARTS = {"window": WindowOptions, "triggers": TriggerOptions}


def read_options(node: Mapping[str, Any]) -> MonitorOptions:
    """Read a `monitor` node.

    Raises
    ------
    ConfigError
        An unknown key, or a value of the wrong type or range.
    """
    options = read_block(MonitorOptions, node, "monitor", PARTS, _check)
    read_requirements(options)
    check_triggers(options.triggers, lambda text, path: read_condition(options, text, path))
    return options


def _check(options: MonitorOptions) -> None:
    window = options.window
    if window.every is not None and window.rows is not None:
        raise ConfigError("monitor.window: windows are cut by rows or by time, not both", "leave out rows or every")
    for name, value in (("rows", window.rows), ("minimum", window.minimum)):
        if value is not None and value < MIN_ROWS:
            raise ConfigError(f"monitor.window.{name}: {value} rows are too few to test", f"at least {MIN_ROWS}")
    if isinstance(options.columns, str) and options.columns != "all":
        raise ConfigError(f"monitor.columns: {options.columns!r} is not possible", "type: all, or a list of columns")
    if isinstance(options.detectors, str) and options.detectors not in (AUTO, NONE):
        raise ConfigError(f"monitor.detectors: {options.detectors!r} is not possible", "type: auto, none, or a list")
    if isinstance(options.alerts, str) and options.alerts not in (AUTO, NONE):
        raise ConfigError(f"monitor.alerts: {options.alerts!r} is not possible", "type: auto, none, or a list")
    if options.remind is not None:
        read_duration(options.remind, "monitor.remind")
    for name, threshold in options.thresholds.items():
        if not 0 <= threshold < math.inf:
            raise ConfigError(f"monitor.thresholds.{name}: must be a number from 0 on, got {threshold}")
    if not 0 < options.budget < 1:
        raise ConfigError(f"monitor.budget must be between 0 and 1, got {options.budget}")
    for name in options.kpis:
        if not NAME.fullmatch(name):
            raise ConfigError(f"monitor.kpis: {name!r} is not a name", "use letters, digits, _ and -")


def read_requirements(options: MonitorOptions) -> list[Expression]:
    """Return the conditions that a window must meet.

    Raises
    ------
    ConfigError
        As `read_condition` does.
    """
    return [read_condition(options, str(text), "monitor.require") for text in options.require]


def read_condition(options: MonitorOptions, text: str, path: str) -> Expression:
    """Return a condition on the figures of a window.

    Raises
    ------
    ConfigError
        It cannot be parsed, or names a figure that there is not.
    """

    def resolve(name: str) -> str | None:
        kind, _, rest = name.partition(".")
        if kind == "kpi":
            return name if rest in options.kpis else None
        known = OF_KIND.get(kind, (rest,) if rest else ())
        return name if kind in FIGURES and rest in known else None

    names = [f"{kind}.{name}".rstrip(".") for kind, of in OF_KIND.items() for name in of]
    names += [f"kpi.{name}" for name in options.kpis]
    try:
        return parse(text, source=path, resolve=resolve, known=names, error=ConfigError)
    except ConfigError as error:
        raise ConfigError(error.message, *error.hints[:1], POSSIBLE) from None


@dataclass(frozen=True)
class ChosenDetector:
    """A detector with the threshold of the config; `asked`: the config names it, so that its failure is an error."""

    plugin: str
    detector: Detector
    asked: bool


def choose_detectors(options: MonitorOptions, contributed: Iterable[tuple[str, Detector]]) -> list[ChosenDetector]:
    """Return the detectors that the options choose.

    Raises
    ------
    ConfigError
        A name is not that of a detector.
    """
    names = [*options.thresholds, *([] if isinstance(options.detectors, str) else options.detectors)]
    known = unique_by_name("detector", contributed, lambda name: name in names)
    paths = ["thresholds"] * len(options.thresholds) + ["detectors"] * len(names)
    for path, name in zip(paths, names, strict=False):
        if name not in known:
            raise unknown(f"detector at monitor.{path}:", name, known, error=ConfigError)
    if options.detectors == NONE:
        return []
    asked = isinstance(options.detectors, list)
    chosen = options.detectors if asked else [name for name, (_, item) in known.items() if item.default]
    return [
        ChosenDetector(
            known[name][0],
            replace(known[name][1], threshold=float(options.thresholds.get(name, known[name][1].threshold))),
            asked,
        )
        for name in dict.fromkeys(chosen)
    ]
