"""From a sweep of Hydra's to the values that a tuner may choose, and back to text."""

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
    """Return the values that are declared for a path, and the conditions among its tags, sorted."""
    if isinstance(declared, list | tuple):
        return _choice(path, to_plain(list(declared), path)), []
    sweep = parse_sweep(declared, path) if isinstance(declared, str) else declared
    if hasattr(sweep, "include"):
        return _choice(path, _globbed(path, sweep, options)), []
    if not hasattr(sweep, "tags"):
        raise ConfigError(f"{path}: {declared!r} is one value, and a space needs several", POSSIBLE)
    whens = sorted(tag for tag in sweep.tags if tag.startswith(WHEN))
    return _domain(path, sweep, parse_scale(path, sweep.tags.difference(whens)), seed), [
        tag[len(WHEN) :] for tag in whens
    ]


def parse_scale(path: str, tags: Iterable[str]) -> Scale:
    """Return the scale among the tags; nothing else may be among them."""
    found = sorted(tags)
    for tag in found:
        if tag not in SCALES:
            raise unknown(f"tag of {path}:", tag, [*SCALES, "when …"], error=ConfigError)
    if len(found) > 1:
        raise ConfigError(f"{path}: log and reverse_log exclude each other", "keep one of the two tags")
    return SCALES[found[0]] if found else "linear"


def _globbed(path: str, glob: Any, options: Options | None) -> list[Any]:
    if options is None:
        raise ConfigError(f"{path}: glob chooses among the options of a config group, and this is none", POSSIBLE)
    return list(glob.filter(list(options(path))))


def _domain(path: str, sweep: Any, scale: Scale, seed: int) -> Domain:
    if hasattr(sweep, "end"):
        return _checked(path, _interval(path, sweep, scale))
    counted = _range(path, sweep, scale) if hasattr(sweep, "stop") else None
    if counted is not None and not sweep.shuffle:
        return _checked(path, counted)
    if scale != "linear":
        raise ConfigError(
            f"{path}: a choice has no {scale} scale", f"write tag({scale}, interval(…)), or leave the tag"
        )
    values = list(counted.values) if counted else to_plain(sweep.list, path)
    if sweep.shuffle:
        # the path takes part, so that two shuffled dimensions are not shuffled alike
        random.Random(f"{seed} {path}").shuffle(values)
    return _choice(path, values)


def _choice(path: str, values: Sequence[Any]) -> Choice:
    if not values:
        raise _empty(path)
    literal(list(values), path)  # refuses now what no run could be told later
    return Choice(tuple(values))


def _interval(path: str, sweep: Any, scale: Scale) -> Interval:
    if not (math.isfinite(sweep.start) and math.isfinite(sweep.end)):
        raise ConfigError(f"{path}: an interval needs two ends that are numbers", POSSIBLE)
    if sweep.start > sweep.end:
        raise _empty(path, f"the low end comes first: interval({sweep.end}, {sweep.start})")
    return Interval(sweep.start, sweep.end, integer=isinstance(sweep.start, int), scale=scale)


def _range(path: str, sweep: Any, scale: Scale) -> Interval:
    """Return the numbers before the end: in decimals as they were typed, where Hydra's floats may include the end."""
    given = (sweep.start, sweep.stop, sweep.step)
    if not all(math.isfinite(number) for number in given) or sweep.step == 0:
        raise ConfigError(f"{path}: a range needs numbers, and a step that is not 0", POSSIBLE)
    start, stop, step = (Decimal(repr(number)) for number in given)
    count = math.ceil((stop - start) / step - Decimal("1e-9"))
    if count < 1:
        raise _empty(path, "a range stops before its end")
    integer = all(isinstance(number, int) for number in given)
    ends = sorted((start, start + step * (count - 1)))
    kind = int if integer else float
    return Interval(kind(ends[0]), kind(ends[1]), integer=integer, scale=scale, step=kind(abs(step)))


def _checked(path: str, interval: Interval) -> Interval:
    """Refuse a scale that has no meaning for these numbers."""
    if interval.scale == "log" and interval.low <= 0:
        raise ConfigError(f"{path}: a log scale needs a low end above 0, not {interval.low}", "leave the tag log")
    if interval.scale == "reverse_log" and (interval.high >= 1 or interval.integer):
        raise ConfigError(f"{path}: reverse_log needs fractions with a high end below 1, not {interval.high}", POSSIBLE)
    if interval.scale != "linear" and interval.step not in (None, 1 if interval.integer else None):
        raise ConfigError(
            f"{path}: a {interval.scale} scale and a step of {interval.step} exclude each other",
            f"write tag({interval.scale}, interval(…)), or choice(…)",
        )
    return interval


def _empty(path: str, hint: str = "") -> ConfigError:
    return ConfigError(f"{path}: its space is empty", hint or POSSIBLE)


def domain_text(path: str, domain: Domain, *tags: str) -> str:
    """Return the one line that stands for a domain with these tags."""
    if isinstance(domain, Choice):
        text = f"choice({', '.join(literal(value, path) for value in domain.values)})"
    else:
        text = _between(domain) if domain.step is None else _counted(domain)
        tags = tags if domain.scale == "linear" else (*tags, domain.scale)
    # in one tag(…): of two around each other Hydra keeps the outer one alone
    return f"tag({', '.join(literal(tag, path) for tag in tags)}, {text})" if tags else text


def _between(interval: Interval) -> str:
    text = f"interval({interval.low!r}, {interval.high!r})"
    return f"int({text})" if interval.integer else text


def _counted(interval: Interval) -> str:
    step = interval.step or 1
    if interval.integer:
        return f"range({interval.low}, {interval.high + 1}{f', {step}' if step != 1 else ''})"
    stop = float(Decimal(repr(interval.high)) + Decimal(repr(step)))
    return f"range({interval.low!r}, {stop!r}, {step!r})"
