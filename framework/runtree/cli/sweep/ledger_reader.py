"""A sweep as its files describe it, while it is written or long after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runtree.cli.sweep.progress_state import ProgressState
from runtree.contract.errors import NotFoundError, RuntreeError, first_line
from runtree.records.layout import SweepFolder, read_description
from runtree.records.ledger import parse
from runtree.sweeps.options import read_stop_rules
from runtree.sweeps.results import Objectives, ParetoFront, read_constraints
from runtree.sweeps.state import RunState, SweepState
from runtree.sweeps.stopping import StopMonitor

# State of a sweep that ended without a stop criterion being met, so that it can be resumed.
RESUMABLE_STATES = {
    "interrupted": "interrupted",
    "disk_full": "interrupted",
    "asked": "stopped",
    "on_failure": "stopped",
}


@dataclass
class LedgerReader:
    """Follows the ledger of a sweep, without writing anything.

    `request` is the description of the sweep, `holder` the process that works on it.
    """

    folder: SweepFolder
    request: dict[str, Any] = field(default_factory=dict)
    holder: Mapping[str, Any] | None = None
    _offset: int = 0

    def __post_init__(self) -> None:
        self.request = read_description(self.folder)
        try:  # the description is a file that anyone may have edited
            self._reset()
        except (RuntreeError, ValueError, TypeError, LookupError, AttributeError) as error:
            message = f"{self.folder.description}: cannot be read as a sweep ({first_line(error)})"
            raise NotFoundError(message, "it is damaged, or of another version") from None

    def _reset(self) -> None:
        self._offset, self.sweep_state = 0, SweepState()
        self.started_at: dict[int, float] = {}  # seconds of the sweep's life, by run
        self.opened: Mapping[str, Any] = {}
        self._stop: Any = self.tuner_config.get("stop")
        self._recount()

    @property
    def tuner_config(self) -> Mapping[str, Any]:
        return self.request.get("tuner_node") or {}

    @property
    def objectives(self) -> tuple[tuple[str, str], ...]:
        """Return (metric, direction) pairs."""
        pairs = self.request.get("objectives") or [("objective", "maximize")]
        return tuple((str(name), str(direction)) for name, direction in pairs)

    def _recount(self) -> None:
        """Count all runs again: each session may bring other stop criteria."""
        self._stale = False
        objectives = Objectives(self.objectives, read_constraints(self.tuner_config.get("constraints")))
        size, repeats = self.request.get("size"), int(self.tuner_config.get("repeats") or 1)
        monitor = StopMonitor(read_stop_rules(self._stop), objectives.metrics[0][1])  # type: ignore[arg-type]
        runs = None if size is None else int(size) * repeats
        self.progress = ProgressState(self.sweep_state, objectives, ParetoFront(objectives), monitor, runs)
        # in the order of their numbers, in which the driver started them
        for number in sorted(self.sweep_state.runs):
            monitor.started(number)
        for number in self.sweep_state.ended:
            self._count(self.sweep_state.runs[number])

    def read(self) -> "LedgerReader":
        """Read the lines that were added since the last call, and find the process that works on the sweep."""
        # before the ledger: if no process holds the sweep now, the lines that are read next are all there will be
        self.holder = self.folder.holder()
        with self.folder.ledger.open("rb") as file:
            if file.seek(0, 2) < self._offset:  # a full disk made the driver truncate lines it could not complete
                self._reset()
            file.seek(self._offset)
            complete, newline, _ = file.read().rpartition(b"\n")  # the last line may be half written
        self._offset += len(complete) + len(newline)
        for line in complete.split(b"\n"):
            event = parse(line) if line else None
            if event is not None:
                self._try_to_apply(event)
        if self._stale:
            self._recount()
        return self

    def _try_to_apply(self, event: Mapping[str, Any]) -> None:
        try:
            self._apply(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # its checksum is right, its content is not
            raise NotFoundError(
                f"{self.folder.ledger}: an event has a form that is not known ({first_line(error)})",
                "the ledger was changed by hand, or written by another version",
            ) from error

    def _apply(self, event: Mapping[str, Any]) -> None:
        number, kind = event.get("run"), event["event"]
        ends_now = self.sweep_state.ends_a_run(event)
        # runs that are tried again have lost their end: all are counted anew, once the lines are read
        self._stale |= kind == "retried"
        self.sweep_state.apply(event)
        if number is not None and number not in self.sweep_state.runs:  # the line that began this run is damaged
            return
        if kind == "opened":
            self.opened = event
            self._stop = event.get("stop") or self._stop
            self._recount()
        elif kind in ("asked", "died", "retried") and number is not None:
            self.started_at[int(number)] = float(event.get("at", 0.0))
        if self._stale:
            return
        if number is not None and number not in self.progress.monitor.counters.states:
            self.progress.monitor.started(int(number))
        if ends_now and number is not None:
            self._count(self.sweep_state.runs[int(number)])

    def _count(self, entry: RunState) -> None:
        """Count a run as the driver does: the runs of a trial count once, when the last of them has ended."""
        progress = self.progress
        trial = self.sweep_state.trials[entry.trial]
        entries = self.sweep_state.runs_of(trial)
        counted = progress.monitor.counters.states
        others = [other for other in entries if other != entry]
        is_last = len(entries) == trial.repeats and all(counted.get(other.number) for other in others)
        score = progress.objectives.mean(entries) if is_last and progress.objectives.is_feasible(entries) else None
        value = score[0] if score is not None and len(progress.objectives.metrics) == 1 else None
        seconds = float(entry.result.seconds)
        progress.monitor.ended(entry.number, entry.state, value, seconds, counts=is_last)  # type: ignore[arg-type]
        progress.count(entry)
        if is_last:
            progress.front.add(self.sweep_state, trial)

    @property
    def criterion(self) -> str:
        """Return the stop criterion that ended the sweep, or "interrupted"."""
        return str((self.sweep_state.stopped or {}).get("criterion") or "interrupted")

    @property
    def state(self) -> str:
        """Return "running" or "ended", or where the sweep can be resumed "interrupted" or "stopped"."""
        return "running" if self.holder is not None else RESUMABLE_STATES.get(self.criterion, "ended")

    @property
    def explanation(self) -> str:
        """Return in one line why the sweep ended."""
        text = str((self.sweep_state.stopped or {}).get("explanation") or "")
        return text or "its process ended without recording a reason"

    @property
    def seconds(self) -> float:
        """Return the seconds that the sweep has run, over all sessions."""
        if self.holder is None or "time" not in self.opened:
            return self.sweep_state.seconds
        # by wall-clock time, because monotonic clocks of two processes on two machines have different origins
        passed = (datetime.now(UTC) - datetime.fromisoformat(str(self.opened["time"]))).total_seconds()
        # never less than what is recorded, even if the clocks of two machines differ
        return max(self.sweep_state.seconds, float(self.opened.get("at", 0.0)) + passed)

    @property
    def running(self) -> dict[int, float]:
        """Return the seconds so far of each running run, by its number."""
        if self.holder is None:
            return {}
        now, opened_at = self.seconds, float(self.opened.get("at", 0.0))
        waiting = [entry.number for entry in self.sweep_state.waiting()]
        # a run of an earlier session begins again with this one
        return {number: max(0.0, now - max(opened_at, self.started_at.get(number, now))) for number in waiting}
