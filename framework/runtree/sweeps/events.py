"""What the lines of a ledger tell; `Book` reads them."""

from typing import Any

from runtree.sweeps.book import Entry, Trial
from runtree.sweeps.endings import Ending
from runtree.sweeps.messages import AttemptResult
from runtree.sweeps.proposer import Proposed

REPORTS = 1000  # of a run at most, the latest: what a pruner compares with


def reused(proposed: Proposed) -> dict[str, Any]:
    """Tell that a proposal is known already, and by which run."""
    family, number = proposed.key
    event = {"event": "reused", "family": family, "trial": number, "of": proposed.known}
    return event | {"values": dict(proposed.values), "memo": dict(proposed.memo)}


def died(entry: Entry, ending: Ending) -> dict[str, Any]:
    """Tell that an attempt came to nothing, and that there will be another."""
    return {"event": "died", "run": entry.number, "attempt": entry.attempts, "cause": ending.cause}


def ended(entry: Entry, trial: Trial, ending: Ending) -> dict[str, Any]:
    """Tell all of a run that has ended: should the line that it began with be lost, this one makes up for it."""
    event: dict[str, Any] = {"event": "ended", "run": entry.number, "state": ending.state, "reason": ending.reason}
    event |= {"family": trial.key[0], "trial": trial.key[1], "repeat": entry.repeat, "of": trial.repeats}
    event |= {"values": dict(trial.values), "memo": dict(trial.memo), "same": entry.same}
    event |= {"attempt": entry.attempts, "seconds": ending.seconds, "error": ending.error}
    event |= {"reports": entry.reports[-REPORTS:]} if entry.reports else {}
    if isinstance(ending.outcome, AttemptResult):
        found = ending.outcome
        event |= {"objectives": found.objectives, "metrics": found.metrics, "stages": found.stages}
        event |= {"fingerprints": found.fingerprints, "task": found.task, "kept": found.kept}
        event |= {"missed": list(found.missed)} if found.missed else {}
    return event
