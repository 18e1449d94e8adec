"""The errors that a user can cause, and the message "unknown …, did you mean …".

The classes, with the exit code of each::

    RuntreeError
    ├── RequestError        2   an impossible request: a typo, a wrong type, data that does not fit
    │   ├── ConfigError         a config path has an invalid value
    │   │   └── UnknownKeyError     a config path does not exist
    │   ├── DataError           the data does not fit the request; a ValueError, too
    │   └── UntrustedError      it would execute code that is not allowed
    ├── RunFailedError      1   the run itself failed
    │   └── DivergedError       the loss is not a number any more, or exploded
    ├── GateError           3   a check or a quality gate failed
    ├── MissingError        4   a plugin or an extra is not installed, or is broken
    └── NotFoundError       5   no such run
"""

from collections.abc import Iterable, Sequence

from runtree.contract.redaction import redact_text

__all__ = [
    "ConfigError",
    "DataError",
    "DivergedError",
    "GateError",
    "MissingError",
    "NotFoundError",
    "Pruned",
    "RequestError",
    "RunFailedError",
    "RuntreeError",
    "UnknownKeyError",
    "UntrustedError",
    "describe_error",
    "error_text",
    "first_line",
    "nearest",
    "possible",
    "raise_if_ours",
    "unknown",
]


class Pruned(BaseException):
    """A tuner pruned the run. Not an `Exception`: an algorithm that catches those must not continue."""

    def __init__(self, step: int) -> None:
        super().__init__(f"pruned at step {step}")
        self.step = step


def raise_if_ours(error: BaseException) -> None:
    """Raise what is no failure of foreign code: the user's Ctrl-C, and the pruning of a run.

    The first line after ``except BaseException`` around the code of a plugin or a user: SystemExit and the like are no
    `Exception`, and would end runtree without a word and with a foreign exit code.
    """
    if isinstance(error, (KeyboardInterrupt, Pruned)):
        raise error


class RuntreeError(Exception):
    """An error for the user, in at most five lines: config path, what is wrong, what is possible, what to type."""

    exit_code = 1

    def __init__(self, message: str, *hints: str) -> None:
        # here, since an error is printed, logged, recorded and sent to trackers: libraries quote the values they refuse
        self.message = redact_text(message)
        super().__init__(self.message)
        # callers pass "" for a hint that does not apply
        self.hints = tuple(redact_text(hint) for hint in hints if hint)

    def __str__(self) -> str:
        """Join the message and its hints, one line each."""
        return "\n  ".join((self.message, *self.hints))

    def __reduce__(self) -> tuple[type["RuntreeError"], tuple[str, ...]]:
        """Keep the hints when an error crosses to another process."""
        # pickle calls the class with `args`, which hold the message alone; workers send their errors to the driver by
        # pickle
        return type(self), (self.message, *self.hints)


class RequestError(RuntreeError):
    """The request is impossible."""

    exit_code = 2


class ConfigError(RequestError):
    """A config path has an invalid value."""


class UnknownKeyError(ConfigError):
    """A config path does not exist; `known` are the paths that do."""

    def __init__(self, key: str, *known: str) -> None:
        super().__init__(f"unknown config key '{key}'")
        self.key, self.known = redact_text(key), known

    def __reduce__(self) -> tuple[type[RuntreeError], tuple[str, ...]]:
        """Keep the key and the known paths."""
        # the constructor takes the key, not the message that `args` hold
        return type(self), (self.key, *self.known)


# ValueError: scikit-learn's contract, and code that uses an estimator of runtree outside of it, expect it of bad data
class DataError(RequestError, ValueError):
    """The data does not fit the request."""


class UntrustedError(RequestError):
    """A config or a model file names code that is not allowed."""


class RunFailedError(RuntreeError):
    """A run failed while it was executed."""


class DivergedError(RunFailedError):
    """The loss of a fit is not a number any more, or exploded."""


class GateError(RuntreeError):
    """A check or a quality gate failed."""

    exit_code = 3


class MissingError(RuntreeError):
    """A plugin or an extra is not installed, or is broken."""

    exit_code = 4


class NotFoundError(RuntreeError):
    """There is no such run."""

    exit_code = 5


def first_line(error: object) -> str:
    """Return the first line of an error's text."""
    return error_text(error, 500).strip().partition("\n")[0]


def error_text(error: object, max_length: int = 4000) -> str:
    """Return the text of an error, cut at `max_length` characters, in a form that can be written to a file."""
    try:
        # an error of a plugin or a library may fail in its own __str__, and the report of an error must not fail as
        # well
        # redacted before it is cut, or a half of a secret would be left
        text = redact_text(str(error))
    except Exception as fault:
        return f"({type(error).__name__} has no printable message: {type(fault).__name__})"
    shown = text if len(text) <= max_length else f"{text[:max_length]} … ({len(text):,} characters)"
    # lone surrogates, as in file names that are not UTF-8, cannot be written to a file
    return shown.encode("utf-8", "backslashreplace").decode()


def describe_error(error: BaseException) -> str:
    """Return the type of an error of foreign code, and the first line of its text."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")


def without_numbers(message: str) -> str:
    """Return a message with a # for each number, so that errors that differ only in numbers count as one kind."""
    import re

    return re.sub(r"\d[\d.,]*(?:e[-+]?\d+)?", "#", message)


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` known names that are similar to `name`: those that begin with it, then the closest."""
    import difflib

    known = list(known)
    # difflib rates a short beginning of a long name low ("learn" for "learning_rate"), so these come first; a single
    # letter begins too many names
    prefixed = [other for other in known if len(name) > 1 and other.startswith(name)]
    similar = difflib.get_close_matches(name, known, n=count, cutoff=0.6)
    return list(dict.fromkeys([*prefixed, *similar]))[:count]


def possible(known: Sequence[str]) -> str:
    """List the first 12 names, and the number of all."""
    return f"possible: {', '.join(known[:12])}" + (f", … ({len(known)} in all)" if len(known) > 12 else "")


def unknown(
    kind: str, name: str, known: Iterable[str], *hints: str, error: type[RuntreeError] = RequestError
) -> RuntreeError:
    """Return the error for an unknown name, with the most similar known ones."""
    # a name of a config may be a number: evaluator.metrics=[1]
    name, known = str(name), sorted(set(known))
    close = nearest(name, known)
    if close:
        suggestion = f"did you mean: {', '.join(close)}?"
    else:
        suggestion = possible(known) if known else f"there is no {kind} to choose from"
    return error(f"unknown {kind} '{name}'", suggestion, *hints)
