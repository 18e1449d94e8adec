"""The metric by which runs are compared."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.science import counts
from runtree.records.index import RunIndex, all_alike, keys_of, picked
from runtree.records.query import is_metric, resolve_name


@dataclass(frozen=True)
class RankingMetric:
    """A metric of a part, and which way it is better."""

    part: str
    metric: str
    direction: str

    @property
    def name(self) -> str:
        """Return ``validation.f1``."""
        return f"{self.part}.{self.metric}"

    @property
    def sign(self) -> int:
        """Return what a value is multiplied by so that more is better."""
        return 1 if self.direction == "maximize" else -1


def choose_metric(
    runs: RunIndex, rows: Sequence[int], asked: str | None, directions: Mapping[str, str]
) -> RankingMetric:
    """Return the metric that was asked for, else the one that most of the runs are ranked by.

    Raises
    ------
    RequestError
        A name that is no metric, or runs that are ranked by none.
    """
    if asked:
        known = runs.names()
        name = asked if asked in known else resolve_name(asked, {one for one in known if is_metric(one)})
        if not is_metric(name):
            raise RequestError(f"--metric: '{asked}' is {name}, and no metric", "e.g. --metric test.f1")
        part, _, metric = name.partition(".")
        return RankingMetric(part, metric, directions.get(metric, "maximize"))
    columns = [runs.column(f"objective:{key}") for key in ("part", "metric", "direction")]
    told = Counter(found for row in rows if None not in (found := tuple(column[row] for column in columns)))
    if not told:
        raise RequestError("none of these runs has a score that it is ranked by", "see: runtree runs")
    return RankingMetric(*told.most_common(1)[0][0])


def completed_rows(runs: RunIndex, rows: Sequence[int]) -> list[int]:
    """Return the rows that are completed."""
    states = runs.column("state")
    return [row for row in rows if states[row] == "completed"]


def scored_rows(runs: RunIndex, rows: Sequence[int], measure: RankingMetric) -> list[int]:
    """Return the rows that have the metric."""
    values = runs.column(f"metrics:{measure.name}")
    return [row for row in rows if _is_told(values[row])]


def _is_told(value: Any) -> bool:
    return isinstance(value, int | float) and value == value


# --- Runs as configurations: those that differ in nothing but the seed are one.

SEED = "seed"
BORROWED = {"n_jobs": "compute.threads", "device": "compute.device"}  # where a key takes its value from unless told
Doubtful = dict[str, tuple[Sequence[Any], Sequence[bool]]]  # values, and whether each is its run's seed
FOLLOWS = ("follows",)  # stands for a value that is another key's


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but the seed; of several with one seed and one split the newest.

    Attributes
    ----------
    rows, seeds, scores
        One for each run, by seed.
    followers
        Config keys that are the seed's in every one of them.
    repeated
        Older runs with the seed and the split of another, which are left out.
    """

    rows: tuple[int, ...]
    seeds: tuple[Any, ...]
    scores: tuple[float, ...]
    followers: frozenset[str]
    repeated: int

    @property
    def mean(self) -> float:
        """Return the mean score."""
        return fmean(self.scores)


def group_configurations(runs: RunIndex, rows: Sequence[int], measure: RankingMetric) -> list[Configuration]:
    """Group runs into configurations, the best first."""
    prints = [picked(runs.column(f"fingerprint:{kind}"), rows) for kind in ("data", "split")]
    facts = _Facts(
        picked(runs.column(f"config:{SEED}"), rows),
        list(zip(*prints, strict=True)),
        picked(runs.column(f"metrics:{measure.name}"), rows),
        picked(runs.column("started"), rows),
        list(rows),
    )
    found = [facts.configuration(own, followers) for own, followers in group_rows(runs, rows, facts.seeds)]
    return sorted(found, key=lambda one: (-measure.sign * one.mean, one.rows))


@dataclass(frozen=True)
class _Facts:
    """What is told of each of the runs, column by column."""

    seeds: Sequence[Any]
    places: Sequence[tuple[Any, ...]]
    scores: Sequence[float]
    started: Sequence[str]
    rows: Sequence[int]

    def configuration(self, own: Sequence[int], followers: frozenset[str]) -> Configuration:
        newest: dict[Any, int] = {}
        for one in sorted(own, key=self.started.__getitem__):
            newest[(repr(self.seeds[one]), self.places[one])] = one
        kept = sorted(newest.values(), key=lambda one: (_rank(self.seeds[one]), self.started[one]))
        return Configuration(
            tuple(self.rows[one] for one in kept),
            tuple(self.seeds[one] for one in kept),
            tuple(float(self.scores[one]) for one in kept),
            followers,
            len(own) - len(kept),
        )


def _rank(seed: Any) -> tuple[float, str]:
    return (float(seed), "") if isinstance(seed, int | float) else (0.0, str(seed))


def group_rows(runs: RunIndex, rows: Sequence[int], seeds: Sequence[Any]) -> list[tuple[list[int], frozenset[str]]]:
    """Return positions in `rows` of the runs of each configuration, with the keys that follow the seed there.

    A record holds values and not where they came from. So a key that somewhere equals the seed is looked at apart: it
    follows the seed where it does so in all runs that are equal otherwise, or where its name says that it is a seed.
    """
    fixed, doubtful = _columns(runs, rows, seeds)
    found = []
    for own in _grouped(range(len(rows)), lambda one: tuple(column[one] for column in fixed)):
        followers = {key for key, (_, equal) in doubtful.items() if _follow(key, own, equal, seeds)}
        apart = {key: pair for key, pair in doubtful.items() if key not in followers}
        for inner in _grouped(own, partial(_told_apart, apart)):
            more = {key for key, (_, equal) in apart.items() if _is_a_seed(key) and all(equal[one] for one in inner)}
            found.append((inner, frozenset(followers | more)))
    return found


def _told_apart(doubtful: Doubtful, one: int) -> tuple[Any, ...]:
    """Return the doubtful values of one run; a seed that is the run's own is the same in all."""
    pairs = doubtful.items()
    return tuple(FOLLOWS if equal[one] and _is_a_seed(key) else values[one] for key, (values, equal) in pairs)


def _columns(runs: RunIndex, rows: Sequence[int], seeds: Sequence[Any]) -> tuple[list[Any], Doubtful]:
    """Return what tells configurations apart: columns as they are, and those that equal the seed in some run."""
    fixed: list[Any] = []
    doubtful: Doubtful = {}
    for name in runs.column_names():
        kind, _, key = name.partition(":")
        if kind != "config" or key == SEED or not counts(key):
            continue
        column = picked(runs.column(name), rows)
        if all_alike(column):
            continue
        equal = [value == seed and type(value) is type(seed) for value, seed in zip(column, seeds, strict=True)]
        if any(equal):
            doubtful[key] = (keys_of(column), equal)
        else:
            fixed.append(_less_borrowed(key, column, runs, rows))
    return fixed, doubtful


def _less_borrowed(key: str, column: list[Any], runs: RunIndex, rows: Sequence[int]) -> Sequence[Any]:
    lender = BORROWED.get(key.rpartition(".")[2])
    if lender is None:
        return keys_of(column)
    lent = picked(runs.column(f"config:{lender}"), rows)
    pairs = zip(keys_of(column), column, lent, strict=True)
    return [FOLLOWS if value == other else own for own, value, other in pairs]


def _follow(key: str, own: Sequence[int], equal: Sequence[bool], seeds: Sequence[Any]) -> bool:
    return all(equal[one] for one in own) and (_is_a_seed(key) or len({repr(seeds[one]) for one in own}) > 1)


def _is_a_seed(key: str) -> bool:
    last = key.rpartition(".")[2]
    return last == "random_state" or last.endswith(SEED)


def _grouped(items: Sequence[int] | range, key: Callable[[int], Any]) -> list[list[int]]:
    found: dict[Any, list[int]] = {}
    for one in items:
        found.setdefault(key(one), []).append(one)
    return list(found.values())
