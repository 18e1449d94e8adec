"""Which of several algorithms is tried next: each its share at first, then by promise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FAIR = 5  # runs that each gets before any is favoured, or one more than it has dimensions
FLOOR = 0.1  # of all runs that each gets however little it promises
TOP = 3  # runs by which an algorithm is judged: one lucky run is none


@dataclass
class Standing:
    """What is known of one algorithm: how often it was asked, and the values of its runs (greater is better)."""

    name: str
    dimensions: int
    asked: int = 0
    values: list[float] = field(default_factory=list)


def choose(
    standings: Sequence[Standing], total: int | None = None, shares: Mapping[str, float] | None = None
) -> Standing:
    """Return the algorithm to try next.

    Given `shares` say how the runs are parted. Else each is tried as often as `fair` says; then the one with the least
    is tried as long as it has less than a tenth of all runs; then the one with the highest upper confidence bound
    (UCB1, Auer, Cesa-Bianchi & Fischer 2002) on the mean rank of its three best runs among all runs.
    """
    if len(standings) == 1:
        return standings[0]
    if shares:
        return max(standings, key=lambda one: shares.get(one.name, 0.0) / (one.asked + 1))
    least = min(standings, key=lambda one: one.asked)
    if least.asked < fair(least, len(standings), total):
        return least
    asked = sum(one.asked for one in standings)
    if least.asked < min(FLOOR, 0.5 / len(standings)) * asked:
        return least
    ranks = _ranks(standings)
    return max(standings, key=lambda one: _promise(one, ranks, asked))


def fair(standing: Standing, count: int, total: int | None) -> int:
    """Return how often an algorithm is tried before any is favoured: at most half of all runs go into that."""
    wanted = max(FAIR, standing.dimensions + 1)
    return wanted if total is None else min(wanted, max(1, total // (2 * count)))


def _ranks(standings: Sequence[Standing]) -> dict[float, float]:
    """Return the rank of each value among all, 1 for the best and 0 for the worst."""
    values = sorted({value for one in standings for value in one.values})
    return {value: position / max(len(values) - 1, 1) for position, value in enumerate(values)}


def _promise(standing: Standing, ranks: Mapping[float, float], asked: int) -> float:
    best = sorted(standing.values)[-TOP:]
    mean = sum(ranks[value] for value in best) / len(best) if best else 0.0
    return mean + 0.5 * math.sqrt(2 * math.log(max(asked, 2)) / max(standing.asked, 1))
