"""All that a sweep's folder tells, read once: what was asked, why it ended, its ranking, its best run."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import NotFoundError
from runtree.records.layout import SweepFolder, read_description
from runtree.records.reader import read_json
from runtree.records.record import read_record
from runtree.reports.run.content import RunContent, read_run_content

Row = Mapping[str, str]
FIXED = ("rank", "runs", "family", "state", "seconds")  # columns of the ranking that are neither scores nor settings


@dataclass(frozen=True)
class SweepContent:
    """A sweep as its files tell it.

    Attributes
    ----------
    asked, stop, advice, environment
        What `sweep.yaml`, `stop.json`, `advice.json` and `environment.json` hold.
    rows
        `leaderboard.csv`, the best first, as text.
    best
        The best run that was kept; else the best. None where no run completed.
    missing
        A line for each file that is not there or cannot be read.
    """

    folder: SweepFolder
    asked: Mapping[str, Any]
    stop: Mapping[str, Any]
    advice: Mapping[str, Any]
    environment: Mapping[str, Any]
    rows: Sequence[Row]
    best: RunContent | None
    missing: Sequence[str]

    @property
    def objectives(self) -> list[tuple[str, str]]:
        """Return (metric, direction) pairs."""
        return [(str(name), str(way)) for name, way in self.asked.get("objectives") or ()]

    @property
    def scores(self) -> list[str]:
        """Return the columns of the ranking that hold objectives."""
        return [f"validation.{name}" for name, _ in self.objectives]

    @property
    def settings(self) -> list[str]:
        """Return the columns that hold what was searched."""
        known = {*FIXED, *self.scores}
        return [
            name for name in (self.rows[0] if self.rows else ()) if name not in known and not name.startswith("test.")
        ]

    @property
    def families(self) -> list[str]:
        """Return the algorithms that were searched; none where there is but one."""
        return [name for name in dict.fromkeys(row["family"] for row in self.rows) if name]

    @property
    def name(self) -> str:
        """Return the sweep's name."""
        return self.folder.path.name


def read_sweep_content(folder: SweepFolder) -> SweepContent:
    """Read the folder of a sweep.

    Raises
    ------
    NotFoundError
        There is no `sweep.yaml`, or it cannot be read.
    """
    asked = read_description(folder)
    missing: list[str] = []
    found: dict[str, Mapping[str, Any]] = {}
    for name in ("stop", "environment"):
        found[name], fault = read_json(getattr(folder, name))
        missing += [fault] if fault else []
    advice, fault = read_json(folder.advice)
    missing += [fault] if fault and folder.advice.exists() else []
    rows = _rows(folder, missing)
    best = _best(folder, rows)
    return SweepContent(folder, asked, found["stop"], advice, found["environment"], rows, best, missing)


def _rows(folder: SweepFolder, missing: list[str]) -> list[Row]:
    try:
        text = folder.leaderboard.read_text(encoding="utf-8", errors="replace")
    except OSError:
        missing.append("there is no leaderboard.csv: the sweep has not ended yet")
        return []
    rows = [{str(key): str(value or "") for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
    return [row for row in rows if set(FIXED) <= set(row)]


def _best(folder: SweepFolder, rows: Sequence[Row]) -> RunContent | None:
    """Return the first run of the best configuration, of those that were scored on the test part where there are."""
    completed = [row for row in rows if "completed" in row["state"] and row["runs"]]
    scored = [row for row in completed if any(value and name.startswith("test.") for name, value in row.items())]
    for row in [*scored[:1], *completed[:1]]:
        for number in row["runs"].split():
            try:
                record = read_record(folder.run(int(number)))
            except (NotFoundError, ValueError):
                continue
            if record.state == "completed":
                return read_run_content(record)
    return None
