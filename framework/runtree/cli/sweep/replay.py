"""A sweep as its files tell it, while it is written or long after: the ledger is read on where it was left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtree.cli.sweep.standing import Standing
from runtree.contract.errors import NotFoundError, RuntreeError, first_line
from runtree.records.layout import SweepFolder, read_description
from runtree.records.ledger import parse
from runtree.sweeps.options import read_stop_rules
from runtree.sweeps.results import Objectives, ParetoFront, read_constraints
from runtree.sweeps.state import RunState, SweepState
from runtree.sweeps.stopping import StopMonitor

# What a sweep is whose end no criterion brought: a resume takes it up again.
GOES_ON = {"interrupted": "interrupted", "disk_full": "interrupted", "asked": "stopped", "on_failure": "stopped"}


@dataclass
class Replay:
    """Follows the ledger of a sweep; it reads, and touches nothing."""

    folder: SweepFolder
    asked: dict[str, Any] = field(default_factory=dict)
    holder: Mapping[str, Any] | None = None
    _offset: int = 0

    def __post_init__(self) -> None:
        self.asked = read_description(self.folder)
        try:
            self._forget()
        except (RuntreeError, ValueError, TypeError, LookupError, AttributeError) as error:
            told = f"{self.folder.description}: what it tells makes no sense ({first_line(error)})"
            raise NotFoundError(told, "it is damaged, or of another version") from None

    def _forget(self) -> None:
        self._offset, self.book, self.since = 0, SweepState(), dict[int, float]()
        self.opened: Mapping[str, Any] = {}
        self._stop: Any = self.node.get("stop")
        self._anew()

    @property
    def node(self) -> Mapping[str, Any]:
        """Return the tuner's config."""
        return self.asked.get("tuner_node") or {}

    @property
    def objectives(self) -> tuple[tuple[str, str], ...]:
        """Return (metric, direction) pairs."""
        return tuple((str(name), str(way)) for name, way in self.asked.get("objectives") or [("objective", "maximize")])

    def _anew(self) -> None:
        """Judge all that the book knows by the rules that hold now."""
        judge = Objectives(self.objectives, read_constraints(self.node.get("constraints")))
        size, repeats = self.asked.get("size"), int(self.node.get("repeats") or 1)
        progress = StopMonitor(read_stop_rules(self._stop), judge.objectives[0][1])  # type: ignore[arg-type]
        most = None if size is None else int(size) * repeats
        self.standing = Standing(self.book, judge, ParetoFront(judge), progress, most)
        for number in sorted(self.book.runs):
            progress.started(number)
        for number in self.book.ended:
            self._count(self.book.runs[number])

    def read(self) -> "Replay":
        """Take what was written since the last look, and see who works on it; a line that is half written waits."""
        self.holder = self.folder.holder()
        with self.folder.ledger.open("rb") as file:
            if file.seek(0, 2) < self._offset:  # a full disk made the driver take lines back
                self._forget()
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for raw in whole.split(b"\n"):
            event = parse(raw) if raw else None
            if event is not None:
                self._take(event)
        return self

    def _take(self, event: Mapping[str, Any]) -> None:
        number, kind = event.get("run"), event["event"]
        known = self.book.runs.get(number) if number is not None else None
        news = kind == "ended" and (known is None or not known.has_ended)
        self.book.apply(event)
        if number is not None and number not in self.book.runs:  # a damaged line told what it began with
            return
        if kind == "opened":
            self.opened = event
            self._stop = event.get("stop") or self._stop
            self._anew()
        elif kind in ("asked", "died") and number is not None:
            self.since[int(number)] = float(event.get("at", 0.0))
        if number is not None and number not in self.standing.progress.tally.states:
            self.standing.progress.started(int(number))
        if news and number is not None:
            self._count(self.book.runs[int(number)])

    def _count(self, entry: RunState) -> None:
        """Count a run as the driver does; runs of one configuration count once, when the last of them has ended."""
        trial, standing = self.book.trials[entry.trial], self.standing
        entries = self.book.entries(trial)
        states = standing.progress.tally.states  # of the runs that were counted before
        last = len(entries) == trial.repeats and all(states.get(other.number) for other in entries if other != entry)
        score = standing.judge.mean(entries) if last and standing.judge.feasible(entries) else None
        value = score[0] if score is not None and len(standing.judge.objectives) == 1 else None
        seconds = float(entry.outcome.get("seconds") or 0.0)
        standing.progress.ended(entry.number, entry.state, value, seconds, counts=last)  # type: ignore[arg-type]
        standing.take(entry)
        if last:
            standing.front.add(self.book, trial)

    @property
    def state(self) -> str:
        """Return "running", "ended", or else "interrupted" or "stopped": it can go on."""
        if self.holder is not None:
            return "running"
        criterion = (self.book.stopped or {}).get("criterion")
        return "ended" if criterion and criterion not in GOES_ON else GOES_ON.get(str(criterion), "interrupted")

    @property
    def explanation(self) -> str:
        """Return why it ended, in one line."""
        told = str((self.book.stopped or {}).get("explanation") or "")
        return told or "its process is gone, and nobody wrote down why"

    @property
    def seconds(self) -> float:
        """Return how long it has worked over its life, up to now where somebody works on it."""
        if self.holder is None or "time" not in self.opened:
            return self.book.seconds
        passed = (datetime.now(UTC) - datetime.fromisoformat(str(self.opened["time"]))).total_seconds()
        return max(self.book.seconds, float(self.opened.get("at", 0.0)) + passed)

    @property
    def working(self) -> dict[int, float]:
        """Return the runs that are worked on, with their seconds so far."""
        if self.holder is None:
            return {}
        now, opened = self.seconds, float(self.opened.get("at", 0.0))
        waiting = [entry.number for entry in self.book.waiting()]
        return {number: max(0.0, now - max(opened, self.since.get(number, now))) for number in waiting}


def replay(path: Path) -> Replay:
    """Read a sweep's folder."""
    return Replay(SweepFolder(path)).read()
