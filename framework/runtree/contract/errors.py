"""Every error that a user can cause, and the sentence "unknown …, did you mean …".

The tree, with the exit code that each answers with::

    RuntreeError
    ├── RequestError        2   what was asked for cannot be: a typo, a wrong type, data that does not fit
    │   ├── ConfigError         … and the config path says where
    │   │   └── UnknownKeyError     … for nothing is there
    │   ├── DataError           … and it lies in the data
    │   └── UntrustedError      … and it would run code that nobody vouched for
    ├── RunFailedError      1   the work itself failed
    │   └── DivergedError       … for its loss is no number any more
    ├── GateError           3   a check or a gate said no
    ├── MissingError        4   a plugin or an extra is not installed, or is broken
    └── NotFoundError       5   no such run
"""

from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigError",
    "DataError",
    "DivergedError",
    "GateError",
    "MissingError",
    "NotFoundError",
    "RequestError",
    "RunFailedError",
    "RuntreeError",
    "UnknownKeyError",
    "UntrustedError",
    "first_line",
    "nearest",
    "possible",
    "said",
    "unknown",
]


class RuntreeError(Exception):
    """A fault that is told in at most five lines: where, what, what is possible, what to do."""

    exit_code = 1

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hint for hint in hints if hint)

    def __str__(self) -> str:
        """Join the message and its hints, a line each."""
        return "\n  ".join((self.message, *self.hints))

    def __reduce__(self) -> tuple[type["RuntreeError"], tuple[str, ...]]:
        """Keep the hints when an error crosses to another process."""
        return type(self), (self.message, *self.hints)


class RequestError(RuntreeError):
    """What was asked for cannot be."""

    exit_code = 2


class ConfigError(RequestError):
    """A config path holds what it must not."""


class UnknownKeyError(ConfigError):
    """A config path that nothing has; `known` are the paths that there are."""

    def __init__(self, key: str, *known: str) -> None:
        super().__init__(f"unknown config key '{key}'")
        self.key, self.known = key, known

    def __reduce__(self) -> tuple[type[RuntreeError], tuple[str, ...]]:
        """Keep what is known."""
        return type(self), (self.key, *self.known)


class DataError(RequestError):
    """The data does not fit what was asked of it."""


class UntrustedError(RequestError):
    """A config or a model file names code that nobody vouched for."""


class RunFailedError(RuntreeError):
    """The work of a run failed."""


class DivergedError(RunFailedError):
    """The loss of a fit is no number any more, or has exploded."""


class GateError(RuntreeError):
    """A check or a gate said no."""

    exit_code = 3


class MissingError(RuntreeError):
    """A plugin or an extra is not installed, or is broken."""

    exit_code = 4


class NotFoundError(RuntreeError):
    """There is no such run."""

    exit_code = 5


def first_line(error: object) -> str:
    """Return the first line of what another library's error says."""
    return said(error, 500).strip().partition("\n")[0]


def said(error: object, most: int = 4000) -> str:
    """Return what an error says, as text that can be written: of a book its beginning, of what cannot be said that."""
    try:
        text = str(error)
    except Exception as fault:
        return f"({type(error).__name__} cannot say what it is: {type(fault).__name__})"
    shown = text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"
    return shown.encode("utf-8", "backslashreplace").decode()


def without_numbers(message: str) -> str:
    """Return a message with a mark for each number: errors that differ in nothing else are one kind of error."""
    import re

    return re.sub(r"\d[\d.,]*(?:e[-+]?\d+)?", "#", message)


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` known names that look like `name`: those that begin with it, then the likest."""
    import difflib

    known = list(known)
    begun = [other for other in known if len(name) > 1 and other.startswith(name)]
    alike = difflib.get_close_matches(name, known, n=count, cutoff=0.6)
    return list(dict.fromkeys([*begun, *alike]))[:count]


def possible(known: Sequence[str]) -> str:
    """Name the first dozen of what there is, and how many there are."""
    return f"possible: {', '.join(known[:12])}" + (f", … ({len(known)} in all)" if len(known) > 12 else "")


def unknown(
    kind: str, name: str, known: Iterable[str], *hints: str, error: type[RuntreeError] = RequestError
) -> RuntreeError:
    """Build the error for a name that is not known, with the nearest known ones."""
    known = sorted(set(known))
    close = nearest(name, known)
    if close:
        suggestion = f"did you mean: {', '.join(close)}?"
    else:
        suggestion = possible(known) if known else f"there is no {kind} to choose from"
    return error(f"unknown {kind} '{name}'", suggestion, *hints)
