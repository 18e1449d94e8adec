"""What an executor works with: a function made once where the work is done, and the way it tells how it goes."""

import pickle
import pkgutil
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

from runtree.contract.errors import RunFailedError, RuntreeError


class Channel(Protocol):
    """By which a job tells how it goes."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Tell intermediate metrics; return whether the job is to end now because it is pruned."""
        ...


def send(link: Connection, *message: Any) -> None:
    """Send a message that `Connection.recv` reads; a plain pickle is quicker than the one of `Connection.send`."""
    link.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


Work = Callable[[Any, Channel], Any]


def prepare(setup: str, argument: Any) -> Work:
    """Call the function named "package.module:function" and return the work function that it makes.

    Raises
    ------
    RuntreeError
        As `setup` raised it; RunFailedError for whatever else it raised.
    """
    try:
        return pkgutil.resolve_name(setup)(argument)  # type: ignore[no-any-return]
    except RuntreeError:
        raise
    except Exception as error:
        raise not_prepared(f"{type(error).__name__}: {error}") from error


def not_prepared(reason: str) -> RunFailedError:
    """Return the error for workers that cannot start."""
    return RunFailedError(f"the workers could not start: {' '.join(reason.split())}")
