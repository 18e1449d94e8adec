"""Detectors of drift: they compare a window of rows with the rows that a model was made with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from runtree.contract.validation import check_name, check_one_of, check_type

Compares = Literal["number", "category", "column", "table", "stream", "schema"]
COMPARES: tuple[Compares, ...] = ("number", "category", "column", "table", "stream", "schema")


@dataclass(frozen=True)
class Detection:
    """The result of a detector.

    Attributes
    ----------
    score
        How far window and reference are apart; 0 is no difference.
    p
        The probability of such a score, or a larger one, if both are rows of one population; None: not known.
    note
        A few words on what was found.
    """

    score: float
    p: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        known = isinstance(self.score, (int, float)) and math.isfinite(self.score)
        check_type("detection", "score", self.score, known, "a finite number")
        valid = self.p is None or (isinstance(self.p, (int, float)) and 0 <= self.p <= 1)
        check_type("detection", "p", self.p, valid, "a probability, or None")


@dataclass(frozen=True)
class Detector:
    """A detector of drift, contributed by a plugin.

    With a p value it is an alarm if the p value, corrected for all comparisons of the window, is within the budget of
    false alarms, and the score above the threshold. Without one the score alone decides.

    Parameters
    ----------
    name
        The name in ``monitor.detectors``.
    function
        ``function(reference, window)`` returns a `Detection`.
    compares
        What it is called with. "number": the known values of a column as floats; "category": as texts, both as arrays
        of shape (rows,) that cannot be written to. "column": a column with its missing values, as pandas Series.
        "table": the columns of the model as data frames. "schema": the same as they were read, before values are
        converted. "stream": means of blocks of rows in the order of their time, over all windows so far, as an array of
        floats in standard deviations of a row; the reference those of the rows that the run held out.
    threshold
        The smallest score that matters; ``monitor.thresholds.<name>`` changes it.
    default
        Whether it is called where ``monitor.detectors`` is "auto".
    """

    name: str
    function: Callable[[Any, Any], Detection]
    compares: tuple[Compares, ...]
    threshold: float = 0.0
    default: bool = True

    def __post_init__(self) -> None:
        check_name("detector", self.name)
        owner = f"detector '{self.name}'"
        check_type(owner, "function", self.function, callable(self.function), "a function")
        listed = isinstance(self.compares, tuple) and bool(self.compares)
        check_type(owner, "compares", self.compares, listed, 'a tuple such as ("number",)')
        for kind in self.compares:
            check_one_of(owner, "compares", kind, COMPARES)
        number = isinstance(self.threshold, (int, float)) and math.isfinite(self.threshold)
        check_type(owner, "threshold", self.threshold, number, "a finite number")
