"""How times, durations, settings and commands are told to people."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

OUTPUTS = "outputs"
MANY_LOOKS = 5  # configurations: the best of so many on one test part is better there than anywhere else
SEPARATOR = "   |   "


def age(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an ISO 8601 moment was: "40 s ago", "3 min ago", "5 h ago"; a date after two weeks."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    then = then.replace(tzinfo=UTC) if then.tzinfo is None else then
    seconds = int(((now or datetime.now(UTC)) - then).total_seconds())
    if -60 < seconds < 1:
        return "just now"
    for unit, size, most in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48), ("days", 86400, 14)):
        if 0 <= seconds < size * most:
            return f"{seconds // size} {unit} ago"
    return then.date().isoformat()


def duration(seconds: float | None) -> str:
    """Return seconds to the precision that matters: 0.05, 2.76, 34.5, 1280."""
    if seconds is None:
        return "-"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def setting(value: Any) -> Any:
    """Return a config value as a table shows it: 0.1, not 0.1000."""
    return f"{value:.4g}" if isinstance(value, float) else value


def counted(number: int, word: str) -> str:
    """Return "1 run", "2 runs", "5,000 runs"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def told_looks(looks: Mapping[str, Any]) -> str:
    """Return how often the rows of a test part were scored; of many configs that is said what it means."""
    count, configurations = int(looks.get("count", 0)), int(looks.get("configurations", 0))
    among = f" by {counted(configurations, 'configuration')}" if count > 1 else ""
    warning = "; chosen by it, it flatters: judge by new rows" if configurations >= MANY_LOOKS else ""
    return f"test looks: {count:,}{among}{warning}"


def command(*words: str, outputs: str | None = None) -> str:
    """Return a command as it is typed; the output folder is named where it is not the usual one."""
    more = ["--outputs", outputs] if outputs and outputs != OUTPUTS else []
    return shlex.join(["runtree", *words, *more])


def next_line(commands: Sequence[str]) -> str:
    """Return the line that says what to type next."""
    return f"next  {SEPARATOR.join(commands)}"


def usual_outputs() -> str:
    """Return where the output tree grows: what the user's own `conf/config.yaml` says, else `outputs`."""
    file = Path("conf", "config.yaml")
    if not file.is_file():
        return OUTPUTS
    from runtree.config.catalogue import read_yaml

    found = read_yaml(file).get("outputs")
    return found if isinstance(found, str) and "${" not in found else OUTPUTS


def outputs_option() -> Callable[[Any], Any]:
    """Return the option that says where runs are kept."""
    return click.option(
        "--outputs", metavar="DIR", default=usual_outputs, show_default=OUTPUTS, help="Where the runs are kept."
    )


def where_option() -> Callable[[Any], Any]:
    """Return the option that says which runs are meant."""
    return click.option(
        "--where",
        metavar="EXPR",
        multiple=True,
        help="NAME=VALUE (also != < <= > >= ~), or comparisons with and, or, not: 'a == \"x\" and b > 1'. All hold.",
    )
