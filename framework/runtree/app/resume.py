"""A sweep that was interrupted goes on, to its original total."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtree.app.application import App
from runtree.app.training import Done, train
from runtree.config.flags import parse_flags
from runtree.contract.errors import RequestError
from runtree.records.layout import SweepFolder
from runtree.sweeps.identity import MAY_CHANGE_ON_RESUME, read_request


def resume_sweep(app: App, folder: SweepFolder, more: Sequence[str] = (), watcher: Any = None) -> Done:
    """Go on with a sweep as it was asked for; `more` may set other bounds and another compute, nothing else.

    Raises
    ------
    RequestError
        Another process works on it, its config is not what it was, or `more` would make it another sweep.
    """
    from runtree.app.preflight import SilentObserver, SweepRequest

    check_resume_overrides(more)
    asked = read_request(folder)
    flags = parse_flags(["-m", *asked["overrides"], *more])
    flags.config_name = asked.get("config_name")
    flags.config_dir = asked.get("config_dir")
    order = SweepRequest(app, resume=SweepFolder(Path(folder.path)), watcher=watcher or SilentObserver())
    return train(app, flags, order=order)


def check_resume_overrides(more: Sequence[str]) -> None:
    """Refuse words that would make it another sweep."""
    for text in more:
        if not text.startswith(("compute.", "compute=", *(f"tuner.{key}" for key in MAY_CHANGE_ON_RESUME))):
            raise RequestError(
                f"'{text}' would make it another sweep",
                f"may be changed: compute, {', '.join(f'tuner.{key}' for key in MAY_CHANGE_ON_RESUME)}",
                "begin a new one: runtree train -m …",
            )
