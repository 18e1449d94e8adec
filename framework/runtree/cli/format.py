"""How values, times, settings and commands are written in the output of the command line."""

import logging
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtree.contract.commands import DEFAULT_OUTPUTS as DEFAULT_OUTPUTS
from runtree.contract.commands import command as command
from runtree.contract.commands import display_path as display_path
from runtree.contract.commands import typed as typed
from runtree.contract.redaction import redact

if TYPE_CHECKING:
    from runtree.records.layout import SweepFolder
    from runtree.sweeps.state import RunState, Trial

LABEL_WIDTH = 9  # of the word that a line begins with
PIPE_WIDTH = 100  # columns of wrapped text where the output goes to a file or a pipe
MAX_SETTINGS = 6  # shown of a configuration where it must fit into one line
MAX_SHOWN_NAMES = 5
MAX_NOTES = 5
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"  # keeps a name and its number on one line
SELECTION_BIAS_FROM = 5  # configurations scored on one test set, from which on the best score there is optimistic


# Values


def format_cell(value: Any) -> str:
    """Return a value as a table shows it: a dash for None, floats with four decimals, no control characters."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # fixed decimals align in a column; outside this range they would show nothing but zeros, or too many digits
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"
    return printable(str(value))


def printable(text: str) -> str:
    """Escape control characters: a name in a config or a message of a library must not move the cursor."""
    if text.isprintable():  # nearly always, and much faster than the loop
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def format_setting(value: Any) -> Any:
    """Return a config value as a table shows it: 0.1, not 0.1000."""
    return f"{value:.4g}" if isinstance(value, float) else value


def format_value(value: Any) -> str:
    """Return a value of a configuration: 0.1, true, null, [1, 2]."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    return format_cell(format_setting(value))


def format_classes(classes: Sequence[Any], positive: Any) -> str:
    """Return ``3 classes``, or of two classes ``2 classes, positive 'yes'``."""
    count = f"{len(classes)} classes"
    return count if positive is None else f"{count}, positive {positive!r}"


def shorten_paths(paths: Iterable[str]) -> dict[str, str]:
    """Map each config path to its last part, or to itself where two paths end alike."""
    known = list(dict.fromkeys(paths))
    # `alpha` of two algorithms in one table must not look like one setting
    ends = Counter(path.rpartition(".")[2] for path in known)
    return {path: path if ends[path.rpartition(".")[2]] > 1 else path.rpartition(".")[2] for path in known}


def format_values(values: Mapping[str, Any], names: Mapping[str, str] | None = None, limit: int | None = None) -> str:
    """Return ``C=0.36 penalty=l2``; values beyond `limit` are counted: ``C=0.36 (+3)``."""
    names = shorten_paths(values) if names is None else names
    texts = [f"{names[path]}={format_value(redact(value, path))}" for path, value in values.items() if path in names]
    hidden = 0 if limit is None else max(0, len(texts) - limit)
    return " ".join([*texts[: len(texts) - hidden], *([f"(+{hidden})"] if hidden else [])])


def format_trial(trial: "Trial", limit: int | None = None) -> str:
    """Return the values of a trial, after the algorithm where the sweep has several."""
    return " ".join(filter(None, [trial.key[0], format_values(trial.values, limit=limit)]))


def pluralize(number: int, noun: str) -> str:
    """Return "1 run", "2 runs", "5,000 runs"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def list_names(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    shown = ", ".join(names[:MAX_SHOWN_NAMES])
    return f"{shown} and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else shown


def format_bytes(number: float | None) -> str:
    """Return bytes to three digits: 512 B, 12.3 kB, 4.56 GB."""
    if number is None:
        return "-"
    size, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"


# Times


def format_age(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an ISO 8601 moment was: "40 s ago", "3 min ago", "5 h ago"; a date after two weeks."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    # a moment without a zone would be taken for local time
    then = then.replace(tzinfo=UTC) if then.tzinfo is None else then
    seconds = int(((now or datetime.now(UTC)) - then).total_seconds())
    if -60 < seconds < 1:  # clocks of two machines may differ a little
        return "just now"
    for unit, size, limit in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48), ("days", 86400, 14)):
        if 0 <= seconds < size * limit:
            return f"{seconds // size} {unit} ago"
    return then.date().isoformat()


def format_seconds(seconds: float | None) -> str:
    """Return seconds without a unit, to the precision that matters: 0.05, 2.76, 34.5, 1280."""
    if seconds is None:
        return "-"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def format_duration(seconds: float | None) -> str:
    """Return a duration as a clock shows it: 0.4 s, 12 s, 3:05, 1:02:03."""
    if seconds is None:
        return "-"
    rounded = round(seconds)
    if rounded < 60:
        # 9.95, because 9.96 would be rounded to "10.0 s"
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{rounded} s"
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


# Runs and sweeps


def metric_name(name: str) -> str:
    """Return an objective as `runtree runs` names it."""
    return name if name == "fit_seconds" else f"validation.{name}"


def format_state_counts(counts: Mapping[str, int]) -> str:
    """Return "9 completed, 1 failed"; states without a run are left out."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "none ended"


def format_bound(runs: int | None, seconds: float | None) -> str:
    """Return what bounds a sweep: "20 runs", "60 s", or both; without either only patience or a target ends it."""
    bounds = [] if runs is None else [pluralize(runs, "run")]
    bounds += [] if seconds is None else [format_duration(seconds)]
    return " or ".join(bounds) or "no limit"


def format_error(entry: "RunState") -> str:
    """Return type and first line of the error that a run ended with."""
    error = entry.result.error or {}
    message = str(error.get("message") or "").strip().partition("\n")[0]
    kind = str(error.get("type") or entry.result.reason or entry.state)
    return printable(f"{kind}: {message}" if message else kind)


def format_test_usage(usage: Mapping[str, Any]) -> str:
    """Return how often the rows of a test set were scored, with a warning where its scores are a selection's.

    Each configuration that is scored on one test set and compared there makes the best of these scores more
    optimistic, so the number of configurations matters more than that of evaluations.
    """
    count, configurations = int(usage.get("count", 0)), int(usage.get("configurations", 0))
    if count <= 1:
        return "test set used once"
    warning = "; the best of these scores is optimistic, confirm it on new rows"
    by = f" by {pluralize(configurations, 'configuration')}" if configurations else ""
    return f"test set used {count:,} times{by}{warning if configurations >= SELECTION_BIAS_FROM else ''}"


def sweep_name(folder: "SweepFolder", outputs: str | None = None) -> str:
    """Return what to type for a sweep: the name of its folder where that is unambiguous, else its path."""
    return folder.path.name if is_listed(folder, outputs) else display_path(folder.path)


def is_listed(folder: "SweepFolder", outputs: str | None = None) -> bool:
    """Return whether the verbs find a sweep by its name: only below the output folder."""
    expected = Path(outputs or DEFAULT_OUTPUTS).absolute()
    return folder.path.name.endswith("-sweep") and folder.path.absolute().parent.parent == expected


# Lines


def terminal_width() -> int | None:
    """Return the columns of the terminal; None where the output goes to a file or a pipe."""
    # a pipe has no width: its reader may be grep, for which one line is one item
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def labelled(label: str, text: str, width: int = LABEL_WIDTH) -> str:
    """Return a line that begins with a label."""
    return f"{label:<{width}}{printable(text)}"


def first_notes(notes: Any) -> list[str]:
    """Return the first notes on a table, and where the others are; none where a damaged file holds something else."""
    if not isinstance(notes, (list, tuple)):
        return []
    hidden = len(notes) - MAX_NOTES
    return [*map(str, notes[:MAX_NOTES]), *([f"{hidden} more are in data.json of the run"] if hidden > 0 else [])]


def wrapped(label: str, text: str) -> str:
    """Return a labelled text in lines that fit the terminal."""
    text = NO_BREAK_SPACE.join(map(printable, text.split(NO_BREAK_SPACE)))  # which is not "printable" to Python
    return textwrap.fill(
        f"{label:<{LABEL_WIDTH}}{text}",
        terminal_width() or PIPE_WIDTH,
        subsequent_indent=" " * LABEL_WIDTH,
        break_on_hyphens=False,  # a name or a command that is cut in two cannot be copied
        break_long_words=False,
    )


def indented(text: str, indent: str) -> str:
    """Return a text in lines that fit the terminal, each after an indent; in a pipe in one line."""
    width = terminal_width()
    if width is None:
        return indent + format_cell(text)
    # at least 24 columns, since textwrap refuses a width of 0 and below
    lines = textwrap.wrap(format_cell(text), max(width - len(indent), 24), break_on_hyphens=False)
    return "\n".join(indent + line for line in lines)


def next_steps(commands: Sequence[str]) -> str:
    """Return the commands to type next, one a line so that each can be copied whole."""
    return "\n".join(f"{'' if number else 'next':<{LABEL_WIDTH}}{text}" for number, text in enumerate(commands))


# Options that several verbs share


def whole_number(least: int | None = None) -> click.IntRange:
    """Return the type of an option that counts: numbers that SQLite and NumPy can hold as well."""
    return click.IntRange(least, 2**31 - 1)


def default_outputs() -> str:
    """Return the output folder: that of the user's own `conf/config.yaml`, else `outputs`."""
    file = Path("conf", "config.yaml")
    if not file.is_file():  # the usual case must not import YAML: completion and --help come through here
        return DEFAULT_OUTPUTS
    from runtree.config.config_files import read_yaml
    from runtree.contract.errors import ConfigError

    try:
        outputs = read_yaml(file).get("outputs")
    except ConfigError as error:  # listings need no config
        logging.getLogger(__name__).warning("%s; the output folder is taken to be %s", error.message, DEFAULT_OUTPUTS)
        return DEFAULT_OUTPUTS
    # an interpolation could only be resolved by Hydra, which takes longer than to list the runs
    return outputs if isinstance(outputs, str) and "${" not in outputs else DEFAULT_OUTPUTS


def outputs_option() -> Callable[[Any], Any]:
    """Return the option for the folder of the runs."""
    # show_default=True would call default_outputs, and so load YAML, for --help
    return click.option(
        "--outputs",
        metavar="DIR",
        default=default_outputs,
        help=f"The folder of the runs.  [default: {DEFAULT_OUTPUTS}]",
    )


def trust_option() -> Callable[[Any], Any]:
    """Return the option that allows code which a file or a record names."""
    return click.option(
        "--trust",
        metavar="TARGET",
        multiple=True,
        help="Allow a class, or the value of a config path, that the config files or the record name. Repeatable.",
    )


def encrypt_option(what: str) -> Callable[[Any], Any]:
    """Return the option that names a key."""
    hint = "with the key in this environment variable or file.  [default: `encrypt` of the run's config]"
    return click.option("--encrypt", metavar="NAME|FILE", help=f"{what} {hint}")


def where_option() -> Callable[[Any], Any]:
    """Return the option that selects runs by an expression."""
    return click.option(
        "--where",
        metavar="EXPR",
        multiple=True,
        help="Only runs that match, e.g. 'algorithm == \"ridge\" and test.r2 > 0.8'. Repeat to combine (AND).",
    )
