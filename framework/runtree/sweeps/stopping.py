"""The counts of a sweep, as runs start and end."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runtree.contract.types import Direction
from runtree.sweeps.options import Patience, StopRules

FinishedState = Literal["completed", "pruned", "failed", "interrupted", "stopped"]
COUNTS_AGAINST_PATIENCE = ("completed", "pruned")  # what counts against patience
ENDED_BY_ITSELF: tuple[FinishedState, ...] = ("completed", "pruned", "failed")  # nobody else ended it


class SweepCounters:
    """What was told of the runs of a sweep, in the order in which it was told.

    Two values stand for "the best so far". `best` is the best of all. The baseline, which improvement is measured by,
    only moves when a run improves on it by the rule; so many small steps add up to an improvement in the end.
    """

    def __init__(self, patience: Patience, direction: Direction) -> None:
        self.patience = patience
        self.sign = 1 if direction == "maximize" else -1
        self.states: dict[int, FinishedState | None] = {}  # None: it runs
        self.scores: list[float] = []  # sign * value of the completed, so that more is better
        self.best_run: int | None = None
        self.last_run: int | None = None
        self.not_improving = self.failed_in_a_row = self.without_value_in_a_row = self.reused = 0
        self.seconds = self.run_seconds = 0.0
        self._baseline = -math.inf
        self._best = -math.inf
        self._judged = 0
        self._count: Counter[FinishedState | None] = Counter()

    def start(self, number: int) -> None:
        """Count a run; one that failed, was stopped or interrupted and is tried again takes that ending back."""
        former = self.states.get(number)
        if former in COUNTS_AGAINST_PATIENCE:
            raise ValueError(f"run {number} is {former}, and cannot be started again")
        self._move(number, None)

    def end(self, number: int, state: FinishedState, value: float | None, seconds: float, counts: bool) -> None:
        """Count an ending; `value`, what its configuration came to, is None, or not finite, where there is none."""
        if self.states.get(number) is not None:
            raise ValueError(f"run {number} has ended already: {self.states[number]}")
        if state not in get_args(FinishedState):
            raise ValueError(f"run {number}: no state '{state}'")
        self._move(number, state)
        self.last_run = number
        self.run_seconds += seconds
        if state in ENDED_BY_ITSELF:
            self.failed_in_a_row = self.failed_in_a_row + 1 if state == "failed" else 0
        if state in COUNTS_AGAINST_PATIENCE or value is not None:
            self.without_value_in_a_row = 0
        elif state != "interrupted":
            self.without_value_in_a_row += 1
        # of several runs of a configuration the last may have failed: what the others came to counts all the same
        if counts and (state in COUNTS_AGAINST_PATIENCE or value is not None):
            told = value if state != "pruned" and value is not None and math.isfinite(value) else None
            self._judge(number, None if told is None else self.sign * told)

    def _move(self, number: int, state: FinishedState | None) -> None:
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
        """Return the best value of all completed runs that count, None where there is none."""
        return None if self.best_run is None else self.sign * self._best

    @property
    def failed_rate(self) -> tuple[int, int]:
        """Return how many runs failed, and how many came to an end of their own: completed, pruned or failed."""
        return self._count["failed"], sum(self._count[state] for state in ENDED_BY_ITSELF)

    @property
    def running(self) -> tuple[int, ...]:
        """Return the runs that have started and not ended."""
        return tuple(sorted(number for number, state in self.states.items() if state is None))

    @property
    def counters(self) -> dict[str, int]:
        """Return how many runs started, how many are in each state, and how many results were reused without a run."""
        ended = {state: self._count[state] for state in get_args(FinishedState)}
        return {"started": len(self.states), **ended, "reused": self.reused}


# --- What is still to be gained, as far as the last runs tell.

MIN_SCALE = 1e-12  # stands for a best of 0, of which no share can be taken


def expected_improvement(mean: float, deviation: float, best: float) -> float:
    """Return E[max(0, X - best)] for a normal X: Jones, Schonlau & Welch (1998), equation 15, noise-free."""
    gap = mean - best
    if deviation == 0:
        return max(0.0, gap)
    z = gap / deviation
    # erfc and not 1 + erf: far below the best the difference of two ones is all rounding
    return gap * 0.5 * math.erfc(-z / math.sqrt(2)) + deviation * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def observed_and_expected_gain(scores: Sequence[float], window: int) -> tuple[float, float]:
    """Return what the last `window` scores gained and what as many more promise, as shares of the best score's size.

    Parameters
    ----------
    scores
        In the order they came, larger is better; more of them than `window`.

    Notes
    -----
    The promise is ``window * E[max(0, X - best)]`` with X normal, its mean and standard deviation (n - 1) those of the
    last `window` scores. The best of `window` draws gains no more than that in the mean: it is never too small.
    """
    best, before, last = max(scores), max(scores[:-window]), scores[-window:]
    mean = sum(score / window for score in last)
    deviation = math.hypot(*(score - mean for score in last)) / math.sqrt(window - 1)
    size = max(abs(best), MIN_SCALE)
    return (best - before) / size, window * expected_improvement(mean, deviation, best) / size


# --- The criteria that end a sweep, each a function from the counts and the rules to a verdict.

MIN_RUNS_WITHOUT_VALUE = (
    20  # runs in a row without a value that end a sweep which nothing but patience ends, be that shorter
)


@dataclass(frozen=True)
class StopReason:
    """Why no further run is started: the criterion, what was seen, against what, and the run after which.

    `run` is None where no run had ended. `explanation` is one line for people.
    """

    criterion: str
    observed: float
    threshold: float
    run: int | None
    explanation: str


def target(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether the best value has reached the target."""
    if rules.target is None or tally.best is None or tally.sign * (tally.best - rules.target) < 0:
        return None
    return _verdict(tally, "target", tally.best, rules.target, f"the target is reached (target={rules.target:g})")


def failures(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether too many runs failed in a row, or too large a share of those that came to an end of their own."""
    row, most, rate = tally.failed_in_a_row, rules.failures.consecutive, rules.failures.rate
    if most is not None and row >= most:
        return _verdict(tally, "failures", row, most, f"{row} runs failed in a row (failures.consecutive={most})")
    failed, ended = tally.failed_rate
    if rate is None or ended < rules.failures.min_runs or failed / ended < rate:
        return None
    return _verdict(
        tally, "failures", failed / ended, rate, f"{failed} of {ended} runs failed (failures.rate={rate:g})"
    )


def patience(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether there was no improvement for long enough, or where nothing else ends the sweep not even a value."""
    runs = rules.patience.runs
    if runs is None:
        return None
    if tally.not_improving >= runs:
        said = f"no improvement in {tally.not_improving} runs (patience.runs={runs})"
        return _verdict(tally, "patience", tally.not_improving, runs, said)
    row, most = tally.without_value_in_a_row, max(runs, MIN_RUNS_WITHOUT_VALUE)
    if not rules.only_patient or row < most:
        return None
    return _verdict(tally, "patience", row, most, f"{row} runs in a row came to no value (patience.runs={runs})")


def convergence(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether the last runs gained little and as many more promise little."""
    rule, seen = rules.convergence, len(tally.scores)
    if rule.window is None or seen < max(rule.min_runs, rule.window + 1):
        return None
    gained, promised = observed_and_expected_gain(tally.scores, rule.window)
    if not (gained < rule.tolerance and promised < rule.tolerance):
        return None
    said = f"the last {rule.window} runs gained {gained:.2%} and as many more promise {promised:.2%}"
    said += f" (convergence.tolerance={rule.tolerance:g})"
    return _verdict(tally, "convergence", max(gained, promised), rule.tolerance, said)


def max_seconds(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether the time is over."""
    limit = rules.max_seconds
    if limit is None or tally.seconds < limit:
        return None
    return _verdict(
        tally, "max_seconds", tally.seconds, limit, f"{tally.seconds:.0f} s are over (max_seconds={limit:g})"
    )


def max_runs(tally: SweepCounters, rules: StopRules) -> StopReason | None:
    """Judge whether all runs that may start have started, and ended: there is nothing that could be terminated."""
    started = len(tally.states)
    if rules.max_runs is None or started < rules.max_runs or tally.running:
        return None
    said = f"{started} runs were started (max_runs={rules.max_runs})"
    return _verdict(tally, "max_runs", started, rules.max_runs, said, over=True)


def exhausted(tally: SweepCounters, size: int | None) -> StopReason | None:
    """Judge whether everything was tried, and ended."""
    if tally.running:
        return None
    runs, tried = len(tally.states), len(tally.states) + tally.reused
    missed = size is not None and runs < size and tally.reused > 0
    said = (
        f"the tuner found nothing new any more, {runs} of at most {size} tried" if missed else "nothing is left to try"
    )
    return _verdict(tally, "space_exhausted", tried, tried if size is None else size, said, over=True)


def _verdict(
    tally: SweepCounters, criterion: str, observed: float, threshold: float, said: str, over: bool = False
) -> StopReason:
    """Put a verdict together; where all is `over` it does not matter which run was the last to end."""
    when = " before a run ended" if tally.last_run is None else "" if over else f" after run {tally.last_run}"
    best = "" if tally.best is None else f", best {tally.best:.6g} at run {tally.best_run}"
    return StopReason(criterion, observed, threshold, tally.last_run, f"stopped{when}: {said}{best}")


# Where several hold at once, the first of these is the one that is named: what was wished for before what went wrong.
CRITERIA: tuple[Callable[[SweepCounters, StopRules], StopReason | None], ...] = (
    target,
    failures,
    patience,
    convergence,
    max_seconds,
    max_runs,
)


# --- How far a sweep is, and whether it is enough. No clock, no files, no chance: the same calls give the same state.


class StopMonitor:
    """Told what happens to the runs of a sweep, in one order; a sweep is resumed by telling it all again.

    A verdict, once given, stays. Runs that still go on then may end, and may still be the best.
    """

    def __init__(self, rules: StopRules, direction: Direction = "maximize") -> None:
        self.rules = rules
        self.tally = SweepCounters(rules.patience, direction)
        self.running_then: tuple[int, ...] = ()
        self._verdict: StopReason | None = None
        self._exhausted: tuple[int | None] | None = None

    def started(self, number: int) -> None:
        """Take a run that began; one that is tried again under its number counts once."""
        self.tally.start(number)

    def reused(self) -> None:
        """Take a proposal whose result was known: no run is started, and it counts against nothing."""
        self.tally.reused += 1

    def ended(
        self,
        number: int,
        state: FinishedState,
        value: float | None = None,
        seconds: float = 0.0,
        *,
        counts: bool = True,
    ) -> None:
        """Take a run's last ending; an attempt that will be tried again is not one.

        Parameters
        ----------
        value
            The objective of a completed run; None, NaN and infinity are no value.
        seconds
            How long the run took.
        counts
            Whether it speaks for its configuration: of several runs of one configuration only the last does, and its
            value is what all of them came to. The value of a run that does not count is not looked at.
        """
        self.tally.end(number, state, value, seconds, counts)
        self._judge()

    def clock(self, seconds: float) -> None:
        """Take how many seconds the sweep has worked over its life, resumes included."""
        self.tally.seconds = max(self.tally.seconds, seconds)
        self._judge()

    def exhausted(self, size: int | None = None) -> None:
        """Take that the tuner has nothing left to propose; `size` is how many configurations there are, if known."""
        self._exhausted = (size,)
        self._judge()

    def verdict(self) -> StopReason | None:
        """Return why no further run is started, None as long as none of the criteria holds."""
        return self._verdict

    def may_start(self) -> bool:
        """Tell whether one more run may start."""
        room = self.rules.max_runs is None or len(self.tally.states) < self.rules.max_runs
        return room and self._verdict is None and self._exhausted is None

    def _judge(self) -> None:
        if self._verdict is not None:
            return
        found = [criterion(self.tally, self.rules) for criterion in CRITERIA]
        found += [exhausted(self.tally, *self._exhausted)] if self._exhausted else []
        self._verdict = next((verdict for verdict in found if verdict), None)
        self.running_then = self.tally.running if self._verdict else ()


def stop_record(progress: StopMonitor) -> dict[str, Any]:
    """Return what `stop.json` says, as JSON; `criterion` is null where the sweep ended without a verdict."""
    verdict, tally = progress.verdict(), progress.tally
    return {
        "criterion": verdict.criterion if verdict else None,
        "observed": verdict.observed if verdict else None,
        "threshold": verdict.threshold if verdict else None,
        "run": verdict.run if verdict else None,
        "explanation": verdict.explanation if verdict else None,
        "running_then": list(progress.running_then),
        "counters": tally.counters,
        "not_improving": tally.not_improving,
        "best": None if tally.best is None else {"value": tally.best, "run": tally.best_run},
        "seconds": tally.seconds,
        "run_seconds": tally.run_seconds,
    }
