"""How far a sweep is, and whether it is enough. No clock, no files, no chance: the same calls give the same state."""

from typing import Any

from runtree.contract.types import Direction
from runtree.sweeps.criteria import CRITERIA, Verdict, exhausted
from runtree.sweeps.stop import StopRules
from runtree.sweeps.tally import State, Tally


class Progress:
    """Told what happens to the runs of a sweep, in one order; a sweep is resumed by telling it all again.

    A verdict, once given, stays. Runs that still go on then may end, and may still be the best.
    """

    def __init__(self, rules: StopRules, direction: Direction = "maximize") -> None:
        self.rules = rules
        self.tally = Tally(rules.patience, direction)
        self.running_then: tuple[int, ...] = ()
        self._verdict: Verdict | None = None
        self._exhausted: tuple[int | None] | None = None

    def started(self, number: int) -> None:
        """Take a run that began; one that is tried again under its number counts once."""
        self.tally.start(number)

    def reused(self) -> None:
        """Take a proposal whose result was known: no run is started, and it counts against nothing."""
        self.tally.reused += 1

    def ended(
        self, number: int, state: State, value: float | None = None, seconds: float = 0.0, *, counts: bool = True
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

    def verdict(self) -> Verdict | None:
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


def stop_record(progress: Progress) -> dict[str, Any]:
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
