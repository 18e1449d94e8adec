"""What a check finds."""

from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "warned", "failed", "skipped"]
STATES: tuple[State, ...] = ("passed", "warned", "failed", "skipped")


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do next; a warning fails nothing."""

    state: State
    found: str
    advice: str = ""


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
