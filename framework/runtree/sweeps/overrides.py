"""What the command line and `hydra.sweeper.params` name several values of."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtree.config.hydra_engine import OPEN_PREFIX
from runtree.config.resources import SWEEP_KEYS
from runtree.config.space.domains import parse_domain
from runtree.config.space.grammar import literal, parse_sweep
from runtree.contract.errors import ConfigError

NOT_SWEPT = ("tuner", "compute", "experiment", "trackers", "tracking", "outputs", "zoo", "hydra")
BELOW = ("tuner", "experiment", "tracking", "hydra")  # … nor what is below these: one of each holds for a whole sweep
OF_COMPUTE = tuple(f"compute.{key}" for key in SWEEP_KEYS)  # a run has its own device and threads, but not these


@dataclass(frozen=True)
class SweepOverrides:
    """The words of a sweep.

    Attributes
    ----------
    fixed
        Overrides that hold for every run, as typed.
    composed
        What has to be composed anew for each value: options of groups, keys that are added. By its override's key.
    ranges
        What is set on a composed config: path → what is declared for it.
    order
        The keys of both in the order in which they were named.
    """

    fixed: tuple[str, ...]
    composed: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, Any]
    order: tuple[str, ...]

    def swept(self, group: str) -> tuple[str, ...]:
        """Return the options of a group that the sweep goes over."""
        return self.composed.get(group, ())


def sort_overrides(
    arguments: Sequence[str],
    params: Mapping[str, Any],
    groups: Collection[str],
    options: Callable[[str], Iterable[str]],
) -> SweepOverrides:
    """Sort overrides into those that hold for all runs and those that name several values; the command line wins.

    Parameters
    ----------
    options
        Names the options of a group.
    """
    fixed: dict[str, str] = {}
    composed: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Any] = {}
    for key, declared, text in [*_params(params), *_typed(arguments)]:
        for known in (fixed, composed, ranges):
            known.pop(key, None)
        key = _plain(key) if text is None else key
        name = key.lstrip("+~").partition("@")[0]
        if text is not None:
            fixed[key] = text
        elif _not_swept(name):
            raise _one_for_all(key, name, declared)
        elif name in groups or key != name:
            domain, _ = parse_domain(key, declared, partial(_of_group, options, name))
            if domain.size is None:
                raise ConfigError(
                    f"{key}: what is composed anew for each value takes a list of values, no {declared}",
                    f"name them: {key}=A,B" + ("" if name in groups else f"; or set a key that is there: {name}=…"),
                )
            values = dict.fromkeys(_option(value, key) for value in domain.values)
            composed[key] = tuple(values)
        else:
            ranges[key] = declared
    named = (key for key, _, text in [*_params(params), *_typed(arguments)] if text is None)
    order = dict.fromkeys(map(_plain, named))
    return SweepOverrides(
        tuple(fixed.values()), composed, ranges, tuple(key for key in order if key in composed or key in ranges)
    )


def _plain(key: str) -> str:
    """Return the key of an open mapping without Hydra's `+`: any key may be set there, and so it may be searched."""
    return key.lstrip("+") if key.lstrip("+").startswith(OPEN_PREFIX) else key


def _of_group(options: Callable[[str], Iterable[str]], group: str, path: str) -> list[str]:
    return list(options(group))


def _not_swept(name: str) -> bool:
    below = name.replace("/", ".").partition(".")[0] in BELOW
    return below or name in (*NOT_SWEPT, *OF_COMPUTE, "objective.metric", "objective.direction")


def _one_for_all(key: str, name: str, declared: Any) -> ConfigError:
    if name.startswith("objective."):
        several = str(declared).removeprefix("choice(").removesuffix(")")
        return ConfigError(
            f"{key}: all runs of a sweep are ranked alike, so it cannot be swept over",
            f"for several objectives at once: '{name}=[{several}]'",
        )
    word = name if name in OF_COMPUTE else name.partition(".")[0]
    return ConfigError(
        f"{key}: a whole sweep has one {word}, so it cannot be swept over", "name one value, or begin a sweep for each"
    )


def _typed(arguments: Iterable[str]) -> Iterable[tuple[str, Any, str | None]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    for argument in arguments:
        override = parser.parse_override(argument)
        sweep = override.is_sweep_override()
        yield override.get_key_element(), argument.partition("=")[2], None if sweep else argument


def _params(params: Mapping[str, Any]) -> Iterable[tuple[str, Any, str | None]]:
    for key, declared in params.items():
        fixed = (
            f"{key}={declared}"
            if not isinstance(declared, (list, dict)) and not _is_sweep(str(declared), key)
            else None
        )
        yield str(key), declared, fixed


def _is_sweep(text: str, key: str) -> bool:
    from hydra.core.override_parser.types import Glob, Sweep

    return isinstance(parse_sweep(text, key), (Sweep, Glob))


def _option(value: Any, key: str) -> str:
    return value if isinstance(value, str) and value.isidentifier() else literal(value, key)
