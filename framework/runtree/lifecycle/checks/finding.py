"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runtree.lifecycle.checks.context import Context

State = Literal["passed", "warned", "failed", "skipped"]
STATES: tuple[State, ...] = ("passed", "warned", "failed", "skipped")


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do next; a warning fails nothing."""

    state: State
    found: str
    advice: str = ""


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
    function: "Callable[[Context], Finding]"
    fits: bool = False


@dataclass(frozen=True)
class Outcome:
    """A check with what it found, and how long it took in seconds."""

    check: Check
    finding: Finding
    seconds: float


def passed(found: str) -> Finding:
    """Say that all is well."""
    return Finding("passed", found)


def warned(found: str, advice: str) -> Finding:
    """Say what looks odd and may be right."""
    return Finding("warned", found, advice)


def failed(found: str, advice: str) -> Finding:
    """Say what is wrong and what to do."""
    return Finding("failed", found, advice)


def skipped(why: str) -> Finding:
    """Say why nothing was asked."""
    return Finding("skipped", why)


def named(names: "list[str]", most: int = 3) -> str:
    """Return names in quotes, the first few of many: "'a', 'b', 'c' and 4 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def listed(names: "list[str]") -> str:
    """Return names as an override's list is typed: ``[a,'b c']``."""
    quoted = [name if name.isidentifier() else "'" + name.replace("'", "\\'") + "'" for name in names]
    return f"[{','.join(quoted)}]"
