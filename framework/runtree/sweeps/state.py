"""The state of a sweep, as the events of its ledger have made it.

Live or resumed, it is the same code that reads them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtree.sweeps.attempts import AttemptEnd
from runtree.sweeps.messages import AttemptResult

FINISHED_STATES = ("completed", "pruned", "failed", "stopped", "interrupted")
TrialKey = tuple[str, int]  # family and the number of a proposal in it


@dataclass
class Trial:
    """One configuration that a tuner proposed, with the runs that measure it."""

    key: TrialKey
    values: Mapping[str, Any]
    memo: Mapping[str, Any]
    repeats: int = 1
    runs: list[int] = field(default_factory=list)
    same_as: int | None = None  # the run whose result it takes over
    told: tuple[float, ...] | None = None  # what an earlier sweep found


@dataclass
class RunState:
    """One run: its place in the sweep, and what is known of it."""

    number: int
    trial: TrialKey
    repeat: int
    same: str
    state: str = "queued"
    attempts: int = 1
    outcome: Mapping[str, Any] = field(default_factory=dict)
    reports: list[tuple[int, float]] = field(default_factory=list)
    kept: bool = False

    @property
    def has_ended(self) -> bool:
        """Tell whether it will not be worked on again."""
        return self.state in FINISHED_STATES

    @property
    def came_to_nothing(self) -> bool:
        """Tell whether it has ended without measuring anything."""
        return self.has_ended and self.state not in ("completed", "pruned")

    @property
    def objectives(self) -> tuple[float, ...] | None:
        """Return what it is judged by."""
        found = self.outcome.get("objectives")
        return None if found is None else tuple(found)


class SweepState:
    """Everything that was told of a sweep.

    Attributes
    ----------
    trials, runs
        By key and by number.
    ended
        Numbers of runs in the order in which they ended.
    by_same
        The latest run that measured, is measuring or failed to measure a configuration.
    seconds
        How long the sweep has worked, over all its sessions.
    """

    def __init__(self) -> None:
        self.trials: dict[TrialKey, Trial] = {}
        self.runs: dict[int, RunState] = {}
        self.ended: list[int] = []
        self.by_same: dict[str, int] = {}
        self.header: Mapping[str, Any] = {}
        self.stopped: Mapping[str, Any] | None = None
        self.warm: Mapping[str, Any] = {}
        self.sessions = 0
        self.seconds = 0.0
        self._takers: dict[int, list[TrialKey]] = {}

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take an event; one that repeats what is known changes nothing."""
        self.seconds = max(self.seconds, float(event.get("at", 0.0)))
        getattr(self, f"_{event['event']}", self._other)(event)

    def apply_all(self, events: Iterable[Mapping[str, Any]]) -> "SweepState":
        """Take many."""
        for event in events:
            self.apply(event)
        return self

    def _other(self, event: Mapping[str, Any]) -> None:
        """Pass over what a later version may tell."""

    def _begun(self, event: Mapping[str, Any]) -> None:
        self.header = event

    def _warmed(self, event: Mapping[str, Any]) -> None:
        """Take over what earlier sweeps found: the first numbers of each family belong to it."""
        self.warm = event
        for name, values, objectives in event["observations"]:
            key = (str(name), sum(1 for family, _ in self.trials if family == name))
            self.trials[key] = Trial(key, values, {}, told=tuple(objectives))

    def _opened(self, event: Mapping[str, Any]) -> None:
        self.sessions, self.stopped = self.sessions + 1, None

    def _asked(self, event: Mapping[str, Any]) -> None:
        number = int(event["run"])
        if number in self.runs:
            return
        key = (str(event["family"]), int(event["trial"]))
        trial = self.trials.setdefault(key, Trial(key, event["values"], event.get("memo") or {}, int(event["of"])))
        trial.runs.append(number)
        self.runs[number] = RunState(number, key, int(event["repeat"]), str(event["same"]))
        held = self.by_same.get(str(event["same"]))
        if held is None or self.runs[held].came_to_nothing:
            self.by_same[str(event["same"])] = number

    def _reused(self, event: Mapping[str, Any]) -> None:
        key = (str(event["family"]), int(event["trial"]))
        if key not in self.trials and int(event["of"]) in self.runs:  # else a damaged line told of that run
            self.trials[key] = Trial(key, event["values"], event.get("memo") or {}, same_as=int(event["of"]))
            self._takers.setdefault(int(event["of"]), []).append(key)

    def _died(self, event: Mapping[str, Any]) -> None:
        entry = self.runs.get(int(event["run"]))
        if entry is not None:  # else the line that it began with is damaged
            entry.attempts, entry.state = int(event["attempt"]) + 1, "queued"
            entry.reports.clear()

    def _ended(self, event: Mapping[str, Any]) -> None:
        self._asked(event)  # each line tells all: one that was lost is made up for
        entry = self.runs[int(event["run"])]
        if entry.has_ended:
            return
        entry.state, entry.outcome, entry.kept = str(event["state"]), event, bool(event.get("kept"))
        entry.reports = [(int(step), float(value)) for step, value in event.get("reports") or ()]
        self.ended.append(entry.number)

    def _kept(self, event: Mapping[str, Any]) -> None:
        entry = self.runs.get(int(event["run"]))
        if entry is not None:
            found = {key: event[key] for key in ("metrics", "fingerprints", "missed") if key in event}
            entry.kept, entry.outcome = True, {**entry.outcome, **found}

    def _stopped(self, event: Mapping[str, Any]) -> None:
        self.stopped = event

    def entries(self, trial: Trial) -> list[RunState]:
        """Return the runs that measure a trial, its own or those of whose result it takes over."""
        if trial.same_as is not None:
            trial = self.trials[self.runs[trial.same_as].trial]
        return [self.runs[number] for number in trial.runs]

    def takers(self, trial: Trial) -> list[Trial]:
        """Return the trials that take over what the runs of another come to."""
        return [self.trials[key] for number in trial.runs for key in self._takers.get(number, ())]

    def known(self, same: str, settled: Callable[[int], bool]) -> int | None:
        """Return the run that measured, or is measuring, a configuration: two of one are not both paid for.

        One that came to nothing is tried again, as soon as that may be known (`settled`).
        """
        number = self.by_same.get(same)
        if number is None or (self.runs[number].came_to_nothing and settled(number)):
            return None
        return number

    def missing(self, trial: Trial) -> int | None:
        """Return the first repeat of a trial that has no run yet; None where there is none, or the first was pruned."""
        entries = [self.runs[number] for number in trial.runs]
        if not entries or any(entry.state == "pruned" for entry in entries):
            return None
        there = {entry.repeat for entry in entries}
        return next((repeat for repeat in range(trial.repeats) if repeat not in there), None)

    def untried(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what is to be tried first and has not been."""
        tried = [(trial.key[0], dict(trial.values)) for trial in self.trials.values() if trial.told is None]
        for family, values in self.warm.get("queue", ()):
            if (family, dict(values)) not in tried:
                yield family, values

    def waiting(self) -> Iterator[RunState]:
        """Yield the runs that were begun and not ended, in order."""
        return (entry for _, entry in sorted(self.runs.items()) if not entry.has_ended)

    def completed(self) -> list[RunState]:
        """Return the runs that completed, in order."""
        return [entry for _, entry in sorted(self.runs.items()) if entry.state == "completed"]


# --- What the lines of a ledger tell; `Book` reads them.

MAX_LEDGER_REPORTS = 1000  # of a run at most, the latest: what a pruner compares with


def died_event(entry: RunState, ending: AttemptEnd) -> dict[str, Any]:
    """Tell that an attempt came to nothing, and that there will be another."""
    return {"event": "died", "run": entry.number, "attempt": entry.attempts, "cause": ending.cause}


def ended_event(entry: RunState, trial: Trial, ending: AttemptEnd) -> dict[str, Any]:
    """Tell all of a run that has ended: should the line that it began with be lost, this one makes up for it."""
    event: dict[str, Any] = {"event": "ended", "run": entry.number, "state": ending.state, "reason": ending.reason}
    event |= {"family": trial.key[0], "trial": trial.key[1], "repeat": entry.repeat, "of": trial.repeats}
    event |= {"values": dict(trial.values), "memo": dict(trial.memo), "same": entry.same}
    event |= {"attempt": entry.attempts, "seconds": ending.seconds, "error": ending.error}
    event |= {"reports": entry.reports[-MAX_LEDGER_REPORTS:]} if entry.reports else {}
    if isinstance(ending.outcome, AttemptResult):
        found = ending.outcome
        event |= {"objectives": found.objectives, "metrics": found.metrics, "stages": found.stages}
        event |= {"fingerprints": found.fingerprints, "task": found.task, "kept": found.kept}
        event |= {"missed": list(found.missed)} if found.missed else {}
    return event
