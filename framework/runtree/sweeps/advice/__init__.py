"""`advice.json`: findings on the search of a finished sweep, and on how reliable its winner is."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from runtree.contract.types import Finding
from runtree.sweeps.advice.search import (
    FinishedSweep,
    best_at_edge,
    budget_too_large,
    budget_too_small,
    many_failures,
    ties,
)
from runtree.sweeps.advice.winner import Rechecked, compare_with_folds, compare_with_test, estimate_bias, optimism

LEVEL_ORDER = {"warning": 0, "note": 1, "good": 2}


def advise(sweep: FinishedSweep, rechecked: Sequence[Rechecked] = ()) -> dict[str, Any]:
    """Return `findings`, the most important first, and `optimism`."""
    winner = optimism(sweep, rechecked)
    rules = (best_at_edge, budget_too_small, budget_too_large, many_failures, ties)
    findings: list[Finding] = list(chain.from_iterable(rule(sweep) for rule in rules))
    winner_rules = (compare_with_test, compare_with_folds, estimate_bias)
    findings += chain.from_iterable(rule(sweep, winner) for rule in winner_rules)
    # a stable sort: findings of one level stay in the order of the rules
    findings.sort(key=lambda finding: LEVEL_ORDER[finding.level])
    return {"findings": [finding.to_dict() for finding in findings], "optimism": winner}
