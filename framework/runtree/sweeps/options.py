"""What a key of the config takes: a number of a kind, within ends."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from runtree.config.build import check_arguments
from runtree.contract.errors import ConfigError, unknown


@dataclass(frozen=True)
class NumericRange:
    """What a key takes: the kind of number, and the ends of its range (`above` is not in it)."""

    whole: bool = False
    low: float = -math.inf
    above: float = -math.inf
    high: float = math.inf
    optional: bool = True

    @property
    def words(self) -> str:
        """Tell it to people."""
        kind = "a whole number" if self.whole else "a number"
        ends = [("from", self.low), ("above", self.above), ("up to", self.high)]
        told = " ".join(f"{word} {end:g}" for word, end in ends if math.isfinite(end))
        return " ".join(filter(None, [kind, told, "or null" if self.optional else ""]))

    def takes(self, value: Any) -> bool:
        """Tell whether a value is one of these."""
        if value is None:
            return self.optional
        fits = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return fits and math.isfinite(value) and self.low <= value <= self.high and value > self.above


# --- When a sweep ends: the rules, as `tuner.stop` of the config states them.

PATH = "tuner.stop"
Running = Literal["finish", "terminate"]
COUNT = NumericRange(whole=True, low=1)
SHARE = NumericRange(low=0, optional=False)
MIN_RUNS = NumericRange(whole=True, low=1, optional=False)
RULES: dict[str, dict[str, NumericRange]] = {
    "": {"max_runs": COUNT, "max_seconds": NumericRange(above=0), "target": NumericRange()},
    "patience": {
        "runs": COUNT,
        "min_delta": SHARE,
        "relative": SHARE,
        "warmup": NumericRange(whole=True, low=0, optional=False),
    },
    "convergence": {
        "window": NumericRange(whole=True, low=2),
        "tolerance": NumericRange(above=0, optional=False),
        "min_runs": MIN_RUNS,
    },
    "failures": {"consecutive": COUNT, "rate": NumericRange(above=0, high=1), "min_runs": MIN_RUNS},
}


@dataclass(frozen=True)
class Patience:
    """Ends a sweep when `runs` runs in a row did not improve."""

    runs: int | None = None
    min_delta: float = 0.0
    relative: float = 0.0
    warmup: int = 0


@dataclass(frozen=True)
class Convergence:
    """Ends a sweep when little was gained in a window of runs, and little is to be expected of the next."""

    window: int | None = None
    tolerance: float = 0.01
    min_runs: int = 20


@dataclass(frozen=True)
class Failures:
    """Ends a sweep that fails too often."""

    consecutive: int | None = None
    rate: float | None = None
    min_runs: int = 5


@dataclass(frozen=True)
class StopRules:
    """What ends a sweep: any one of these does."""

    max_runs: int | None = None
    max_seconds: float | None = None
    target: float | None = None
    patience: Patience = field(default_factory=Patience)
    convergence: Convergence = field(default_factory=Convergence)
    failures: Failures = field(default_factory=Failures)
    running: Running = "finish"

    @property
    def only_patient(self) -> bool:
        """Tell whether patience is all that says how long the sweep may be."""
        return self.patience.runs is not None and self.max_runs is None and self.max_seconds is None

    def bounded(self, space_size: int | None) -> bool:
        """Tell whether the sweep ends: a bound, patience, or a space with an end (None: it has none)."""
        return space_size is not None or self.only_patient or self.max_runs is not None or self.max_seconds is not None

    def check(self, space_size: int | None, directions: Sequence[str]) -> None:
        """Refuse a sweep without an end, and rules that need one objective where there are several."""
        if not self.bounded(space_size):
            raise ConfigError(
                f"{PATH}: this sweep would never end, its space has no end and nothing bounds it",
                f"say how long: {PATH}.max_runs=50, {PATH}.max_seconds=3600 or {PATH}.patience.runs=20",
            )
        asked = {
            "patience.runs": self.patience.runs,
            "target": self.target,
            "convergence.window": self.convergence.window,
        }
        for name, value in asked.items():
            if value is not None and len(directions) > 1:
                raise ConfigError(
                    f"{PATH}.{name}: it needs one objective, and there are {len(directions)}",
                    f"take it away: {PATH}.{name}=null, and bound the sweep with {PATH}.max_runs",
                )


def read_stop_rules(node: Mapping[str, Any] | None) -> StopRules:
    """Read `tuner.stop`; what is left out has its default.

    Raises
    ------
    ConfigError
        An unknown key, or a value of the wrong type or range.
    """
    node = node or {}
    _known(PATH, node, [one.name for one in fields(StopRules)])
    parts = {"patience": Patience, "convergence": Convergence, "failures": Failures}
    found: dict[str, Any] = {name: kind(**_numbers(name, node.get(name))) for name, kind in parts.items()}
    top = {key: value for key, value in node.items() if key in RULES[""]}
    return StopRules(**_numbers("", top), **found, running=_running(node.get("running", "finish")))


def _numbers(name: str, node: Any) -> dict[str, Any]:
    path, rules = f"{PATH}.{name}".rstrip("."), RULES[name]
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        raise ConfigError(f"{path}: {node!r} is no mapping", f"for example: {path}.{next(iter(rules))}=10")
    _known(path, node, rules)
    for key, value in node.items():
        if not rules[key].takes(value):
            raise ConfigError(f"{path}.{key}: {value!r} is not {rules[key].words}", f"for example: {path}.{key}=1")
    return dict(node)


def _known(path: str, node: Mapping[str, Any], known: Any) -> None:
    for key in node:
        if key not in known:
            raise unknown(f"key of {path}:", str(key), known, error=ConfigError)


def _running(value: Any) -> Running:
    if value not in get_args(Running):
        raise ConfigError(f"{PATH}.running: {value!r} is not possible", f"possible: {', '.join(get_args(Running))}")
    return value  # type: ignore[no-any-return]


# --- The keys that every option of the group `tuner` has, and that the tuner itself is not built with.

CHOICES: Mapping[str, tuple[str, ...]] = {"on_failure": ("continue", "stop"), "keep": ("all", "best", "none")}
KINDS = ("auto", "identical", "transfer")


@dataclass(frozen=True, kw_only=True)
class WarmStartOptions:
    """Which earlier sweeps a sweep learns from, and how."""

    sweeps: tuple[str, ...] = ()
    kind: str = "auto"
    max_runs: int = 200
    requeue_best: int = 5


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How a sweep goes on and what it keeps; `conf/tuner/_loop_.yaml` says what each key is."""

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
    plots: bool = True
    recheck: int = 0
    report: bool = True

    def __post_init__(self) -> None:
        for name, low in (("repeats", 1), ("retries", 0), ("backoff", 0), ("grace", 0), ("lag", 1), ("recheck", 0)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"tuner.{name}: {value} is less than {low}")
        for name, possible in CHOICES.items():
            if getattr(self, name) not in possible:
                raise ConfigError(f"tuner.{name}: {getattr(self, name)!r} is not one of {', '.join(possible)}")
        if any(share < 0 for share in self.shares.values()) or (self.shares and sum(self.shares.values()) <= 0):
            raise ConfigError("tuner.shares: shares are positive numbers", "e.g. tuner.shares={ridge:0.7,mlp:0.3}")

    @property
    def warm(self) -> WarmStartOptions:
        """Return the warm start, checked."""
        node = dict(self.warm_start or {})
        for key in node:
            if key not in ("from", "kind", "max_runs", "requeue_best"):
                raise unknown(
                    "key of tuner.warm_start:", key, ("from", "kind", "max_runs", "requeue_best"), error=ConfigError
                )
        sweeps = node.pop("from", None) or []
        found = WarmStartOptions(sweeps=tuple([sweeps] if isinstance(sweeps, str) else sweeps), **node)
        if found.kind not in KINDS:
            raise ConfigError(f"tuner.warm_start.kind: {found.kind!r} is not one of {', '.join(KINDS)}")
        return found


OF_THE_LOOP = tuple(LoopOptions.__dataclass_fields__)


def read_loop_options(node: Mapping[str, Any]) -> LoopOptions:
    """Read the loop's keys of a `tuner` node."""
    own = {key: value for key, value in node.items() if key in OF_THE_LOOP and value is not None}
    check_arguments(LoopOptions, own, "tuner")
    return LoopOptions(**own)


def tuner_arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the tuner itself is built with."""
    return {key: value for key, value in node.items() if key not in OF_THE_LOOP}
