"""The options of `tuner` that configure the sweep rather than the tuner, and the rules of `tuner.stop`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from runtree.config.build import check_arguments
from runtree.config.resources import parse_size
from runtree.contract.errors import ConfigError, unknown

STOP_PATH = "tuner.stop"
Running = Literal["auto", "finish", "terminate"]
CHOICES: Mapping[str, tuple[str, ...]] = {"on_failure": ("continue", "stop"), "keep": ("all", "best", "none")}
MINIMA = {"repeats": 1, "retries": 0, "backoff": 0, "grace": 0, "lag": 1, "recheck": 0}
WARM_START_KEYS = ("from", "kind", "max_runs", "requeue_best")
WARM_START_KINDS = ("auto", "identical", "transfer")


@dataclass(frozen=True)
class NumericRange:
    """The numbers that a key accepts; `above` is an exclusive lower bound."""

    integer: bool = False
    low: float = -math.inf
    above: float = -math.inf
    high: float = math.inf
    optional: bool = True

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        ends = [("from", self.low), ("above", self.above), ("up to", self.high)]
        limits = " ".join(f"{word} {end:g}" for word, end in ends if math.isfinite(end))
        return " ".join(filter(None, [kind, limits, "or null" if self.optional else ""]))

    def __contains__(self, value: Any) -> bool:
        if value is None:
            return self.optional
        fits = isinstance(value, int if self.integer else int | float) and not isinstance(value, bool)
        return fits and math.isfinite(value) and self.low <= value <= self.high and value > self.above


@dataclass(frozen=True)
class SweepPatience:
    """Stops a sweep after `runs` non-improving runs."""

    runs: int | None = None
    min_delta: float = 0.0
    relative: float = 0.0
    warmup: int = 0


@dataclass(frozen=True)
class Convergence:
    """Stops a sweep when a window of runs gained little, and the next one is expected to gain little."""

    window: int | None = None
    tolerance: float = 0.01
    min_runs: int = 20


@dataclass(frozen=True)
class Failures:
    """Stops a sweep whose runs fail too often."""

    consecutive: int | None = None
    rate: float | None = None
    min_runs: int = 5


@dataclass(frozen=True)
class StopCriteria:
    """The criteria of `tuner.stop`: the sweep stops at the first one that is reached."""

    max_runs: int | None = None
    max_seconds: float | None = None
    target: float | None = None
    patience: SweepPatience = field(default_factory=SweepPatience)
    convergence: Convergence = field(default_factory=Convergence)
    failures: Failures = field(default_factory=Failures)
    running: Running = "auto"

    @property
    def only_patience(self) -> bool:
        """Return whether patience is the only bound on the length of the sweep."""
        return self.patience.runs is not None and self.max_runs is None and self.max_seconds is None

    def is_bounded(self, space_size: int | None) -> bool:
        """Return whether the sweep ends: by a bound, by patience, or because the space is finite (None: it is not)."""
        return space_size is not None or self.only_patience or self.max_runs is not None or self.max_seconds is not None

    def check(self, space_size: int | None, directions: Sequence[str], incomparable: Sequence[str] = ()) -> None:
        """Refuse a sweep without an end, and criteria that need one best run where there is none.

        There is none with several objectives, nor where swept keys make several rankings (`incomparable`).
        """
        if not self.is_bounded(space_size):
            raise ConfigError(
                f"{STOP_PATH}: this sweep would never end: its space is continuous and nothing bounds it",
                f"set a bound: {STOP_PATH}.max_runs=50, {STOP_PATH}.max_seconds=3600 or {STOP_PATH}.patience.runs=20",
            )
        single = {
            "patience.runs": self.patience.runs,
            "target": self.target,
            "convergence.window": self.convergence.window,
        }
        for name, value in single.items():
            if value is not None and len(directions) > 1:
                raise ConfigError(
                    f"{STOP_PATH}.{name} needs a single objective, and there are {len(directions)}",
                    f"remove it: {STOP_PATH}.{name}=null, and bound the sweep with {STOP_PATH}.max_runs",
                )
            if value is not None and incomparable:
                raise ConfigError(
                    f"{STOP_PATH}.{name} needs one ranking of all runs, and each {incomparable[0]} has its own",
                    f"remove it: {STOP_PATH}.{name}=null, or begin a sweep for each {incomparable[0]}",
                )


_COUNT = NumericRange(integer=True, low=1)
_SHARE = NumericRange(low=0, optional=False)
_MIN_RUNS = NumericRange(integer=True, low=1, optional=False)
STOP_RANGES: dict[str, dict[str, NumericRange]] = {
    "": {"max_runs": _COUNT, "max_seconds": NumericRange(above=0), "target": NumericRange()},
    "patience": {
        "runs": _COUNT,
        "min_delta": _SHARE,
        "relative": _SHARE,
        "warmup": NumericRange(integer=True, low=0, optional=False),
    },
    "convergence": {
        "window": NumericRange(integer=True, low=2),
        "tolerance": NumericRange(above=0, optional=False),
        "min_runs": _MIN_RUNS,
    },
    "failures": {"consecutive": _COUNT, "rate": NumericRange(above=0, high=1), "min_runs": _MIN_RUNS},
}


def read_stop_rules(node: Mapping[str, Any] | None) -> StopCriteria:
    """Read `tuner.stop`.

    Raises
    ------
    ConfigError
        An unknown key, or a value of the wrong type or range.
    """
    node = node or {}
    _check_keys(STOP_PATH, node, [rule.name for rule in fields(StopCriteria)])
    kinds = {"patience": SweepPatience, "convergence": Convergence, "failures": Failures}
    rules: dict[str, Any] = {name: kind(**_read_numbers(name, node.get(name))) for name, kind in kinds.items()}
    rules |= _read_numbers("", {key: value for key, value in node.items() if key in STOP_RANGES[""]})
    running: Any = node.get("running") or "auto"
    if running not in get_args(Running):
        raise ConfigError(
            f"{STOP_PATH}.running: {running!r} is not possible", f"possible: {', '.join(get_args(Running))}"
        )
    return StopCriteria(**rules, running=running)


def _read_numbers(name: str, node: Any) -> dict[str, Any]:
    path, ranges = f"{STOP_PATH}.{name}".rstrip("."), STOP_RANGES[name]
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        raise ConfigError(f"{path}: {node!r} is not a mapping", f"for example: {path}.{next(iter(ranges))}=10")
    _check_keys(path, node, ranges)
    for key, value in node.items():
        if value not in ranges[key]:
            raise ConfigError(f"{path}.{key}: {value!r} is not {ranges[key]}", f"for example: {path}.{key}=1")
    return dict(node)


def _check_keys(path: str, node: Mapping[str, Any], possible: Any) -> None:
    for key in node:
        if key not in possible:
            raise unknown(f"key of {path}:", str(key), possible, error=ConfigError)


@dataclass(frozen=True, kw_only=True)
class WarmStartOptions:
    """`tuner.warm_start`: the earlier sweeps that a sweep learns from."""

    sweeps: tuple[str, ...] = ()
    kind: str = "auto"
    max_runs: int = 200
    requeue_best: int = 5


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """The keys that every option of `tuner` has; `conf/tuner/_loop_.yaml` documents them."""

    stop: Any = None
    constraints: list[str] | str = field(default_factory=list)
    repeats: int = 1
    deterministic: bool = False
    lag: int | None = None
    retries: int = 2
    backoff: float | int = 1.0
    on_failure: str = "continue"
    grace: float | int = 10.0
    keep: str = "best"
    shares: dict[str, float | int] = field(default_factory=dict)
    warm_start: Any = None
    predictions: int | str = "100MB"
    plots: bool = True
    recheck: int = 0
    refit: bool = True
    report: bool = True

    def __post_init__(self) -> None:
        for name, low in MINIMA.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"tuner.{name}: {value} is less than {low}")
        for name, possible in CHOICES.items():
            if getattr(self, name) not in possible:
                raise ConfigError(f"tuner.{name}: {getattr(self, name)!r} is not one of {', '.join(possible)}")
        _ = self.prediction_bytes  # raises if it is no size
        if any(share < 0 for share in self.shares.values()) or (self.shares and sum(self.shares.values()) <= 0):
            raise ConfigError("tuner.shares: shares are positive numbers", "e.g. tuner.shares={ridge:0.7,mlp:0.3}")

    @property
    def prediction_bytes(self) -> int:
        """Return how many bytes the validation predictions of all runs may take; 0: none are kept beside the models."""
        # keep=all: each run has its table of predictions
        if self.keep != "best" or self.predictions in (0, "0"):
            return 0
        return parse_size(self.predictions, "tuner.predictions") or 0

    @property
    def warm(self) -> WarmStartOptions:
        """Read `tuner.warm_start`; raise ConfigError for an unknown key or kind."""
        if not isinstance(self.warm_start, Mapping | None):
            message = f"tuner.warm_start: {self.warm_start!r} is not a mapping"
            raise ConfigError(message, "name the sweep: tuner.warm_start.from=SWEEP")
        node = dict(self.warm_start or {})
        _check_keys("tuner.warm_start", node, WARM_START_KEYS)
        sweeps = node.pop("from", None) or []
        options = WarmStartOptions(sweeps=tuple([sweeps] if isinstance(sweeps, str) else sweeps), **node)
        if options.kind not in WARM_START_KINDS:
            raise ConfigError(f"tuner.warm_start.kind: {options.kind!r} is not one of {', '.join(WARM_START_KINDS)}")
        return options


LOOP_KEYS = tuple(option.name for option in fields(LoopOptions))


def read_loop_options(node: Mapping[str, Any]) -> LoopOptions:
    """Read the keys of `LoopOptions` from a `tuner` node; null stands for the default."""
    # null means the default, so that a key can be reset on the command line
    options = {key: value for key, value in node.items() if key in LOOP_KEYS and value is not None}
    check_arguments(LoopOptions, options, "tuner")
    return LoopOptions(**options)


def tuner_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the tuner itself is built with."""
    return {key: value for key, value in node.items() if key not in LOOP_KEYS}
