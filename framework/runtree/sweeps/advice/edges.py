"""Whether the best lies at the edge of what was searched: beyond it may be better."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from runtree.config.space.domains import domain_text
from runtree.contract.finding import Finding
from runtree.contract.search import Choice, Dimension, Interval
from runtree.sweeps.advice.facts import Facts

ENOUGH = 10  # configurations of a family: of fewer the best lies anywhere
NEAR = 0.02  # share of a range, on its own scale, that is its edge
AROUND = 0.15  # … and in which at least half of the best few lie too
FEW = 10  # the best tenth, but no more than so many
End = Literal["low", "high"]


def at_the_edge(facts: Facts) -> Iterator[Finding]:
    """Find each range at whose end the best configuration lies, half of the best tenth near it."""
    if not facts.scored:
        return
    best = facts.scored[0][0]
    own = [trial.values for trial, _ in facts.scored if trial.key[0] == best.key[0]]
    if len(own) < ENOUGH:
        return
    top = own[: min(FEW, max(3, len(own) // 10))]
    for one in facts.spaces.get(best.key[0], ()):
        end = edge_of(one, [values[one.path] for values in top if one.path in values])
        if end is not None and one.path in best.values:
            yield _finding(one, end, best.values[one.path], facts.name)


def edge_of(one: Dimension, values: Sequence[Any]) -> End | None:
    """Return the end at which the first of some values lies, if at least half of them lie near it."""
    domain = one.domain
    if isinstance(domain, Choice) or one.composed or not values or not all(map(_is_number, values)):
        return None
    places = [position(domain, float(value)) for value in values]
    for end, far in (("low", places), ("high", [1 - place for place in places])):
        around = sum(place <= AROUND for place in far)
        if far[0] <= NEAR and 2 * around >= len(far) and not _is_natural(domain, end):
            return "low" if end == "low" else "high"
    return None


def position(domain: Interval, value: float) -> float:
    """Return where a value lies between the ends, from 0 to 1 on the interval's own scale."""
    low, high, place = (_scaled(domain, one) for one in (domain.low, domain.high, value))
    return (place - low) / (high - low) if high > low else 0.5


def _scaled(domain: Interval, value: float) -> float:
    if domain.scale == "linear":
        return value
    return math.log(value) if domain.scale == "log" else -math.log(1 - value)


def _is_natural(domain: Interval, end: str) -> bool:
    """Tell whether nothing can lie beyond: shares end at 0 and 1, counts begin at 1."""
    bound = domain.low if end == "low" else domain.high
    return bound in (0, 1) and (end == "low" or not domain.integer)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finding(one: Dimension, end: End, value: float, name: str) -> Finding:
    assert isinstance(one.domain, Interval)
    wider = widened(one.domain, end)
    bound = one.domain.low if end == "low" else one.domain.high
    values = {"path": one.path, "value": value, "end": end, "bound": bound}
    return Finding(
        "search edge",
        "warning",
        f"the best {one.path} is {value:.4g}, at the {end} end of what was searched ({bound:.4g})",
        f"search beyond it: '{one.path}={domain_text(one.path, wider)}' tuner.warm_start.from={name}",
        values,
    )


def widened(domain: Interval, end: End) -> Interval:
    """Return an interval that goes on beyond an end: by half its decades on a log scale, else by half its width."""
    low, high = _beyond(domain)
    return replace(domain, low=low) if end == "low" else replace(domain, high=high)


def _beyond(domain: Interval) -> tuple[float, float]:
    low, high = domain.low, domain.high
    if domain.scale == "reverse_log":
        ratio = math.sqrt((1 - low) / (1 - high))
        return max(0.0, 1 - _rounded((1 - low) * ratio)), 1 - _rounded((1 - high) / ratio)
    if domain.scale == "log":
        ratio = math.sqrt(high / low)
        return _bound(low / ratio, domain), _bound(high * ratio, domain)
    half = (high - low) / 2
    half = math.ceil(half / domain.step) * domain.step if domain.step else half
    below = low - half if low <= 0 or low > half else low / 2  # what was positive stays so
    return _bound(below, domain), _bound(high + half, domain)


def _bound(value: float, domain: Interval) -> float:
    if domain.integer:
        return max(1, round(value)) if domain.low > 0 else round(value)
    return _rounded(value) if domain.step is None else round(value, 12)


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
