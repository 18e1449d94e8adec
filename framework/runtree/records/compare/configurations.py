"""Runs as configurations: runs that differ in nothing but the seed are one. And the metric they are compared by."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any, Protocol

from runtree.contract.commands import command
from runtree.contract.errors import RequestError
from runtree.contract.fingerprint import COPIES, PLUGINS, affects_fingerprint
from runtree.contract.types import RunRecord
from runtree.records.index import RunIndex
from runtree.records.query import is_metric, record_value, resolve_name

SEED = "seed"
COPIED = ("copied",)  # stands for a value that another key has, too
# by key: the value of each row, and whether it equals the seed of its run
Doubtful = dict[str, tuple[Mapping[int, Hashable], Mapping[int, bool]]]


class RunColumns(Protocol):
    """The columns of runs by row: of the index, or of records."""

    def rows(self) -> list[int]: ...

    def keys(self, section: str | None = None) -> list[str]: ...

    def column(self, key: str) -> Mapping[int, Any]: ...

    def columns(self, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]: ...


class RecordColumns:
    """The columns of records that were read already; a row is the place of its record."""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self.records = records

    def rows(self) -> list[int]:
        """Return all rows."""
        return list(range(len(self.records)))

    def keys(self, section: str | None = None) -> list[str]:
        """Return the config paths that any record has."""
        return list(dict.fromkeys(key for record in self.records for key in record.config))

    def column(self, key: str) -> dict[int, Any]:
        """Return the values by row, None where a record has none."""
        return dict(enumerate(self._values(key)))

    def columns(self, keys: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield (key, values)."""
        return ((key, self._values(key)) for key in keys)

    def _values(self, key: str) -> list[Any]:
        section, separator, name = key.partition(":")
        if not separator:
            return [getattr(record, key) for record in self.records]
        if section == "metrics":
            return [record_value(record, name) for record in self.records]
        field = "fingerprints" if section == "fingerprint" else section
        return [getattr(record, field).get(name) for record in self.records]


@dataclass(frozen=True)
class RankingMetric:
    """A metric of a split, and its direction."""

    part: str
    metric: str
    direction: str

    @property
    def name(self) -> str:
        """Return ``validation.f1``."""
        return f"{self.part}.{self.metric}"

    @property
    def sign(self) -> int:
        """Return the factor that makes larger values better."""
        return 1 if self.direction == "maximize" else -1


def choose_metric(
    runs: RunIndex, rows: Sequence[int], name: str | None, directions: Mapping[str, str]
) -> RankingMetric:
    """Return the named metric, else the one that most of the runs are ranked by.

    Raises
    ------
    RequestError
        The name is not a metric, or the runs are ranked by none.
    """
    if name:
        known = runs.names()
        full = (
            name if name in known else resolve_name(name, {known_name for known_name in known if is_metric(known_name)})
        )
        if not is_metric(full):
            raise RequestError(f"--metric: '{name}' is {full}, which is not a metric", "e.g. --metric test.f1")
        part, _, metric = full.partition(".")
        return RankingMetric(part, metric, directions.get(metric, "maximize"))
    columns = [runs.column(f"objective:{field}") for field in ("part", "metric", "direction")]
    objectives = Counter(values for row in rows if None not in (values := tuple(column[row] for column in columns)))
    if not objectives:
        raise RequestError("none of these runs is ranked by a metric", f"see: {command('runs', outputs=runs.outputs)}")
    return RankingMetric(*objectives.most_common(1)[0][0])


def completed_rows(runs: RunColumns, rows: Sequence[int]) -> list[int]:
    """Return the rows of completed runs."""
    states = runs.column("state")
    return [row for row in rows if states[row] == "completed"]


def scored_rows(runs: RunColumns, rows: Sequence[int], measure: RankingMetric) -> list[int]:
    """Return the rows that have a number as their metric."""
    values = runs.column(f"metrics:{measure.name}")
    return [row for row in rows if isinstance(values[row], int | float)]


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but the seed; of several with one seed and one split only the newest.

    Attributes
    ----------
    rows, seeds, scores
        One for each run, by seed.
    followers
        Config keys that equal the seed in every run.
    repeated
        Number of older runs with the seed and the split of another, which are left out.
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


def group_configurations(runs: RunColumns, rows: Sequence[int], measure: RankingMetric) -> list[Configuration]:
    """Group runs into configurations, the best first."""
    seeds, scores = runs.column(f"config:{SEED}"), runs.column(f"metrics:{measure.name}")
    started, data, splits = (runs.column(key) for key in ("started", "fingerprint:data", "fingerprint:split"))
    found = []
    for group, followers in group_rows(runs, rows, seeds):
        newest: dict[Any, int] = {}
        for row in sorted(group, key=started.__getitem__):
            newest[repr(seeds[row]), data[row], splits[row]] = row
        kept = sorted(newest.values(), key=lambda row: (*_seed_order(seeds[row]), started[row]))
        found.append(
            Configuration(
                rows=tuple(kept),
                seeds=tuple(seeds[row] for row in kept),
                scores=tuple(float(scores[row]) for row in kept),
                followers=followers,
                repeated=len(group) - len(kept),
            )
        )
    return sorted(found, key=lambda configuration: (-measure.sign * configuration.mean, configuration.rows))


def _seed_order(seed: Any) -> tuple[float, str]:
    return (float(seed), "") if isinstance(seed, int | float) else (0.0, str(seed))


def group_rows(
    runs: RunColumns, rows: Sequence[int], seeds: Mapping[int, Any]
) -> list[tuple[list[int], frozenset[str]]]:
    """Return the rows of each configuration, with the keys that follow the seed there.

    A record holds values, not where they came from. So a key that equals the seed in some run is examined separately:
    it follows the seed if it does so in all runs that are equal otherwise, or if its name says that it is a seed.
    """
    fixed, doubtful = _compared_columns(runs, rows, seeds)
    # another version of a plugin may be another algorithm under the same name; scores on two tables have no mean
    fixed += [runs.column(f"fingerprint:{name}") for name in (PLUGINS, "data")]
    found = []
    for group in _group_by(rows, lambda row: tuple(column[row] for column in fixed)):
        followers = {key for key, (_, equal) in doubtful.items() if _follows_seed(key, group, equal, seeds)}
        settings = {key: pair for key, pair in doubtful.items() if key not in followers}
        for inner in _group_by(group, partial(_doubtful_values, settings)):
            named = filter(_is_seed_name, settings)
            own = {key for key in named if all(settings[key][1][row] for row in inner)}
            found.append((inner, frozenset(followers | own)))
    return found


def _doubtful_values(settings: Doubtful, row: int) -> tuple[Any, ...]:
    """Return the values of one run under doubtful keys; its own seed under the name of a seed is no difference."""
    pairs = settings.items()
    return tuple(COPIED if equal[row] and _is_seed_name(key) else values[row] for key, (values, equal) in pairs)


def _compared_columns(
    runs: RunColumns, rows: Sequence[int], seeds: Mapping[int, Any]
) -> tuple[list[Mapping[int, Hashable]], Doubtful]:
    """Return the columns that distinguish configurations, and separately those that equal the seed in some run."""
    fixed: list[Mapping[int, Hashable]] = []
    doubtful: Doubtful = {}
    keys = [key for key in runs.keys("config") if key != SEED and affects_fingerprint(key)]
    every, wanted = runs.rows(), set(rows)
    for name, column in runs.columns([f"config:{key}" for key in keys]):
        if column.count(column[0]) == len(column) and len(set(map(type, column))) == 1:
            continue  # most keys are the same everywhere
        key = name.removeprefix("config:")
        values = {row: value for row, value in zip(every, column, strict=True) if row in wanted}
        kinds = set(map(type, values.values()))
        if len(kinds) == 1 and not kinds & {list, dict} and len(set(values.values())) == 1:
            continue
        typed = _typed_values(values, kinds)
        equal = {row: value == seeds[row] and type(value) is type(seeds[row]) for row, value in values.items()}
        lender = COPIES.get(key.rpartition(".")[2])
        if any(equal.values()):
            doubtful[key] = typed, equal
        elif lender is None:
            fixed.append(typed)
        else:
            lent = runs.column(f"config:{lender}")
            fixed.append({row: COPIED if value == lent[row] else typed[row] for row, value in values.items()})
    return fixed, doubtful


def _typed_values(values: Mapping[int, Any], kinds: Iterable[type]) -> Mapping[int, Hashable]:
    """Return hashable values that are equal if, and only if, value and type are: 1, 1.0 and true are three."""
    kinds = set(kinds)
    if kinds <= {str, type(None)}:
        return values
    if kinds & {list, dict}:
        return {row: (type(value), json.dumps(value)) for row, value in values.items()}
    return {row: (type(value), value) for row, value in values.items()}


def _follows_seed(key: str, group: Sequence[int], equal: Mapping[int, bool], seeds: Mapping[int, Any]) -> bool:
    return all(equal[row] for row in group) and (_is_seed_name(key) or len({repr(seeds[row]) for row in group}) > 1)


def _is_seed_name(key: str) -> bool:
    last = key.rpartition(".")[2]
    return last == "random_state" or last.endswith(SEED)


def _group_by(rows: Sequence[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())
