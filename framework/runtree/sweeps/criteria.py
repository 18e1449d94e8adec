"""The criteria that end a sweep, each a function from the counts and the rules to a verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from runtree.sweeps.convergence import gains
from runtree.sweeps.stop import StopRules
from runtree.sweeps.tally import Tally

FRUITLESS = 20  # runs in a row without a value that end a sweep which nothing but patience ends, be that shorter


@dataclass(frozen=True)
class Verdict:
    """Why no further run is started: the criterion, what was seen, against what, and the run after which.

    `run` is None where no run had ended. `explanation` is one line for people.
    """

    criterion: str
    observed: float
    threshold: float
    run: int | None
    explanation: str


def target(tally: Tally, rules: StopRules) -> Verdict | None:
    """Judge whether the best value has reached the target."""
    if rules.target is None or tally.best is None or tally.sign * (tally.best - rules.target) < 0:
        return None
    return _verdict(tally, "target", tally.best, rules.target, f"the target is reached (target={rules.target:g})")


def failures(tally: Tally, rules: StopRules) -> Verdict | None:
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


def patience(tally: Tally, rules: StopRules) -> Verdict | None:
    """Judge whether there was no improvement for long enough, or where nothing else ends the sweep not even a value."""
    runs = rules.patience.runs
    if runs is None:
        return None
    if tally.not_improving >= runs:
        said = f"no improvement in {tally.not_improving} runs (patience.runs={runs})"
        return _verdict(tally, "patience", tally.not_improving, runs, said)
    row, most = tally.without_value_in_a_row, max(runs, FRUITLESS)
    if not rules.only_patient or row < most:
        return None
    return _verdict(tally, "patience", row, most, f"{row} runs in a row came to no value (patience.runs={runs})")


def convergence(tally: Tally, rules: StopRules) -> Verdict | None:
    """Judge whether the last runs gained little and as many more promise little."""
    rule, seen = rules.convergence, len(tally.scores)
    if rule.window is None or seen < max(rule.min_runs, rule.window + 1):
        return None
    gained, promised = gains(tally.scores, rule.window)
    if not (gained < rule.tolerance and promised < rule.tolerance):
        return None
    said = f"the last {rule.window} runs gained {gained:.2%} and as many more promise {promised:.2%}"
    said += f" (convergence.tolerance={rule.tolerance:g})"
    return _verdict(tally, "convergence", max(gained, promised), rule.tolerance, said)


def max_seconds(tally: Tally, rules: StopRules) -> Verdict | None:
    """Judge whether the time is over."""
    limit = rules.max_seconds
    if limit is None or tally.seconds < limit:
        return None
    return _verdict(
        tally, "max_seconds", tally.seconds, limit, f"{tally.seconds:.0f} s are over (max_seconds={limit:g})"
    )


def max_runs(tally: Tally, rules: StopRules) -> Verdict | None:
    """Judge whether all runs that may start have started, and ended: there is nothing that could be terminated."""
    started = len(tally.states)
    if rules.max_runs is None or started < rules.max_runs or tally.running:
        return None
    said = f"{started} runs were started (max_runs={rules.max_runs})"
    return _verdict(tally, "max_runs", started, rules.max_runs, said, over=True)


def exhausted(tally: Tally, size: int | None) -> Verdict | None:
    """Judge whether everything was tried, and ended."""
    if tally.running:
        return None
    runs, tried = len(tally.states), len(tally.states) + tally.reused
    missed = size is not None and runs < size and tally.reused > 0
    said = (
        f"the tuner found nothing new any more, {runs} of at most {size} tried" if missed else "nothing is left to try"
    )
    return _verdict(tally, "space_exhausted", tried, tried if size is None else size, said, over=True)


def _verdict(tally: Tally, criterion: str, observed: float, threshold: float, said: str, over: bool = False) -> Verdict:
    """Put a verdict together; where all is `over` it does not matter which run was the last to end."""
    when = " before a run ended" if tally.last_run is None else "" if over else f" after run {tally.last_run}"
    best = "" if tally.best is None else f", best {tally.best:.6g} at run {tally.best_run}"
    return Verdict(criterion, observed, threshold, tally.last_run, f"stopped{when}: {said}{best}")


# Where several hold at once, the first of these is the one that is named: what was wished for before what went wrong.
CRITERIA: tuple[Callable[[Tally, StopRules], Verdict | None], ...] = (
    target,
    failures,
    patience,
    convergence,
    max_seconds,
    max_runs,
)
