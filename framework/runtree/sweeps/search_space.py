"""A sweep's families: each algorithm with its own space, or one family for all combinations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from runtree.config.catalogue import differs_by_task
from runtree.config.compose import ComposedBase, Composer
from runtree.config.space.dimensions import dimension_text, parse_dimension, parse_space, sort_by_conditions
from runtree.contract.errors import ConfigError, UnknownKeyError
from runtree.contract.search import Choice, Dimension
from runtree.sweeps.overrides import SweepOverrides

COMPARABLE = ("data", "seed")  # what makes scores differ though the model is the same


@dataclass(frozen=True)
class SearchSpace:
    """Runs that one tuner proposes: what they share, and the space they differ in.

    `absent` names what was asked for and does not exist here.
    """

    name: str
    choices: Mapping[str, str]
    space: tuple[Dimension, ...]
    absent: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Return how many combinations there are at most, None for infinitely many."""
        sizes = [one.domain.size for one in self.space]
        return None if any(size is None for size in sizes) else prod(size or 0 for size in sizes)

    @property
    def declared(self) -> dict[str, str]:
        """Return the space as text, for people and for the sweep's identity."""
        return {_unique(one, self.space): dimension_text(one) for one in self.space}


def _unique(one: Dimension, space: Sequence[Dimension]) -> str:
    alike = [other for other in space if other.path == one.path]
    return one.path if len(alike) == 1 else f"{one.path}#{alike.index(one)}"


def joint_space(axes: SweepOverrides, composer: Composer) -> SearchSpace:
    """Return one family over every combination of what was named, in the order in which it was named.

    A range below a swept group (``algorithm=ridge,knn algorithm.alpha=1,2``) applies to the options that have the key.
    """
    bases = {group: _bases(group, axes, composer) for group in {path.partition(".")[0] for path in axes.ranges}}
    found: list[Dimension] = []
    for key in axes.order:
        if key in axes.composed:
            found.append(_options(key, axes))
        else:
            found.append(_where_it_exists(key, axes.ranges[key], bases[key.partition(".")[0]]))
    return SearchSpace("", {}, tuple(sort_by_conditions(found)), tuple(_absences(axes, bases)))


def _bases(group: str, axes: SweepOverrides, composer: Composer) -> dict[str, ComposedBase]:
    """Return the config for each option of a swept group, by option; for a group that is not swept, by nothing."""
    first = {key: options[0] for key, options in axes.composed.items()}
    if group not in axes.composed:
        return {"": composer.base(first)}
    return {option: composer.base({**first, group: option}) for option in axes.composed[group]}


def _where_it_exists(path: str, declared: Any, bases: Mapping[str, ComposedBase]) -> Dimension:
    having = [option for option, base in bases.items() if base.has(path)]
    if not having:
        raise _unknown(path, bases.values())
    defaults = bases[having[0]].frozen.config
    if len(having) == len(bases):
        return parse_dimension(path, declared, defaults)
    group = path.partition(".")[0]
    texts = ", ".join(f"'{option}'" for option in having)
    own = dict(declared) if isinstance(declared, Mapping) else {"space": declared}
    both = " and ".join(filter(None, [f"{group} in [{texts}]", own.get("when")]))
    return parse_dimension(path, {**own, "when": both}, defaults)


def _absences(axes: SweepOverrides, bases: Mapping[str, Mapping[str, ComposedBase]]) -> Iterator[str]:
    for path in axes.ranges:
        lacking = [option for option, base in bases[path.partition(".")[0]].items() if not base.has(path)]
        if lacking:
            yield f"{path} does not exist for {', '.join(lacking)}"


def spaces_by_algorithm(axes: SweepOverrides, composer: Composer, task: str) -> list[SearchSpace]:
    """Return a family for each algorithm, its own `space` and what was named besides.

    What was named wins over the algorithm's own, and a value that was fixed is not searched.

    Raises
    ------
    ConfigError
        A key that no algorithm has, an algorithm without any space, or data and seeds among what is searched.
    """
    for key in (*axes.composed, *axes.ranges):
        if key.partition(".")[0] in COMPARABLE:
            hint = "for the mean of several seeds: tuner.repeats=3" if key == "seed" else "begin a sweep for each"
            raise ConfigError(
                f"{key}: a tuner compares scores, and those of other {key.partition('.')[0]} do not compare",
                hint,
                "or try every combination: tuner=grid",
            )
    names = axes.swept("algorithm")
    bases = {name: composer.base({"algorithm": name} if name else {}) for name in names or ("",)}
    for path in axes.ranges:
        if not any(base.has(path) for base in bases.values()):
            raise _unknown(path, bases.values())
    return [_family(name, base, axes, task) for name, base in bases.items()]


def _family(name: str, base: ComposedBase, axes: SweepOverrides, task: str) -> SearchSpace:
    config = base.frozen.config
    others = [key for key in axes.composed if key != "algorithm"]
    named = {path: declared for path, declared in axes.ranges.items() if base.has(path)}
    settled = {text.partition("=")[0].lstrip("+") for text in axes.fixed}
    own = {
        key: declared
        for key, declared in (config["algorithm"].get("space") or {}).items()
        if f"algorithm.{key}" not in named and f"algorithm.{key}" not in settled
    }
    space = [
        *(_options(key, axes) for key in others),
        *parse_space(own, "algorithm.", task, _for_task(config, task)),
        *(parse_dimension(path, declared, _for_task(config, task)) for path, declared in named.items()),
    ]
    label = name or str(config["algorithm"].get("name"))
    if not space:
        raise ConfigError(
            f"algorithm={label}: there is nothing to tune, it declares no space",
            f"name a range: 'algorithm.KEY=interval(0, 1)'; its keys: runtree describe algorithm={label}",
        )
    absent = tuple(f"{path} does not exist for {label}" for path in axes.ranges if path not in named)
    return SearchSpace(label, {"algorithm": name} if name else {}, tuple(sort_by_conditions(space)), absent)


def _options(key: str, axes: SweepOverrides) -> Dimension:
    return Dimension(key, Choice(axes.composed[key]), text=",".join(axes.composed[key]), composed=True)


def _for_task(config: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return a config in which values that differ by task are those of the task: what conditions read."""
    algorithm = {
        key: value.get(task) if differs_by_task(value) else value for key, value in config["algorithm"].items()
    }
    return {**config, "algorithm": algorithm}


def _unknown(path: str, bases: Iterable[ComposedBase]) -> UnknownKeyError:
    return UnknownKeyError(path, *sorted({known for base in bases for known in base.paths}))


def space_bounds(family: SearchSpace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (text, values) for each end of an algorithm's ranges: what it refuses is told before the first run."""
    for one in family.space:
        if not one.path.startswith("algorithm."):
            continue
        domain = one.domain
        values = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
        for value in values:
            yield f"{one.path}={value}", {one.path: value}
