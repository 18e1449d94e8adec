"""Turns Hydra's sweeps into the values that a tuner may choose, and back into text."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from runtree.config.space.grammar import POSSIBLE, literal, parse_sweep, to_plain
from runtree.contract.errors import ConfigError, unknown
from runtree.contract.search import Choice, Interval, Scale

Domain = Choice | Interval
Options = Callable[[str], Sequence[str]]
WHEN = "when "
SCALES: dict[str, Scale] = {"log": "log", "reverse_log": "reverse_log"}


def parse_domain(path: str, declared: Any, options: Options | None = None, seed: int = 0) -> tuple[Domain, list[str]]:
    """Return the values declared for a path, and the conditions among its tags, sorted."""
    if isinstance(declared, list | tuple):
        return _choice(path, to_plain(list(declared), path)), []
    # Hydra's classes are distinguished by their attributes, so that this module does not import Hydra
    sweep = parse_sweep(declared, path) if isinstance(declared, str) else declared
    if hasattr(sweep, "include"):
        return _choice(path, _globbed(path, sweep, options)), []
    if not hasattr(sweep, "tags"):
        raise ConfigError(f"{path}: {declared!r} is one value, but a search space needs several", POSSIBLE)
    # tags are a set: sorted, so that the same text always gives the same dimension
    whens = sorted(tag for tag in sweep.tags if tag.startswith(WHEN))
    return _domain(path, sweep, parse_scale(path, sweep.tags.difference(whens)), seed), [
        tag[len(WHEN) :] for tag in whens
    ]


def parse_scale(path: str, tags: Iterable[str]) -> Scale:
    """Return the scale among the tags; any other tag is refused."""
    names = sorted(tags)
    for tag in names:
        if tag not in SCALES:
            raise unknown(f"tag of {path}:", tag, [*SCALES, "when …"], error=ConfigError)
    if len(names) > 1:
        raise ConfigError(f"{path}: the tags log and reverse_log exclude each other", "remove one of them")
    return SCALES[names[0]] if names else "linear"


def _globbed(path: str, glob: Any, options: Options | None) -> list[Any]:
    if options is None:
        raise ConfigError(f"{path}: glob is possible for config groups only", POSSIBLE)
    return list(glob.filter(list(options(path))))


def _domain(path: str, sweep: Any, scale: Scale, seed: int) -> Domain:
    if hasattr(sweep, "end"):
        return _checked(path, _interval(path, sweep, scale))
    numbers_range = _range(path, sweep, scale) if hasattr(sweep, "stop") else None
    if numbers_range is not None and not sweep.shuffle:
        return _checked(path, numbers_range)
    if scale != "linear":
        raise ConfigError(
            f"{path}: a choice has no {scale} scale", f"write tag({scale}, interval(…)), or remove the tag"
        )
    values = list(numbers_range.values) if numbers_range else to_plain(sweep.list, path)
    if sweep.shuffle:
        # with the path in the seed, two dimensions are not shuffled alike
        random.Random(f"{seed} {path}").shuffle(values)
    return _choice(path, values)


def _choice(path: str, values: Sequence[Any]) -> Choice:
    if not values:
        raise _empty(path)
    literal(list(values), path)  # refuses now what no override could express later
    # a value that is there twice is tried once; 1, 1.0 and true are three values
    return Choice(tuple({repr(value): value for value in values}.values()))


def _interval(path: str, sweep: Any, scale: Scale) -> Interval:
    if not (math.isfinite(sweep.start) and math.isfinite(sweep.end)):
        raise ConfigError(f"{path}: an interval needs two finite ends", POSSIBLE)
    if sweep.start > sweep.end:
        raise _empty(path, f"write the low end first: interval({sweep.end}, {sweep.start})")
    # Hydra turns both ends into float unless int(…) is around them
    return Interval(sweep.start, sweep.end, integer=isinstance(sweep.start, int), scale=scale)


def _range(path: str, sweep: Any, scale: Scale) -> Interval:
    """Return the numbers before the end, computed in decimals: with floats Hydra may include the end."""
    numbers = (sweep.start, sweep.stop, sweep.step)
    if not all(math.isfinite(number) for number in numbers) or sweep.step == 0:
        raise ConfigError(f"{path}: a range needs finite numbers and a step other than 0", POSSIBLE)
    # through repr, which is the shortest text of a float: Decimal(0.1) has 55 digits
    start, stop, step = (Decimal(repr(number)) for number in numbers)
    # the division of decimals is rounded at 28 digits, so an exact multiple may come out a trifle too large
    count = math.ceil((stop - start) / step - Decimal("1e-9"))
    if count < 1:
        raise _empty(path, "a range stops before its end")
    integer = all(isinstance(number, int) for number in numbers)
    # a negative step counts down; an Interval is always ascending
    ends = sorted((start, start + step * (count - 1)))
    kind = int if integer else float
    return Interval(kind(ends[0]), kind(ends[1]), integer=integer, scale=scale, step=kind(abs(step)))


def _checked(path: str, interval: Interval) -> Interval:
    """Refuse a scale that is not defined for these numbers."""
    if interval.scale == "log" and interval.low <= 0:
        raise ConfigError(f"{path}: a log scale needs a low end above 0, not {interval.low}", "remove the tag log")
    if interval.scale == "reverse_log" and (interval.high >= 1 or interval.integer):
        raise ConfigError(f"{path}: reverse_log needs fractions with a high end below 1, not {interval.high}", POSSIBLE)
    # Optuna refuses a step on a log scale, too
    if interval.scale != "linear" and interval.step not in (None, 1 if interval.integer else None):
        raise ConfigError(
            f"{path}: a {interval.scale} scale and a step of {interval.step} exclude each other",
            f"write tag({interval.scale}, interval(…)), or choice(…)",
        )
    return interval


def _empty(path: str, hint: str = "") -> ConfigError:
    return ConfigError(f"{path}: its search space is empty", hint or POSSIBLE)


def domain_text(path: str, domain: Domain, *tags: str) -> str:
    """Return a domain with these tags as text."""
    if isinstance(domain, Choice):
        text = f"choice({', '.join(literal(value, path) for value in domain.values)})"
    else:
        text = _interval_text(domain) if domain.step is None else _range_text(domain)
        tags = tags if domain.scale == "linear" else (*tags, domain.scale)
    # in one tag(…), because Hydra drops the inner of two
    return f"tag({', '.join(literal(tag, path) for tag in tags)}, {text})" if tags else text


def _interval_text(interval: Interval) -> str:
    text = f"interval({interval.low!r}, {interval.high!r})"
    return f"int({text})" if interval.integer else text


def _range_text(interval: Interval) -> str:
    step = interval.step or 1
    if interval.integer:
        return f"range({interval.low}, {interval.high + 1}{f', {step}' if step != 1 else ''})"
    # one step beyond the last value, because a range stops before its end
    stop = float(Decimal(repr(interval.high)) + Decimal(repr(step)))
    return f"range({interval.low!r}, {stop!r}, {step!r})"
