"""The files of a sweep, read once for its page: request, stop reason, leaderboard, advice, best run."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.contract.files import read_regular
from runtree.records.layout import SweepFolder, read_description
from runtree.records.reader import read_json
from runtree.records.record import read_record
from runtree.reports.run.content import RunContent, read_run_content

LeaderboardRow = Mapping[str, str]
RANKING = "ranking"  # the column of the leaderboard that numbers the rankings, where there are several
DEVIATION = ".sd"  # the end of a column: the standard deviation of a metric over the runs of a configuration
FIXED_COLUMNS = ("rank", "runs", "family", "state", "seconds")  # of the leaderboard; the others are scores and settings


@dataclass(frozen=True)
class SweepContent:
    """A sweep as its files describe it.

    Attributes
    ----------
    description, stop, advice, environment
        The content of `sweep.yaml`, `stop.json`, `advice.json` and `environment.json`.
    rows
        The rows of `leaderboard.csv` as text, the best first.
    best
        The best run, preferably one whose artifacts were kept; None if no run completed.
    missing
        A line for each file that is missing or cannot be read.
    """

    folder: SweepFolder
    description: Mapping[str, Any]
    stop: Mapping[str, Any]
    advice: Mapping[str, Any]
    environment: Mapping[str, Any]
    rows: Sequence[LeaderboardRow]
    best: RunContent | None
    missing: Sequence[str]

    @property
    def name(self) -> str:
        return self.folder.path.name

    @property
    def objectives(self) -> list[tuple[str, str]]:
        """(metric, direction) pairs."""
        return [(str(name), str(direction)) for name, direction in self.description.get("objectives") or ()]

    @property
    def scores(self) -> list[str]:
        """The columns of the leaderboard that hold objectives."""
        return [f"validation.{name}" for name, _ in self.objectives]

    @property
    def deviations(self) -> list[str]:
        """The columns of the leaderboard with standard deviations; none without repeats."""
        return [f"{name}{DEVIATION}" for name in self.scores if self.rows and f"{name}{DEVIATION}" in self.rows[0]]

    @property
    def settings(self) -> list[str]:
        """The columns of the leaderboard that hold the settings that were searched."""
        known, columns = {*FIXED_COLUMNS, RANKING, *self.scores, *self.deviations}, self.rows[0] if self.rows else ()
        return [name for name in columns if name not in known and not name.startswith("test.")]

    @property
    def rankings(self) -> list[list[LeaderboardRow]]:
        """The rows of each ranking: several if the runs differ in data, split or scoring, so that not all compare."""
        numbers = dict.fromkeys(row.get(RANKING, "") for row in self.rows)
        return [[row for row in self.rows if row.get(RANKING, "") == number] for number in numbers]

    @property
    def families(self) -> list[str]:
        """The algorithms that were searched; empty if there is only one."""
        return [name for name in dict.fromkeys(row["family"] for row in self.rows) if name]

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        return [entry for entry in self.advice.get("findings") or () if isinstance(entry, Mapping)]


def read_sweep_content(folder: SweepFolder) -> SweepContent:
    """Read the folder of a sweep.

    Raises
    ------
    NotFoundError
        `sweep.yaml` is missing or cannot be read.
    """
    description = read_description(folder)
    missing: list[str] = []
    files: dict[str, Mapping[str, Any]] = {}
    for name in ("stop", "environment", "advice"):
        files[name], fault = read_json(getattr(folder, name))
        optional = name == "advice" and not folder.advice.exists()  # a small sweep has none
        missing += [fault] if fault and not optional else []
    rows = _read_leaderboard(folder, missing)
    # without a ranking of all runs there is no best one
    best = None if any(row.get(RANKING, "1") != "1" for row in rows) else _read_best(folder, rows)
    return SweepContent(folder, description, files["stop"], files["advice"], files["environment"], rows, best, missing)


def _read_leaderboard(folder: SweepFolder, missing: list[str]) -> list[LeaderboardRow]:
    try:
        text = read_regular(folder.leaderboard).decode(errors="replace")
    except OSError:
        missing.append("leaderboard.csv does not exist: the sweep is not finished")
        return []
    try:
        # newline="": as the reader of CSV needs it, or a carriage return in a damaged file is an error
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:  # a field of more than 131,072 letters
        missing.append(f"leaderboard.csv cannot be read ({error})")
        return []
    # csv.DictReader uses the key None for cells beyond the header, and the value None for missing ones
    rows = [{str(key): str(value or "") for key, value in row.items()} for row in lines]
    # a file that was edited by hand may lack columns
    return [row for row in rows if set(FIXED_COLUMNS) <= set(row)]


def _read_best(folder: SweepFolder, rows: Sequence[LeaderboardRow]) -> RunContent | None:
    """Return the first completed run of the best configuration, of those scored on the test set if there are any."""
    completed = [row for row in rows if "completed" in row["state"] and row["runs"]]
    scored = [row for row in completed if any(value and name.startswith("test.") for name, value in row.items())]
    # a configuration with test scores first: only its run has the files that a page shows
    for row in [*scored[:1], *completed[:1]]:
        for number in row["runs"].split():
            try:
                record = read_record(folder.run(int(number)))
            except (NotFoundError, ValueError):
                continue
            if record.state == "completed":
                return read_run_content(record)
    return None
