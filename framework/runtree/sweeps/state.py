"""The state of a sweep, built from the events of its ledger.

A running sweep and a resumed one go through the same code: each event is applied once, as it is appended or as it is
read back.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtree.contract.errors import without_numbers
from runtree.sweeps.messages import AttemptResult

FINISHED_STATES = ("completed", "pruned", "failed", "stopped", "interrupted")
MAX_LEDGER_REPORTS = 1000  # the latest intermediate values of a run: what a pruner compares with
NO_RESULT = AttemptResult("queued")

TrialKey = tuple[str, int]  # (search space, number of the proposal in it)


@dataclass
class Trial:
    """One configuration that a tuner proposed, with the runs that measure it.

    Attributes
    ----------
    memo
        JSON that is passed back to the tuner when it is restored.
    same_as
        The run whose result this trial reuses, because an earlier trial has the same config.
    earlier_objectives
        The result of an earlier sweep (warm start); such a trial has no runs.
    """

    key: TrialKey
    values: Mapping[str, Any]
    memo: Mapping[str, Any]
    repeats: int = 1
    runs: list[int] = field(default_factory=list)
    same_as: int | None = None
    earlier_objectives: tuple[float, ...] | None = None


@dataclass
class RunState:
    """One run of a trial.

    Attributes
    ----------
    config_key
        Equal for two runs whose config and seed are the same.
    first_attempt
        The attempt from which `tuner.retries` counts: 1, or that which `resume --retry` asked for.
    result
        How its last attempt ended; `NO_RESULT` until then.
    reports
        (step, objective) of its intermediate values.
    finished_at
        Seconds of the sweep at which it ended.
    """

    number: int
    trial: TrialKey
    repeat: int
    config_key: str
    state: str = "queued"
    attempts: int = 1
    first_attempt: int = 1
    result: AttemptResult = NO_RESULT
    reports: list[tuple[int, float]] = field(default_factory=list)
    kept: bool = False
    finished_at: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Return whether it has ended for good."""
        return self.state in FINISHED_STATES

    @property
    def needs_attention(self) -> bool:
        """Return whether it failed, or exceeded a limit of its own; one that the sweep stopped did neither."""
        return self.state == "failed" or (self.state == "stopped" and self.result.error is not None)

    @property
    def is_without_value(self) -> bool:
        """Return whether it has ended and measured nothing."""
        return self.is_finished and self.state not in ("completed", "pruned")

    @property
    def objectives(self) -> tuple[float, ...] | None:
        return self.result.objectives


class SweepState:
    """Trials and runs of a sweep.

    Attributes
    ----------
    trials, runs
        By key and by number.
    ended
        Numbers of runs, in the order in which they ended.
    seconds
        How long the sweep has worked, over all its sessions.
    sessions
        How many sessions have begun.
    """

    def __init__(self) -> None:
        self.trials: dict[TrialKey, Trial] = {}
        self.runs: dict[int, RunState] = {}
        self.ended: list[int] = []
        self.stopped: Mapping[str, Any] | None = None
        self.warm: Mapping[str, Any] = {}
        self.seconds = 0.0
        self.sessions = 0
        self.broken_sessions = 0  # whose process died, so that the ledger does not say how they ended
        self.deaths: dict[tuple[int, int], str] = {}  # causes, by run and attempt
        self._latest_run: dict[str, int] = {}  # by config key; one that measured something is not replaced
        self._reusing: dict[int, list[TrialKey]] = {}  # trials that reuse the result of a run

    # --- events, as the ledger has them

    def apply(self, event: Mapping[str, Any]) -> None:
        """Apply an event; one that repeats what is known, or that a later version wrote, changes nothing."""
        self.seconds = max(self.seconds, float(event.get("at", 0.0)))
        # by name: a new kind of event needs a method and nothing else, and an unknown one is passed over
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def apply_all(self, events: Iterable[Mapping[str, Any]]) -> "SweepState":
        for event in events:
            self.apply(event)
        return self

    def _on_warmed(self, event: Mapping[str, Any]) -> None:
        """Add the results of earlier sweeps: they take the first trial numbers of each space."""
        self.warm = event
        for name, values, objectives in event["observations"]:
            key = (str(name), sum(1 for space, _ in self.trials if space == name))
            self.trials[key] = Trial(key, values, {}, earlier_objectives=tuple(objectives))

    def _on_opened(self, event: Mapping[str, Any]) -> None:
        # a sweep that is resumed has not stopped, whatever a former session wrote
        self.broken_sessions += self.sessions > 0 and self.stopped is None
        self.stopped = None
        self.sessions += 1

    def _on_asked(self, event: Mapping[str, Any]) -> None:
        number = int(event["run"])
        # a line that was written twice, or an "ended" event that repeats it
        if number in self.runs:
            return
        key = (str(event["family"]), int(event["trial"]))
        trial = self.trials.setdefault(key, Trial(key, event["values"], event.get("memo") or {}, int(event["of"])))
        trial.runs.append(number)
        config_key = str(event["same"])
        self.runs[number] = RunState(number, key, int(event["repeat"]), config_key)
        latest = self._latest_run.get(config_key)
        # A run with a value is never replaced: its result is reused by every later trial with the same config
        if latest is None or self.runs[latest].is_without_value:
            self._latest_run[config_key] = number

    def _on_reused(self, event: Mapping[str, Any]) -> None:
        key, number = (str(event["family"]), int(event["trial"])), int(event["of"])
        if key not in self.trials and number in self.runs:  # the run is missing if its lines are damaged
            self.trials[key] = Trial(key, event["values"], event.get("memo") or {}, same_as=number)
            self._reusing.setdefault(number, []).append(key)

    def _on_died(self, event: Mapping[str, Any]) -> None:
        self.deaths[int(event["run"]), int(event["attempt"])] = str(event.get("cause") or "unknown")
        run = self.runs.get(int(event["run"]))
        if run is not None:  # missing if the line of its begin is damaged
            run.attempts, run.state = int(event["attempt"]) + 1, "queued"
            # the next attempt reports its steps again, unless it continues from a checkpoint
            run.reports.clear()

    def _on_retried(self, event: Mapping[str, Any]) -> None:
        """Let a run that ended without a value wait for another attempt, as if it had not ended."""
        run = self.runs.get(int(event["run"]))
        if run is None or not run.is_without_value:
            return
        run.state, run.result, run.kept, run.finished_at = "queued", NO_RESULT, False, 0.0
        run.attempts = run.first_attempt = int(event["attempt"])
        run.reports.clear()
        self.ended.remove(run.number)

    def ends_a_run(self, event: Mapping[str, Any]) -> bool:
        """Return whether an event ends a run that has not ended; a line that the ledger repeats does not."""
        run = self.runs.get(event["run"]) if event["event"] == "ended" else None
        return event["event"] == "ended" and (run is None or not run.is_finished)

    def _on_ended(self, event: Mapping[str, Any]) -> None:
        self._on_asked(event)  # the event repeats how the run began, in case that line is damaged
        run = self.runs[int(event["run"])]
        # a later attempt than the one that ended: the line that says it was tried again is damaged
        if run.is_without_value and int(event.get("attempt") or 1) > run.attempts:
            self._on_retried(event)
        if run.is_finished:
            return
        run.attempts = max(run.attempts, int(event.get("attempt") or 1))
        run.result, run.finished_at = AttemptResult.from_event(event), float(event.get("at") or 0.0)
        run.state, run.kept = run.result.state, run.result.kept
        run.reports = [(int(step), float(value)) for step, value in event.get("reports") or ()]
        self.ended.append(run.number)

    def _on_kept(self, event: Mapping[str, Any]) -> None:
        run = self.runs.get(int(event["run"]))
        if run is not None:
            update = {key: event[key] for key in ("metrics", "fingerprints") if key in event}
            if "missed" in event:
                update["failed_gates"] = tuple(event["missed"])
            run.kept, run.result = True, replace(run.result, **update)

    def _on_stopped(self, event: Mapping[str, Any]) -> None:
        self.stopped = event

    # --- queries

    def runs_of(self, trial: Trial) -> list[RunState]:
        """Return the runs that measure a trial: its own, or those whose result it reuses."""
        if trial.same_as is not None:
            trial = self.trials[self.runs[trial.same_as].trial]
        return [self.runs[number] for number in trial.runs]

    def reusing(self, trial: Trial) -> list[Trial]:
        """Return the trials that reuse the results of a trial's runs."""
        return [self.trials[key] for number in trial.runs for key in self._reusing.get(number, ())]

    def duplicate_of(self, config_key: str, is_visible: Callable[[int], bool]) -> int | None:
        """Return the run that measured, or is measuring, the same config: it is not run twice.

        A config whose run ended without a value is run again, but in a deterministic sweep only once the tuner may know
        of that end (`is_visible`).
        """
        number = self._latest_run.get(config_key)
        if number is None or (self.runs[number].is_without_value and is_visible(number)):
            return None
        return number

    def next_repeat(self, trial: Trial) -> int | None:
        """Return the first repeat of a trial without a run; None if there is none, or if one of its runs was pruned."""
        runs = [self.runs[number] for number in trial.runs]
        # a pruned trial is not worth its other repeats
        if not runs or any(run.state == "pruned" for run in runs):
            return None
        # by number and not by count: a damaged ledger may have lost a repeat in the middle
        existing = {run.repeat for run in runs}
        return next((repeat for repeat in range(trial.repeats) if repeat not in existing), None)

    def untried(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield (space, values) of the configurations that a warm start queued and that have no trial yet."""
        tried = [
            (trial.key[0], dict(trial.values)) for trial in self.trials.values() if trial.earlier_objectives is None
        ]
        for space, values in self.warm.get("queue", ()):
            if (space, dict(values)) not in tried:
                yield space, values

    def waiting(self) -> Iterator[RunState]:
        """Yield the runs that have begun and not ended, by number."""
        return (run for _, run in sorted(self.runs.items()) if not run.is_finished)

    def count_deaths(self) -> dict[str, Any]:
        """Return how many attempts at how many runs died and were tried again, and how often of what.

        Causes that differ only in numbers are one; the first of each kind stands for it. `driver` counts how often the
        process of the sweep itself died.
        """
        first: dict[str, str] = {}
        causes = Counter(first.setdefault(without_numbers(cause), cause) for cause in self.deaths.values())
        runs = len({run for run, _ in self.deaths})
        driver = {"driver": self.broken_sessions} if self.broken_sessions else {}
        return {"attempts": len(self.deaths), "runs": runs, "causes": dict(causes.most_common()), **driver}

    def completed(self) -> list[RunState]:
        """Return the runs that completed, by number."""
        return [run for _, run in sorted(self.runs.items()) if run.state == "completed"]


def retried_event(run: RunState) -> dict[str, Any]:
    """Return the event of a run that ended without a value and is tried again by request."""
    return {"event": "retried", "run": run.number, "attempt": run.attempts + 1}


def died_event(run: RunState, result: AttemptResult) -> dict[str, Any]:
    """Return the event of an attempt that failed and is tried again."""
    error = result.error or {}
    cause = error.get("message") if error.get("type") == "Crashed" else error.get("type")
    return {"event": "died", "run": run.number, "attempt": run.attempts, "cause": str(cause)}


def ended_event(run: RunState, trial: Trial, result: AttemptResult) -> dict[str, Any]:
    """Return the event of a run that has ended; it makes up for the line of its begin, should that be damaged."""
    event: dict[str, Any] = {"event": "ended", "run": run.number, **result.to_event(), "attempt": run.attempts}
    event |= {"family": trial.key[0], "trial": trial.key[1], "repeat": run.repeat, "of": trial.repeats}
    event |= {"values": dict(trial.values), "memo": dict(trial.memo), "same": run.config_key}
    return event | ({"reports": run.reports[-MAX_LEDGER_REPORTS:]} if run.reports else {})
