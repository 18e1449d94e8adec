"""A sweep that was interrupted goes on, to its original total."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.training import Done, train
from runtree.config.flags import parse_flags
from runtree.contract.errors import RequestError
from runtree.records.layout import SweepFolder
from runtree.sweeps.identity import LATER, asked_before


def resume(app: App, folder: SweepFolder, more: Sequence[str] = (), watcher: Any = None) -> Done:
    """Go on with a sweep as it was asked for; `more` may set other bounds and another compute, nothing else.

    Raises
    ------
    RequestError
        Another process works on it, its config is not what it was, or `more` would make it another sweep.
    """
    from runtree.app.sweeping import Order, Silent

    refuse_another(more)
    asked = asked_before(folder)
    flags = parse_flags(["-m", *asked["overrides"], *more])
    flags.config_name = asked.get("config_name")
    flags.config_dir = asked.get("config_dir")
    order = Order(app, resume=SweepFolder(Path(folder.path)), watcher=watcher or Silent())
    return train(app, flags, order=order)


def refuse_another(more: Sequence[str]) -> None:
    """Refuse words that would make it another sweep."""
    for text in more:
        if not text.startswith(("compute.", "compute=", *(f"tuner.{key}" for key in LATER))):
            raise RequestError(
                f"'{text}' would make it another sweep",
                f"may be changed: compute, {', '.join(f'tuner.{key}' for key in LATER)}",
                "begin a new one: runtree train -m …",
            )
