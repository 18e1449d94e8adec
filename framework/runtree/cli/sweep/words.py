"""How a sweep's settings, counts and durations are told to people."""

import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.cli.cells import format_cell, printable
from runtree.cli.tables import terminal_width
from runtree.cli.words import counted

if TYPE_CHECKING:
    from runtree.records.layout import SweepFolder
    from runtree.sweeps.state import RunState, Trial

LABEL = 7  # room for the word at the beginning of a line
WIDTH = 100  # of wrapped lines where the output goes to a file or a pipe
TIED = "\N{NO-BREAK SPACE}"  # keeps a name and its number in one line
MOST = 6  # settings that a line of a scene tells


def labelled(label: str, text: str) -> str:
    """Return a line that begins with a word of its own."""
    return f"{label:<{LABEL}}{printable(text)}"


def wrapped(label: str, text: str) -> str:
    """Return a labelled text in lines that fit the terminal."""
    width = terminal_width() or WIDTH
    text = TIED.join(map(printable, text.split(TIED)))
    indent = " " * LABEL
    return textwrap.fill(
        f"{label:<{LABEL}}{text}", width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def next_lines(commands: Sequence[str]) -> str:
    """Return what to type next, a line a command: those of a sweep are long."""
    return "\n".join(f"{'next' if not number else '':<{LABEL}}{text}" for number, text in enumerate(commands))


def shortened(paths: Iterable[str]) -> dict[str, str]:
    """Return the last part of each config path, the whole path where two end alike."""
    known = list(dict.fromkeys(paths))
    ends = Counter(path.rpartition(".")[2] for path in known)
    return {path: path if ends[path.rpartition(".")[2]] > 1 else path.rpartition(".")[2] for path in known}


def told_value(value: Any) -> str:
    """Return a value of a configuration: 0.1, true, null, [1, 2]."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(told_value, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else format_cell(value)


def told_values(values: Mapping[str, Any], names: Mapping[str, str] | None = None, most: int | None = None) -> str:
    """Return values as ``C=0.36 penalty=l2``; those beyond `most` are counted."""
    names = shortened(values) if names is None else names
    texts = [f"{names[path]}={told_value(value)}" for path, value in values.items() if path in names]
    rest = [] if most is None or len(texts) <= most else [f"(+{len(texts) - most})"]
    return " ".join([*(texts if not rest else texts[:most]), *rest])


def told_trial(trial: "Trial", most: int | None = None) -> str:
    """Return a configuration in a few words: its algorithm, where the sweep has several, and its values."""
    return " ".join(filter(None, [trial.key[0], told_values(trial.values, most=most)]))


def told_states(counts: Mapping[str, int]) -> str:
    """Return "9 completed, 1 failed": the states that there are."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "none ended"


def told_total(total: int | None, seconds: float | None) -> str:
    """Return how long a sweep may be: "20 runs", "60 s", or both; without a bound it is patience that ends it."""
    runs = [] if total is None else [counted(total, "run")]
    return " or ".join([*runs, *([] if seconds is None else [clock(seconds)])]) or "as long as it improves"


def clock(seconds: float | None) -> str:
    """Return a duration as one reads it while waiting: 0.4 s, 12 s, 3:05, 1:02:03."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def metric_name(name: str) -> str:
    """Return an objective as `runtree runs` names it."""
    return name if name == "fit_seconds" else f"validation.{name}"


def told_error(entry: "RunState") -> str:
    """Return in one line what went wrong in a run."""
    error = entry.outcome.get("error") or {}
    message = str(error.get("message") or "").strip().partition("\n")[0]
    kind = str(error.get("type") or entry.outcome.get("reason") or entry.state)
    return printable(f"{kind}: {message}" if message else kind)


def sweep_name(folder: "SweepFolder", outputs: str | None = None) -> str:
    """Return what one types to name a sweep: its folder's name where that is enough, else its path."""
    path = folder.path
    inside = path.name.endswith("-sweep") and path.absolute().parent.parent == Path(outputs or "outputs").absolute()
    return path.name if inside else shown_path(path)


def shown_path(path: Path) -> str:
    """Return a path as a user would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def plural(families: Sequence[str]) -> str:
    """Return algorithms by name, the first few where they are many."""
    shown = ", ".join(families[:5])
    return f"{shown} and {len(families) - 5} more" if len(families) > 5 else shown
