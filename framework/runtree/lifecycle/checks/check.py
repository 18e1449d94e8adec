"""What a check is, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from runtree.lifecycle.checks.context import Context
from runtree.lifecycle.checks.finding import Finding


@dataclass(frozen=True)
class Check:
    """A question to a configuration, before it is trained at length.

    Attributes
    ----------
    name, asks
        A word for the table, and what is asked in one line.
    function
        Answers it.
    fits
        Whether it needs the pipeline to be fitted; where that cannot be done it is skipped.
    """

    name: str
    asks: str
    function: Callable[[Context], Finding]
    fits: bool = False


@dataclass(frozen=True)
class Outcome:
    """A check with what it found, and how long it took in seconds."""

    check: Check
    finding: Finding
    seconds: float
