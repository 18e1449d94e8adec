"""Why runs do not compare: another task, other data, another split, another way of scoring."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.science import counts
from runtree.records.compare.configurations import RankingMetric
from runtree.records.index import RunIndex, picked

SPLIT = ("data.split", "data.test_size", "data.validation_size", "data.group", "data.time")
ANYWAY = ("evaluator.metrics",)  # which other metrics are told beside does not change any


@dataclass(frozen=True)
class Mismatch:
    """One respect in which runs that are to be compared differ, and which runs have which value."""

    says: str
    sides: tuple[tuple[str, int, str], ...]  # value, how many runs, one of them

    @property
    def line(self) -> str:
        """Return it in a line."""
        told = [f"{value} ({count:,} run{'s' * (count != 1)}, e.g. {run})" for value, count, run in self.sides[:3]]
        return f"{self.says}: {'; '.join(told)}{' …' if len(self.sides) > 3 else ''}"


def find_mismatches(runs: RunIndex, rows: Sequence[int], measure: RankingMetric, asked: bool) -> list[Mismatch]:
    """Return why the runs do not compare; empty where they do. What is not known of a run is held against none.

    `asked` tells that the metric was named: else runs that are ranked by another one do not compare.
    """
    found = [*_of_facts(runs, rows, measure, asked), *_of_config(runs, rows)]
    return found or list(_of_splits(runs, rows))


def refuse_mismatches(found: Sequence[Mismatch]) -> None:
    """Refuse to compare.

    Raises
    ------
    RequestError
        With at most three reasons.
    """
    if found:
        more = f" (and {len(found) - 2} more)" if len(found) > 2 else ""
        raise RequestError(
            f"these runs do not compare: {found[0].line}",
            *[f"{one.line}{more}" for one in found[1:2]],
            "name runs that do, e.g. by --where, or look at them side by side all the same: --force",
        )


def _of_facts(runs: RunIndex, rows: Sequence[int], measure: RankingMetric, asked: bool) -> Iterator[Mismatch]:
    names = runs.column("id")
    for says, key in (("another task", "task"), ("other data", "fingerprint:data")):
        yield from _differing(says, rows, picked(runs.column(key), rows), names)
    metrics, ways = (picked(runs.column(f"objective:{key}"), rows) for key in ("metric", "direction"))
    if not asked:
        yield from _differing("another objective", rows, metrics, names)
    own = [way if metric == measure.metric else None for metric, way in zip(metrics, ways, strict=True)]
    yield from _differing(f"{measure.metric} is better", rows, own, names)


def _of_config(runs: RunIndex, rows: Sequence[int]) -> Iterator[Mismatch]:
    names = runs.column("id")
    keys = [key for kind, _, key in (name.partition(":") for name in runs.column_names()) if kind == "config"]
    for key in keys:
        scoring = key.startswith("evaluator.") and key not in ANYWAY and counts(key) and not key.endswith("_target_")
        if key in SPLIT or scoring:
            says = f"another {'evaluator' if scoring else 'split'}, {key}"
            values = ["null" if value is None else value for value in picked(runs.column(f"config:{key}"), rows)]
            yield from _differing(says, rows, values, names)


def _of_splits(runs: RunIndex, rows: Sequence[int]) -> Iterator[Mismatch]:
    """Yield one where runs of one seed were split in different ways all the same."""
    seeds, splits = (picked(runs.column(key), rows) for key in ("config:seed", "fingerprint:split"))
    first: dict[str, Any] = {}
    for seed, split in zip(seeds, splits, strict=True):
        if split is not None and first.setdefault(repr(seed), split) != split:
            own = [one if other == seed else None for one, other in zip(splits, seeds, strict=True)]
            yield from _differing(f"another split of the rows with seed {seed}", rows, own, runs.column("id"))
            return


def _differing(says: str, rows: Sequence[int], values: Sequence[Any], names: Sequence[str]) -> Iterator[Mismatch]:
    told = Counter(_told(value) for value in values if value is not None)
    if len(told) > 1:
        example = {_told(value): names[row] for row, value in zip(reversed(rows), reversed(values), strict=True)}
        yield Mismatch(says, tuple((value, count, example[value]) for value, count in told.most_common()))


def _told(value: Any) -> str:
    text = str(value)
    return text[:8] if len(text) == 64 else text
