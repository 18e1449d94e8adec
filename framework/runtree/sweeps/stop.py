"""When a sweep ends: the rules, as `tuner.stop` of the config states them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from runtree.contract.errors import ConfigError, unknown
from runtree.sweeps.bounds import Number

PATH = "tuner.stop"
Running = Literal["finish", "terminate"]
COUNT = Number(whole=True, low=1)
SHARE = Number(low=0, optional=False)
FLOOR = Number(whole=True, low=1, optional=False)
RULES: dict[str, dict[str, Number]] = {
    "": {"max_runs": COUNT, "max_seconds": Number(above=0), "target": Number()},
    "patience": {
        "runs": COUNT,
        "min_delta": SHARE,
        "relative": SHARE,
        "warmup": Number(whole=True, low=0, optional=False),
    },
    "convergence": {
        "window": Number(whole=True, low=2),
        "tolerance": Number(above=0, optional=False),
        "min_runs": FLOOR,
    },
    "failures": {"consecutive": COUNT, "rate": Number(above=0, high=1), "min_runs": FLOOR},
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


def stop_rules(node: Mapping[str, Any] | None) -> StopRules:
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
