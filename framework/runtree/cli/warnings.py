"""What runtree warns of, on stderr, one line each."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click


class ToStderr(logging.Handler):
    """Write warnings, and nothing else: errors reach the user as exceptions, the rest stands in a run's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if record.levelno == logging.WARNING:
            click.echo(f"warning: {' '.join(record.getMessage().split())}", err=True)


def show_warnings() -> None:
    """Let the warnings of runtree and its plugins be seen. May be called more than once."""
    ours = logging.getLogger("runtree")
    if not any(isinstance(handler, ToStderr) for handler in ours.handlers):
        ours.addHandler(ToStderr(logging.WARNING))


@contextmanager
def warnings_muted() -> Iterator[None]:
    """Keep silent meanwhile: for a verb whose output tells the same."""
    handlers = [handler for handler in logging.getLogger("runtree").handlers if isinstance(handler, ToStderr)]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setLevel(logging.WARNING)
