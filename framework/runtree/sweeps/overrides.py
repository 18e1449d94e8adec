"""Splits the overrides of a sweep into those that hold for every run and those that name several values."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.config.hydra_engine import OPEN_PREFIXES
from runtree.config.resources import SWEEP_KEYS
from runtree.config.space.domains import parse_domain
from runtree.config.space.grammar import literal, parse_sweep
from runtree.contract.errors import ConfigError
from runtree.records.compare.comparability import decides_scores
from runtree.records.compare.configurations import SEED

# A sweep has one of each of these groups, so they cannot be swept over; below some of them, no key can either
SWEEP_GROUPS = ("tuner", "compute", "experiment", "debug", "monitor", "trackers", "tracking", "outputs", "zoo", "hydra")
SWEEP_GROUPS_WITH_KEYS = ("tuner", "experiment", "tracking", "hydra")
SWEEP_COMPUTE_KEYS = tuple(f"compute.{key}" for key in SWEEP_KEYS)  # `compute` has keys of a run, too: device, threads


@dataclass(frozen=True)
class SweepOverrides:
    """The overrides of a sweep.

    Attributes
    ----------
    fixed
        Overrides that hold for every run, as typed.
    composed
        Override key → values that Hydra has to compose a config for: options of groups, keys that are added.
    ranges
        Config path → the range declared for it, whose values are set on a composed config.
    order
        The keys of `composed` and `ranges` in the order of the command line.
    seeds
        What `seed=1,2,3` names: no dimension of the space, as each configuration is run with each of them.
    words
        The command line: (key, text of an override with one value, None for one of `order`).
    """

    fixed: tuple[str, ...]
    composed: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, Any]
    order: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    words: tuple[tuple[str, str | None], ...] = ()

    def arrange(self, values: Mapping[str, str]) -> list[str]:
        """Return the overrides of one run in the order of the command line, in which the last one of a key wins.

        `values` holds the override for each key that is swept, and those that the tuner adds, such as the seed of a
        repeat.
        """
        texts = {key: values.get(key, text) for key, text in self.words} | {
            key: text for key, text in values.items() if key not in dict(self.words)
        }
        return [text for text in texts.values() if text is not None]

    def first_value(self, path: str) -> Any:
        """Return a value of a range."""
        domain, _ = parse_domain(path, self.ranges[path])
        return domain.values[0] if domain.size else domain.low  # type: ignore[union-attr]

    def swept(self, group: str) -> tuple[str, ...]:
        """Return the options of a group that are swept over, empty if it is not."""
        return self.composed.get(group, ())

    @property
    def incomparable(self) -> list[str]:
        """Return the swept keys that give each of their values a ranking of its own: scores on other rows, say."""
        names = [key.lstrip("+") for key in (*self.composed, *self.ranges)]
        return [name for name in names if _is_incomparable(name)]


def _is_incomparable(name: str) -> bool:
    return name.partition(".")[0] == "data" or decides_scores(name, metric="")


def incomparable_error(key: str) -> ConfigError:
    """Return the error of a tuner that would choose a key on which scores depend."""
    return ConfigError(
        f"{key}: a tuner compares scores, and those of another {key} do not compare",
        "begin a sweep for each",
        "or try every combination: tuner=grid",
    )


def check_searchable(path: str) -> None:
    """Refuse a config path that a space function cannot choose: one of the sweep, or one that decides the scores."""
    if path == SEED:
        raise ConfigError(f"{SEED}: a space does not choose it", "for several seeds each: tuner.repeats=3")
    if _is_of_sweep(path):
        raise _single_value_error(path, path, "")
    if _is_incomparable(path):
        raise incomparable_error(path)


def split_overrides(
    arguments: Sequence[str],
    params: Mapping[str, Any],
    groups: Collection[str],
    options: Callable[[str], Iterable[str]],
) -> SweepOverrides:
    """Split overrides; the command line (`arguments`) wins over `hydra.sweeper.params`.

    Parameters
    ----------
    options
        Returns the names of a group's options.

    Raises
    ------
    ConfigError
        Several values for a key of which a sweep has one, or a range for one that has to be composed.
    """
    # the command line comes last and replaces what hydra.sweeper.params says
    declarations = [*_from_params(params), *_from_command_line(arguments)]
    fixed: dict[str, str] = {}
    composed: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Any] = {}
    seeds: dict[str, tuple[int, ...]] = {}
    words: dict[str, str | None] = {}
    for key, declared, text in declarations:
        for former in (fixed, composed, ranges, seeds, words):  # the last declaration of a key wins
            former.pop(key, None)
        key = _without_plus(key) if text is None else key
        if text is not None:
            for swept in [swept for swept in words if words[swept] is None and _replaces(key, swept)]:
                for former in (composed, ranges, seeds, words):
                    former.pop(swept, None)
        words[key] = text
        name = key.lstrip("+~").partition("@")[0]
        if text is not None:
            fixed[key] = text
        elif _is_of_sweep(name):
            raise _single_value_error(key, name, declared)
        elif name == SEED:
            seeds[key] = _read_seeds(declared)
        elif name in groups or key != name:
            domain, _ = parse_domain(key, declared, lambda path: list(options(name)))  # noqa: B023  called at once
            # each value of such a key has to be composed by Hydra before the sweep begins, so there must be finitely
            # many
            if domain.size is None:
                raise ConfigError(
                    f"{key}: each value needs a config of its own, so it takes a list of values, not {declared}",
                    f"list them: {key}=A,B" + ("" if name in groups else f"; or set an existing key: {name}=…"),
                )
            # repeated values are dropped, in the order of the command line, which is that of a grid
            composed[key] = tuple(dict.fromkeys(_option_text(value, key) for value in domain.values))
        else:
            ranges[key] = declared
    order = dict.fromkeys(_without_plus(key) for key, _, text in declarations if text is None)
    kept = tuple(key for key in order if key in composed or key in ranges)
    first = next(iter(seeds.values()), ())
    return SweepOverrides(tuple(fixed.values()), composed, ranges, kept, first, tuple(words.items()))


def _read_seeds(declared: Any) -> tuple[int, ...]:
    """Return the seeds that a list or a range names, each once."""
    domain, _ = parse_domain(SEED, declared, lambda path: [])
    values = () if domain.size is None else tuple(domain.values)
    if not values or not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ConfigError(f"{SEED}: {declared} is not a list of whole numbers", f"for example: {SEED}=1,2,3")
    return tuple(dict.fromkeys(values))


def _replaces(fixed: str, swept: str) -> bool:
    """Return whether a later value for the key `fixed` leaves nothing of the values of `swept`: ``++a=1,2 a=5``."""
    return not fixed.startswith("~") and fixed.lstrip("+") == swept.lstrip("+")


def _without_plus(key: str) -> str:
    """Return the key of an open mapping without Hydra's `+`: such a mapping takes any key, so `+` adds nothing."""
    return key.lstrip("+") if key.lstrip("+").startswith(OPEN_PREFIXES) else key


def _is_of_sweep(name: str) -> bool:
    """Return whether a sweep has a single value for this key or group."""
    if name == "experiment":  # presets are options like any other; what they say of the sweep itself is not read
        return False
    below = name.replace("/", ".").partition(".")[0] in SWEEP_GROUPS_WITH_KEYS
    return below or name in (*SWEEP_GROUPS, *SWEEP_COMPUTE_KEYS, "objective.metric", "objective.direction")


def _single_value_error(key: str, name: str, declared: Any) -> ConfigError:
    if name.startswith("objective."):
        several = str(declared).removeprefix("choice(").removesuffix(")")
        return ConfigError(
            f"{key}: all runs of a sweep are ranked by the same objective, so it cannot be swept over",
            f"for several objectives at once: '{name}=[{several}]'",
        )
    word = name if name in SWEEP_COMPUTE_KEYS else name.partition(".")[0]
    return ConfigError(
        f"{key}: a whole sweep has one {word}, so it cannot be swept over", "set one value, or begin a sweep for each"
    )


def _from_command_line(arguments: Iterable[str]) -> Iterable[tuple[str, Any, str | None]]:
    """Yield (key, declared text, the override if it has a single value)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    for argument in arguments:
        # Hydra's parser: commas, quotes and brackets mean here what they mean in Hydra
        override = parser.parse_override(argument)
        sweep = override.is_sweep_override()
        yield override.get_key_element(), argument.partition("=")[2], None if sweep else argument


def _from_params(params: Mapping[str, Any]) -> Iterable[tuple[str, Any, str | None]]:
    for key, declared in params.items():
        several = isinstance(declared, (list, dict)) or _is_sweep(str(declared), key)
        yield str(key), declared, None if several else f"{key}={declared}"


def _is_sweep(text: str, key: str) -> bool:
    from hydra.core.override_parser.types import Glob, Sweep

    return isinstance(parse_sweep(text, key), (Sweep, Glob))


def _option_text(value: Any, key: str) -> str:
    # anything else is written so that Hydra reads the same value back: 1 is a number, '1' is a text
    return value if isinstance(value, str) and value.isidentifier() else literal(value, key)
