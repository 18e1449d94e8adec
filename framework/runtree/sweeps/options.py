"""The keys that every option of the group `tuner` has, and that the tuner itself is not built with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.config.build import check_arguments
from runtree.contract.errors import ConfigError, unknown

CHOICES: Mapping[str, tuple[str, ...]] = {"on_failure": ("continue", "stop"), "keep": ("all", "best", "none")}
KINDS = ("auto", "identical", "transfer")


@dataclass(frozen=True, kw_only=True)
class WarmStart:
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
    def warm(self) -> WarmStart:
        """Return the warm start, checked."""
        node = dict(self.warm_start or {})
        for key in node:
            if key not in ("from", "kind", "max_runs", "requeue_best"):
                raise unknown(
                    "key of tuner.warm_start:", key, ("from", "kind", "max_runs", "requeue_best"), error=ConfigError
                )
        sweeps = node.pop("from", None) or []
        found = WarmStart(sweeps=tuple([sweeps] if isinstance(sweeps, str) else sweeps), **node)
        if found.kind not in KINDS:
            raise ConfigError(f"tuner.warm_start.kind: {found.kind!r} is not one of {', '.join(KINDS)}")
        return found


OF_THE_LOOP = tuple(LoopOptions.__dataclass_fields__)


def loop_options(node: Mapping[str, Any]) -> LoopOptions:
    """Read the loop's keys of a `tuner` node."""
    own = {key: value for key, value in node.items() if key in OF_THE_LOOP and value is not None}
    check_arguments(LoopOptions, own, "tuner")
    return LoopOptions(**own)


def of_the_tuner(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the tuner itself is built with."""
    return {key: value for key, value in node.items() if key not in OF_THE_LOOP}
