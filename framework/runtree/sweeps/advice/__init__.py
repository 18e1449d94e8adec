"""`advice.json`: everything that the runs of a sweep say about the search."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from runtree.contract.finding import Finding
from runtree.sweeps.advice.search import FinishedSweep, alike, at_the_edge, failures, too_large, too_small
from runtree.sweeps.advice.winner import Rechecked, biased, optimism, promised_too_much, told_by_folds

SEARCH = (at_the_edge, too_small, too_large, failures, alike)
WINNER = (promised_too_much, told_by_folds, biased)
WEIGHT = {"warning": 0, "note": 1, "good": 2}


def advise(facts: FinishedSweep, rechecked: Sequence[Rechecked] = ()) -> dict[str, Any]:
    """Return what `advice.json` holds: `findings`, the weightiest first, and `optimism`."""
    winner = optimism(facts, rechecked)
    found: list[Finding] = list(chain.from_iterable(question(facts) for question in SEARCH))
    found += chain.from_iterable(question(facts, winner) for question in WINNER)
    found.sort(key=lambda one: WEIGHT[one.level])
    return {"findings": [one.plain() for one in found], "optimism": winner}
