"""Tables of a sweep's configurations: the best first, or in the order of the runs where they make no ranking."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from runtree.cli.cells import format_cell
from runtree.cli.sweep.words import metric_name, shortened, told_value, told_values
from runtree.cli.tables import GAP, LEAST, print_table, table_width, terminal_width
from runtree.cli.words import duration

if TYPE_CHECKING:
    from runtree.sweeps.results import Objectives
    from runtree.sweeps.state import RunState, SweepState, Trial

Scored = tuple["Trial", tuple[float, ...] | None]


def run_names(entries: Sequence["RunState"]) -> str:
    """Return the runs of a configuration as their folders are called: 0003, or 0003-0005."""
    names = [f"{entry.number:04d}" for entry in entries]
    in_a_row = len(names) > 1 and entries[-1].number - entries[0].number == len(names) - 1
    return f"{names[0]}-{names[-1]}" if in_a_row else " ".join(names)


def varying(trials: Iterable["Trial"]) -> list[str]:
    """Return the paths in which configurations differ; one that only some of them have is one."""
    known = list(trials)
    paths = dict.fromkeys(path for trial in known for path in trial.values)
    return [path for path in paths if len({str(trial.values.get(path, known)) for trial in known}) > 1]


def by_run(book: "SweepState", judge: "Objectives") -> list[Scored]:
    """Return the configurations that were run, in the order of their runs."""
    trials = sorted((trial for trial in book.trials.values() if trial.runs), key=lambda trial: trial.runs[0])
    return [(trial, judge.mean(book.entries(trial))) for trial in trials]


def print_configurations(book: "SweepState", judge: "Objectives", shown: Sequence[Scored], ranked: bool) -> None:
    """Print a row a configuration: where it ranks, what it came to, and in what it differs from the others."""
    paths = varying(trial for trial in book.trials.values() if trial.runs)
    several = len({trial.key[0] for trial in book.trials.values()}) > 1
    left, right = _outer(book, judge, shown, ranked, several)
    names = shortened(paths)
    middle = {names[path]: [_cell(trial, path) for trial, _ in shown] for path in paths}
    width = terminal_width()
    if not several and (width is None or _width({**left, **middle, **right}) <= width):
        _print({**left, **middle, **right}, width)
        return
    values = [told_values(trial.values, names) for trial, _ in shown]
    if width is None or _width({**left, **right}) + LEAST + len(GAP) <= width:
        _print({**left, **right, "values": values}, width)
    else:  # no room beside the rest: below it
        _print({**left, **right}, width, dict(enumerate(values)))


def _outer(
    book: "SweepState", judge: "Objectives", shown: Sequence[Scored], ranked: bool, several: bool
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return the columns before and behind the values, by heading."""
    entries = [book.entries(trial) for trial, _ in shown]
    states = ["+".join(dict.fromkeys(entry.state for entry in runs)) for runs in entries]
    seconds = [sum(float(entry.outcome.get("seconds") or 0.0) for entry in runs) for runs in entries]
    left: dict[str, list[Any]] = {"rank": list(range(1, len(shown) + 1))} if ranked else {}
    left["run"] = [run_names(runs) for runs in entries]
    left |= {"algorithm": [trial.key[0] for trial, _ in shown]} if several else {}
    left |= {"state": states} if set(states) != {"completed"} else {}
    kept = ["kept" if judge.feasible(runs) else "broken" for runs in entries]
    left |= {"bounds": kept} if "broken" in kept else {}
    for position, (name, _) in enumerate(judge.objectives):
        left[metric_name(name)] = [None if score is None else score[position] for _, score in shown]
    return left, {"seconds": [duration(one) for one in seconds]}


def _cell(trial: "Trial", path: str) -> str | None:
    return told_value(trial.values[path]) if path in trial.values else None


def _width(columns: dict[str, list[Any]]) -> int:
    rows = [[format_cell(value) for value in row] for row in zip(*columns.values(), strict=True)]
    return table_width([list(columns)], rows)


def _print(columns: dict[str, list[Any]], width: int | None, notes: dict[int, str] | None = None) -> None:
    print_table(list(columns), list(zip(*columns.values(), strict=True)), notes, width)
