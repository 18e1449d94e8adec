"""The search spaces of a sweep: one per algorithm for tuners that learn, or one over all combinations for a grid."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from runtree.config.calls import NOT_ARGUMENTS
from runtree.config.catalogue import Catalogue, differs_by_task
from runtree.config.compose import ComposedBase, Composer
from runtree.config.space.dimensions import dimension_text, parse_dimension, parse_space, sort_by_conditions
from runtree.contract.commands import command
from runtree.contract.errors import ConfigError, UnknownKeyError, unknown
from runtree.contract.search import Choice, Dimension
from runtree.sweeps.function_space import FunctionSpace, SpaceFunction
from runtree.sweeps.overrides import SweepOverrides, incomparable_error


@dataclass(frozen=True)
class SearchSpace:
    """A space that one tuner searches.

    Attributes
    ----------
    choices
        Group → option, that all of its trials have.
    absent
        A message for each requested key that does not exist here.
    function
        What makes the values of a trial, instead of a declared space.
    """

    name: str
    choices: Mapping[str, str]
    space: tuple[Dimension, ...]
    absent: tuple[str, ...] = ()
    function: FunctionSpace | None = None

    @property
    def groups(self) -> frozenset[str]:
        """Return the groups whose options its trials choose, beside those of composed dimensions."""
        return frozenset(self.choices) if self.function is None else self.function.groups

    @property
    def size(self) -> int | None:
        """Return how many configurations there are at most, None for infinitely many."""
        sizes = [dimension.domain.size for dimension in self.space]
        if self.function is not None:
            return None
        return None if any(size is None for size in sizes) else prod(size or 0 for size in sizes)

    @property
    def declared(self) -> dict[str, str]:
        """Return name → declaration of each dimension; a path that occurs twice is numbered."""
        # not by its name, which may change: what it makes of recorded suggestions is compared when a sweep is resumed
        declared = {} if self.function is None else {"space": "a function of Python"}
        for dimension in self.space:
            alike = [other for other in self.space if other.path == dimension.path]
            name = dimension.path if len(alike) == 1 else f"{dimension.path}#{alike.index(dimension)}"
            declared[name] = dimension_text(dimension)
        return declared


def joint_space(overrides: SweepOverrides, composer: Composer) -> SearchSpace:
    """Return one space over every combination, its dimensions in the order of the command line.

    A range below a swept group (``algorithm=ridge,knn algorithm.alpha=1,2``) applies to the options that have the key.
    """
    groups = {path.partition(".")[0] for path in overrides.ranges}
    bases = {group: _bases(group, overrides, composer) for group in groups}
    dimensions = []
    for key in overrides.order:
        if key in overrides.composed:
            dimensions.append(_composed_dimension(key, overrides))
        else:
            dimensions.append(_conditional_dimension(key, overrides.ranges[key], bases[key.partition(".")[0]]))
    return SearchSpace("", {}, tuple(sort_by_conditions(dimensions)), tuple(_absences(overrides, bases)))


def _bases(group: str, overrides: SweepOverrides, composer: Composer) -> dict[str, ComposedBase]:
    """Return option → config of a swept group; a group that is not swept has the single option ""."""
    # the first option of every other group: whether a key exists depends on its own group alone
    first = {key: options[0] for key, options in overrides.composed.items()}
    if group not in overrides.composed:
        return {"": composer.base(first)}
    return {option: composer.base({**first, group: option}) for option in overrides.composed[group]}


def _conditional_dimension(path: str, declared: Any, bases: Mapping[str, ComposedBase]) -> Dimension:
    """Return the dimension of a range, with a condition if only some options of its group have the key."""
    options = [option for option, base in bases.items() if base.has(path)]
    if not options:
        raise _unknown_key(path, bases.values())
    defaults = bases[options[0]].frozen.config
    if len(options) == len(bases):
        return parse_dimension(path, declared, defaults)
    group = path.partition(".")[0]
    texts = ", ".join(f"'{option}'" for option in options)
    own = dict(declared) if isinstance(declared, Mapping) else {"space": declared}
    # the condition of the user is kept, and holds in addition
    both = " and ".join(filter(None, [f"{group} in [{texts}]", own.get("when")]))
    return parse_dimension(path, {**own, "when": both}, defaults)


def function_spaces(
    function: SpaceFunction, overrides: SweepOverrides, composer: Composer, catalogue: Catalogue
) -> list[SearchSpace]:
    """Return the space that a function makes, or one for each algorithm that the command line names.

    Raises
    ------
    ConfigError
        The command line declares ranges, too.
    """
    for key in overrides.order:
        if key != "algorithm":
            raise ConfigError(
                f"{key}: the space is a function, so the overrides name no ranges beside it",
                f'let the function return it: {{"{key}": trial.suggest_categorical("{key}", [...])}}',
            )

    def space(name: str) -> SearchSpace:
        choices = {"algorithm": name} if name else {}

        def check(values: Mapping[str, Any]) -> None:
            chosen = {path: str(value) for path, value in values.items() if path in catalogue.groups}
            for group, option in chosen.items():
                catalogue.option(group, option)
            base = composer.base({**choices, **chosen})
            for path in values:
                if path not in chosen and not base.has(path):
                    raise _unknown_key(path, [base])

        return SearchSpace(
            name, choices, (), function=FunctionSpace(function, check, frozenset(catalogue.groups), name)
        )

    return [space(name) for name in overrides.swept("algorithm") or ("",)]


def _absences(overrides: SweepOverrides, bases: Mapping[str, Mapping[str, ComposedBase]]) -> Iterator[str]:
    for path in overrides.ranges:
        lacking = [option for option, base in bases[path.partition(".")[0]].items() if not base.has(path)]
        if lacking:
            yield f"{path} does not exist for {', '.join(lacking)}"


def spaces_by_algorithm(overrides: SweepOverrides, composer: Composer, task: str) -> list[SearchSpace]:
    """Return a space for each algorithm: its own `space`, and the ranges of the command line.

    A range of the command line replaces the algorithm's own, and a key with a fixed value is not searched.

    Raises
    ------
    ConfigError
        A key that no algorithm has, an algorithm without any space, or a swept key that changes the scores of the same
        model, such as `data`.
    """
    for key in overrides.incomparable:
        raise incomparable_error(key)
    names = overrides.swept("algorithm")
    bases = {name: composer.base({"algorithm": name} if name else {}) for name in names or ("",)}
    for path in overrides.ranges:
        if not any(base.has(path) for base in bases.values()):
            raise _unknown_key(path, bases.values())
    for name, base in bases.items():
        for key in _own_space(base):
            # of several algorithms some may lack a key, as with a range of the command line
            if not any(other.has(f"algorithm.{key}") for other in bases.values()):
                known = [name for name in base.frozen.config["algorithm"] if name not in NOT_ARGUMENTS]
                raise unknown(f"key in algorithm.space of {name or _name(base)}:", key, known, error=ConfigError)
    return [_algorithm_space(name, base, overrides, task) for name, base in bases.items()]


def _own_space(base: ComposedBase) -> Mapping[str, Any]:
    return base.frozen.config["algorithm"].get("space") or {}


def _name(base: ComposedBase) -> str:
    return str(base.frozen.config["algorithm"].get("name"))


def _algorithm_space(name: str, base: ComposedBase, overrides: SweepOverrides, task: str) -> SearchSpace:
    config = base.frozen.config
    defaults = _for_task(config, task)
    ranges = {path: declared for path, declared in overrides.ranges.items() if base.has(path)}
    fixed = {text.partition("=")[0].lstrip("+") for text in overrides.fixed}
    own = {
        key: declared
        for key, declared in _own_space(base).items()
        if base.has(f"algorithm.{key}") and f"algorithm.{key}" not in ranges and f"algorithm.{key}" not in fixed
    }
    space = [
        *(_composed_dimension(key, overrides) for key in overrides.composed if key != "algorithm"),
        *parse_space(own, "algorithm.", task, defaults),
        *(parse_dimension(path, declared, defaults) for path, declared in ranges.items()),
    ]
    label = name or _name(base)
    if not space:
        raise ConfigError(
            f"algorithm={label}: there is nothing to tune, it declares no space",
            f"name a range: 'algorithm.KEY=interval(0, 1)'; its keys: {command('describe', f'algorithm={label}')}",
        )
    lacking = [f"algorithm.{key}" for key in _own_space(base) if not base.has(f"algorithm.{key}")]
    lacking += [path for path in overrides.ranges if path not in ranges]
    absent = tuple(f"{path} does not exist for {label}" for path in lacking)
    return SearchSpace(label, {"algorithm": name} if name else {}, tuple(sort_by_conditions(space)), absent)


def _composed_dimension(key: str, overrides: SweepOverrides) -> Dimension:
    options = overrides.composed[key]
    return Dimension(key, Choice(options), text=",".join(options), composed=True)


def _for_task(config: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return a config whose algorithm has the values for a task: conditions are evaluated on it."""
    algorithm = {
        key: value.get(task) if differs_by_task(value) else value for key, value in config["algorithm"].items()
    }
    return {**config, "algorithm": algorithm}


def _unknown_key(path: str, bases: Iterable[ComposedBase]) -> UnknownKeyError:
    return UnknownKeyError(path, *sorted({known for base in bases for known in base.paths}))


def space_bounds(space: SearchSpace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (text, values) for both ends of each of the algorithm's ranges: the preflight builds it with them."""
    for dimension in space.space:
        if not dimension.path.startswith("algorithm."):
            continue
        domain = dimension.domain
        values: Sequence[Any] = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
        for value in values:
            yield f"{dimension.path}={value}", {dimension.path: value}
