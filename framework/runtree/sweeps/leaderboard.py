"""The runs of a sweep, the best first."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from runtree.sweeps.book import Book, Entry, Trial
from runtree.sweeps.judgement import Judge, is_whole


def ranked(book: Book, judge: Judge) -> list[tuple[Trial, tuple[float, ...] | None]]:
    """Return the trials that were run, the best by the first objective first, then by the others.

    Those that break a bound come behind them, then those of which some repeats were not run, without a score the last.
    """
    scored = [(trial, judge.mean(book.entries(trial))) for trial in book.trials.values() if trial.runs]
    signs = [-1 if direction == "maximize" else 1 for _, direction in judge.objectives]

    def place(pair: tuple[Trial, tuple[float, ...] | None]) -> tuple[bool, bool, bool, tuple[float, ...], int]:
        trial, score = pair
        entries = book.entries(trial)
        partial, breaks = not is_whole(trial, entries), not judge.feasible(entries)
        goals = tuple(sign * value for sign, value in zip(signs, score or (), strict=False))
        return score is None, partial, breaks, goals, trial.runs[0]

    return sorted(scored, key=place)


def best_of_each(book: Book, judge: Judge) -> list[tuple[Trial, tuple[float, ...]]]:
    """Return the best trial of each family, the best first; bounds kept."""
    found: dict[str, tuple[Trial, tuple[float, ...]]] = {}
    for trial, score in ranked(book, judge):
        if score is not None and judge.feasible(book.entries(trial)):
            found.setdefault(trial.key[0], (trial, score))
    return list(found.values())


def write_leaderboard(book: Book, judge: Judge) -> str:
    """Return `leaderboard.csv`: rank, run, family, state, objectives, values, seconds, test metrics where there are."""
    names = [name for name, _ in judge.objectives]
    paths = list(dict.fromkeys(path for trial in book.trials.values() if trial.runs for path in trial.values))
    tests = list(dict.fromkeys(name for entry in book.completed() for name in _test(entry)))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["rank", "runs", "family", "state", *(f"validation.{name}" for name in names), *paths, "seconds"]
        + [f"test.{name}" for name in tests]
    )
    for rank, (trial, score) in enumerate(ranked(book, judge), 1):
        table.writerow(_row(rank, book, trial, score, paths, tests, len(names)))
    return text.getvalue()


def _row(
    rank: int,
    book: Book,
    trial: Trial,
    score: tuple[float, ...] | None,
    paths: Sequence[str],
    tests: Sequence[str],
    width: int,
) -> list[Any]:
    entries = book.entries(trial)
    seconds = sum(float(entry.outcome.get("seconds") or 0.0) for entry in entries)
    test: dict[str, float] = next((_test(entry) for entry in entries if _test(entry)), {})
    states = "+".join(dict.fromkeys(entry.state for entry in entries))
    runs = " ".join(f"{entry.number:04d}" for entry in entries)
    values = list(score) if score is not None else [None] * width
    cells = [trial.values.get(path) for path in paths]
    return [rank, runs, trial.key[0], states, *values, *cells, round(seconds, 3), *(test.get(name) for name in tests)]


def _test(entry: Entry) -> dict[str, float]:
    found: dict[str, float] = entry.outcome.get("metrics", {}).get("test") or {}
    return found
