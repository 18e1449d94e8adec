"""When a sweep stops: counters of its runs, and a function for each criterion of `tuner.stop`.

Nothing in here reads a clock, a file or a random number: the same calls give the same state, so a resumed sweep makes
the calls again and stands where it stood.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runtree.contract.types import Direction
from runtree.sweeps.options import StopCriteria, SweepPatience

FinishedState = Literal["completed", "pruned", "failed", "interrupted", "stopped"]
COUNTS_AGAINST_PATIENCE = ("completed", "pruned")
ENDED_BY_ITSELF: tuple[FinishedState, ...] = ("completed", "pruned", "failed")
# If patience is the only bound, at least this many consecutive runs without a value end the sweep, however short it is:
# a few failures do not show that the rest of the space fails.
MIN_RUNS_WITHOUT_VALUE = 20
MIN_SCALE = 1e-12  # stands for a best value of 0, of which there is no share


class SweepCounters:
    """Counts runs as they start and end.

    There are two values for "best so far". `best` is the best of all. The baseline of patience only moves when a run
    improves on it by more than `min_delta` and `relative`, so that many small steps add up to an improvement.
    """

    def __init__(self, patience: SweepPatience, direction: Direction) -> None:
        self.patience = patience
        self.sign = 1 if direction == "maximize" else -1
        self.states: dict[int, FinishedState | None] = {}  # None: it is running
        self.scores: list[float] = []  # sign * value of the completed runs, so that greater is better
        self.best_run: int | None = None
        self.last_run: int | None = None
        self.not_improving = self.failed_in_a_row = self.without_value_in_a_row = self.reused = 0
        self.seconds = self.run_seconds = 0.0
        self._baseline = -math.inf
        self._best = -math.inf
        self._judged = 0
        self._count: Counter[FinishedState | None] = Counter()

    def start(self, number: int) -> None:
        """Count a run; one that failed, was stopped or was interrupted may start again and loses that end."""
        former = self.states.get(number)
        # a mistake of the caller, which would count one run twice
        if former in COUNTS_AGAINST_PATIENCE:
            raise ValueError(f"run {number} is {former}, and cannot be started again")
        self._set_state(number, None)

    def end(self, number: int, state: FinishedState, value: float | None, seconds: float, counts: bool) -> None:
        """Count the end of a run; the parameters are those of `StopMonitor.ended`."""
        if self.states.get(number) is not None:
            raise ValueError(f"run {number} has ended already: {self.states[number]}")
        if state not in get_args(FinishedState):
            raise ValueError(f"run {number}: unknown state '{state}'")
        self._set_state(number, state)
        self.last_run = number
        self.run_seconds += seconds
        # a run that was stopped from outside says nothing about failures: it neither continues a row nor ends one
        if state in ENDED_BY_ITSELF:
            self.failed_in_a_row = self.failed_in_a_row + 1 if state == "failed" else 0
        if state in COUNTS_AGAINST_PATIENCE or value is not None:
            self.without_value_in_a_row = 0
        elif state != "interrupted":
            self.without_value_in_a_row += 1
        # The last repeat of a trial may have failed: the mean of the others counts all the same
        if counts and (state in COUNTS_AGAINST_PATIENCE or value is not None):
            usable = state != "pruned" and value is not None and math.isfinite(value)
            self._judge(number, self.sign * value if usable and value is not None else None)

    def _set_state(self, number: int, state: FinishedState | None) -> None:
        # counts are updated instead of recounted: the criteria are checked after each of thousands of runs
        if number in self.states:
            self._count[self.states[number]] -= 1
        self.states[number] = state
        self._count[state] += 1

    def _judge(self, number: int, score: float | None) -> None:
        self._judged += 1
        if score is not None:
            self.scores.append(score)
            if score > self._best:
                self._best, self.best_run = score, number
        if score is not None and self._improves(score):
            self._baseline, self.not_improving = score, 0
        elif self._judged > self.patience.warmup:
            self.not_improving += 1

    def _improves(self, score: float) -> bool:
        if self._baseline == -math.inf:
            return True
        return score > self._baseline + max(self.patience.min_delta, self.patience.relative * abs(self._baseline))

    @property
    def best(self) -> float | None:
        """Return the best value of the completed runs that count, None if there is none."""
        return None if self.best_run is None else self.sign * self._best

    @property
    def failed_of_ended(self) -> tuple[int, int]:
        """Return how many runs failed, and how many completed, were pruned or failed."""
        return self._count["failed"], sum(self._count[state] for state in ENDED_BY_ITSELF)

    @property
    def running(self) -> tuple[int, ...]:
        """Return the runs that have started and not ended."""
        return tuple(sorted(number for number, state in self.states.items() if state is None))

    @property
    def counts(self) -> dict[str, int]:
        """Return how many runs started, how many ended in each state, and how many results were reused."""
        ended = {state: self._count[state] for state in get_args(FinishedState)}
        return {"started": len(self.states), **ended, "reused": self.reused}


@dataclass(frozen=True)
class StopReason:
    """Why no further run starts.

    Attributes
    ----------
    observed, threshold
        The value of the criterion and the limit that it reached.
    run
        The run that ended last, None if none had ended.
    explanation
        One line for people, without the best: runs that are still running may overtake it.
    """

    criterion: str
    observed: float
    threshold: float
    run: int | None
    explanation: str


class StopMonitor:
    """Decides after each event whether a criterion is reached; a reason, once there, stays.

    Runs that are still running then may end, and may still be the best.
    """

    def __init__(self, rules: StopCriteria, direction: Direction = "maximize") -> None:
        self.rules = rules
        self.counters = SweepCounters(rules.patience, direction)
        self.running_at_stop: tuple[int, ...] = ()
        self.reason: StopReason | None = None
        self._exhausted: tuple[int | None] | None = None  # (size of the space,)

    def started(self, number: int) -> None:
        """Count a run that began; further attempts of it count nothing."""
        self.counters.start(number)

    def reused(self) -> None:
        """Count a proposal whose config has been run already: it counts against no criterion."""
        self.counters.reused += 1

    def ended(
        self,
        number: int,
        state: FinishedState,
        value: float | None = None,
        seconds: float = 0.0,
        *,
        counts: bool = True,
    ) -> None:
        """Count the end of a run, after its last attempt.

        Parameters
        ----------
        value
            The objective of a completed run; None, NaN and infinity are no value.
        seconds
            How long the run took.
        counts
            Whether the run is the last of its trial. Then `value` is the mean over the trial's runs; the value of any
            other run is ignored.
        """
        self.counters.end(number, state, value, seconds, counts)
        self._check()

    def clock(self, seconds: float) -> None:
        """Set how many seconds the sweep has worked, over all its sessions."""
        self.counters.seconds = max(self.counters.seconds, seconds)
        self._check()

    def exhausted(self, size: int | None = None) -> None:
        """Note that the tuner has nothing left to propose; `size` is the number of configurations, if it is finite."""
        self._exhausted = (size,)
        self._check()

    def may_start(self) -> bool:
        """Return whether one more run may start."""
        # running runs count as well: with several slots the limit would be exceeded otherwise
        room = self.rules.max_runs is None or len(self.counters.states) < self.rules.max_runs
        return room and self.reason is None and self._exhausted is None

    @property
    def time_is_over(self) -> bool:
        """Return whether `max_seconds` have passed, whichever criterion was reached first."""
        return self.rules.max_seconds is not None and self.counters.seconds >= self.rules.max_seconds

    def _check(self) -> None:
        # the first reason stays: runs that end later may satisfy another one, which did not stop the sweep
        if self.reason is not None:
            return
        reasons = [criterion(self.counters, self.rules) for criterion in CRITERIA]
        reasons += [check_exhausted(self.counters, *self._exhausted)] if self._exhausted else []
        self.reason = next((reason for reason in reasons if reason), None)
        self.running_at_stop = self.counters.running if self.reason else ()


def stop_record(monitor: StopMonitor, best: Mapping[str, Any] | None = None, ranked: bool = True) -> dict[str, Any]:
    """Return the content of `stop.json`; `criterion` is None if the sweep ended without reaching one.

    Parameters
    ----------
    best
        Value and run of the best trial, and of one with repeats `sd` and `runs`; None: as the monitor counted them.
    ranked
        Whether the runs may be ranked; if not, there is no best.
    """
    reason, counters = monitor.reason, monitor.counters
    # only now: at the time of the reason, runs were still running, and one of them may have become the best
    has_best = ranked and counters.best is not None
    if has_best:
        best = best or {"value": counters.best, "run": counters.best_run}
    text = f", best {_format_best(best)}" if has_best and best else ""
    return {
        "criterion": reason.criterion if reason else None,
        "observed": reason.observed if reason else None,
        "threshold": reason.threshold if reason else None,
        "run": reason.run if reason else None,
        "explanation": f"{reason.explanation}{text}" if reason else None,
        "running_then": list(monitor.running_at_stop),
        "counters": counters.counts,
        "not_improving": counters.not_improving,
        "best": dict(best) if has_best and best else None,
        "seconds": counters.seconds,
        "run_seconds": counters.run_seconds,
    }


def _format_best(best: Mapping[str, Any]) -> str:
    spread = "" if best.get("sd") is None else f" ± {best['sd']:.2g}"
    repeats = f", the mean of {len(best['runs'])} runs" if len(best.get("runs") or ()) > 1 else ""
    return f"{best['value']:.6g}{spread} at run {best['run']}{repeats}"


# --- the criteria


def check_target(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop when the best value has reached the target."""
    if rules.target is None or counters.best is None or counters.sign * (counters.best - rules.target) < 0:
        return None
    text = f"the target is reached (target={rules.target:g})"
    return _reason(counters, "target", counters.best, rules.target, text)


def check_failures(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop when too many runs failed in a row, or too large a share of those that were not ended from outside."""
    row, limit, rate = counters.failed_in_a_row, rules.failures.consecutive, rules.failures.rate
    if limit is not None and row >= limit:
        text = f"{row} runs failed in a row (failures.consecutive={limit})"
        return _reason(counters, "failures", row, limit, text)
    failed, ended = counters.failed_of_ended
    if rate is None or ended < rules.failures.min_runs or failed / ended < rate:
        return None
    text = f"{failed} of {ended} runs failed (failures.rate={rate:g})"
    return _reason(counters, "failures", failed / ended, rate, text)


def check_patience(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop after `patience.runs` non-improving runs, or if patience is the only bound, after runs without any value."""
    runs = rules.patience.runs
    if runs is None:
        return None
    if counters.not_improving >= runs:
        text = f"no improvement in {counters.not_improving} runs (patience.runs={runs})"
        return _reason(counters, "patience", counters.not_improving, runs, text)
    row, limit = counters.without_value_in_a_row, max(runs, MIN_RUNS_WITHOUT_VALUE)
    if not rules.only_patience or row < limit:
        return None
    return _reason(counters, "patience", row, limit, f"{row} runs in a row without a value (patience.runs={runs})")


def check_convergence(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop when the last runs gained little, and as many more are expected to gain little."""
    rule, scored = rules.convergence, len(counters.scores)
    if rule.window is None or scored < max(rule.min_runs, rule.window + 1):
        return None
    gained, expected = observed_and_expected_gain(counters.scores, rule.window)
    if not (gained < rule.tolerance and expected < rule.tolerance):
        return None
    text = f"the last {rule.window} runs gained {gained:.2%}, as many more are expected to gain {expected:.2%}"
    text += f" (convergence.tolerance={rule.tolerance:g})"
    return _reason(counters, "convergence", max(gained, expected), rule.tolerance, text)


def check_max_seconds(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop when the time is over."""
    limit = rules.max_seconds
    if limit is None or counters.seconds < limit:
        return None
    text = f"{counters.seconds:.0f} s are over (max_seconds={limit:g})"
    return _reason(counters, "max_seconds", counters.seconds, limit, text)


def check_max_runs(counters: SweepCounters, rules: StopCriteria) -> StopReason | None:
    """Stop when all runs that may start have ended: before that, there would be runs to terminate."""
    started = len(counters.states)
    if rules.max_runs is None or started < rules.max_runs or counters.running:
        return None
    text = f"{started} runs were started (max_runs={rules.max_runs})"
    return _reason(counters, "max_runs", started, rules.max_runs, text, all_ended=True)


def check_exhausted(counters: SweepCounters, size: int | None) -> StopReason | None:
    """Stop when everything was proposed and has ended."""
    if counters.running:
        return None
    runs, tried = len(counters.states), len(counters.states) + counters.reused
    if size is not None and runs < size and counters.reused > 0:  # the tuner keeps proposing what has been run
        text = f"search space exhausted: {runs} of {size} configurations tried"
    else:
        text = "search space exhausted"
    return _reason(counters, "space_exhausted", tried, tried if size is None else size, text, all_ended=True)


def _reason(
    counters: SweepCounters, criterion: str, observed: float, threshold: float, text: str, all_ended: bool = False
) -> StopReason:
    """Return a reason with its line for people; if all runs have ended, it says nothing of the last one."""
    when = (
        " before a run ended" if counters.last_run is None else "" if all_ended else f" after run {counters.last_run}"
    )
    return StopReason(criterion, observed, threshold, counters.last_run, f"stopped{when}: {text}")


# If several are reached at once, the first is named: what the user hoped for comes before what went wrong.
CRITERIA: tuple[Callable[[SweepCounters, StopCriteria], StopReason | None], ...] = (
    check_target,
    check_failures,
    check_patience,
    check_convergence,
    check_max_seconds,
    check_max_runs,
)


def expected_improvement(mean: float, deviation: float, best: float) -> float:
    """Return E[max(0, X - best)] for a normal X: Jones, Schonlau & Welch (1998), equation 15, noise-free."""
    gap = mean - best
    if deviation == 0:
        return max(0.0, gap)
    z = gap / deviation
    # erfc, not 1 + erf: far below the best, the sum of two nearly opposite numbers would be all rounding
    return gap * 0.5 * math.erfc(-z / math.sqrt(2)) + deviation * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def observed_and_expected_gain(scores: Sequence[float], window: int) -> tuple[float, float]:
    """Return how much the last `window` scores gained and as many more may gain, as shares of the best score.

    Parameters
    ----------
    scores
        In the order of their ends, greater is better; more than `window` of them.

    Notes
    -----
    The expected gain is ``window * E[max(0, X - best)]`` with X normal, its mean and standard deviation (n - 1) those
    of the last `window` scores. The best of `window` draws gains no more than that on average: it is an upper bound.
    """
    best, before, last = max(scores), max(scores[:-window]), scores[-window:]
    mean = sum(score / window for score in last)  # a sum of huge scores might overflow
    deviation = math.hypot(*(score - mean for score in last)) / math.sqrt(window - 1)
    scale = max(abs(best), MIN_SCALE)
    return (best - before) / scale, window * expected_improvement(mean, deviation, best) / scale
