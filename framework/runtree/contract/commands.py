"""Command lines and overrides as messages, pages and advice offer them: whole, and quoted for a shell.

Whatever prints a command makes it here, so that each can be pasted as it stands.
"""

import os
import shlex
from pathlib import Path

DEFAULT_OUTPUTS = "outputs"


def command(*words: str, outputs: str | Path | None = None) -> str:
    """Return a command line of runtree; the output folder is named where it is not the default."""
    # without it the command would look into another folder than the one that suggested it
    named = outputs is not None and str(outputs) not in ("", DEFAULT_OUTPUTS)
    return shlex.join(["runtree", *words, *(["--outputs", display_path(outputs or "")] if named else [])])


def typed(*overrides: str) -> str:
    """Return overrides as they are typed on a command line."""
    return shlex.join(overrides)


def display_path(path: str | Path) -> str:
    """Return a path as a user would type it: relative if it is below the working directory."""
    # os.path and not Path.relative_to, which raises for a path that is not below
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def override_key(override: str) -> str:
    """Return the key or group of an override: `tuner` for ``+tuner@x=tpe``."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")
