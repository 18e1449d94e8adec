"""By how much one set of answers is better than another about the same rows, and how sure that is."""

import math
from typing import TYPE_CHECKING, Any

from runtree.contract.answers import Answers
from runtree.lifecycle.examination.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    from runtree.statistics.comparison import Comparison

    Array = np.ndarray[Any, Any]

SHOWN = 3  # significant digits of a sentence


def gain(subject: Subject, other: Answers) -> dict[str, Any]:
    """Return the gain of the model over `other` in the ranked metric on the test part: above 0 where it is better.

    Areas under the curve of two classes are compared by DeLong, shares of right answers by McNemar, all else by a
    paired bootstrap, which gives way to the plain difference where no resamples are asked for.
    """
    own = subject.answers["test"]
    found = _compared(subject, own, other)
    sign = 1 if subject.direction == "maximize" else -1
    low, high = (found.low, found.high) if sign == 1 else (-found.high, -found.low)
    return {
        "metric": subject.metric.name,
        "part": "test",
        "value": _number(sign * found.value),
        "low": _number(low),
        "high": _number(high),
        "p": _number(found.p),
        "method": found.method,
    }


def _compared(subject: Subject, own: Answers, other: Answers) -> "Comparison":
    from runtree.statistics.answers import compare_answers

    asked, groups = subject.options.intervals, subject.groups("test")
    return compare_answers(own, other, subject.metric, asked.resamples, asked.level, subject.run.seed, groups)


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def tied(found: dict[str, Any]) -> bool:
    """Tell whether a gain may as well be none: its interval holds 0."""
    low, high = found["low"], found["high"]
    return low is not None and high is not None and low <= 0 <= high


def said(found: dict[str, Any]) -> str:
    """Return ``+0.012 [-0.003, 0.03]``."""
    if found["value"] is None:
        return "not known"
    between = f" [{found['low']:.{SHOWN}g}, {found['high']:.{SHOWN}g}]" if found["low"] is not None else ""
    return f"{found['value']:+.{SHOWN}g}{between}"
