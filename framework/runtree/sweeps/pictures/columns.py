"""The parameters of a family, as a picture shows them: labels, numbers, texts."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtree.contract.search import Choice, Dimension, Interval
from runtree.sweeps.pictures.points import Point

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LONGEST = 24  # characters of a label


@dataclass(frozen=True)
class Column:
    """One parameter: its label, and by run what a picture shows, a number or a text."""

    label: str
    path: str
    domain: Choice | Interval
    shown: Mapping[int, Any]
    texts: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Tell whether whole numbers only."""
        return isinstance(self.domain, Interval) and self.domain.integer

    @property
    def distribution(self) -> "BaseDistribution":
        """Return Optuna's: ends and scale; steps do not show, and what was tried first may lie outside of both."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if isinstance(self.domain, Choice):
            return CategoricalDistribution(self.texts)
        low, high = min(self.domain.low, *self.shown.values()), max(self.domain.high, *self.shown.values())
        log = self.domain.scale == "log" and low > 0
        if self.domain.integer and all(float(one).is_integer() for one in (low, high, *self.shown.values())):
            return IntDistribution(int(low), int(high), log=log)
        return FloatDistribution(low, high, log=log)


def columns(space: Sequence[Dimension], found: Sequence[Point]) -> list[Column]:
    """Return the parameters that were given a value, of two dimensions at one path the one that took part."""
    values: list[dict[int, Any]] = [{} for _ in space]
    for point in found:
        seen: dict[str, Any] = {}
        for own, one in zip(values, space, strict=True):
            if one.path in point.values and one.path not in seen and one.holds(seen):
                seen[one.path] = own[point.run] = point.values[one.path]
    labels = distinct([one.path.removeprefix("algorithm.") for one in space])
    made = (_column(label, one, own) for label, one, own in zip(labels, space, values, strict=True))
    return [column for column in made if column.shown]


def _column(label: str, one: Dimension, own: Mapping[int, Any]) -> Column:
    if isinstance(one.domain, Interval):
        numbers = {run: value for run, value in own.items() if isinstance(value, int | float) and math.isfinite(value)}
        return Column(label, one.path, one.domain, numbers)
    known = {identity(value): value for value in (*one.domain.values, *own.values())}
    texts = dict(zip(known, distinct([text_of(value) for value in known.values()]), strict=True))
    shown = {run: texts[identity(value)] for run, value in own.items()}
    return Column(label, one.path, one.domain, shown, tuple(texts.values()))


def identity(value: Any) -> str:
    """Return a text that tells values apart as YAML does: 1, 1.0, true and "1"."""
    return json.dumps(value, sort_keys=True, default=repr)


def text_of(value: Any) -> str:
    """Return a value for people: relu, '1', 0.1, true, null, [64, 64]."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    try:
        json.loads(value)
    except ValueError:
        return value
    return f"'{value}'"  # a text that looks like a number is told from the number


def distinct(texts: Sequence[str]) -> list[str]:
    """Return texts short enough for a label, in one line, numbered where two are alike."""
    found: dict[str, None] = {}
    for text in texts:
        plain = short(text) or '""'
        number = 1
        while (label := plain if number == 1 else f"{plain} ({number})") in found:
            number += 1
        found[label] = None
    return list(found)


def short(text: str, most: int = LONGEST) -> str:
    """Return the beginning and the end of a text; what cannot be printed becomes a blank."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    half = (most - 1) // 2
    return plain if len(plain) <= most else f"{plain[: most - 1 - half]}…{plain[-half:]}"
