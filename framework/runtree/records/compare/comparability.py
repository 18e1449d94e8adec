"""Why runs are not comparable: another task, other data, another split, another way of scoring."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.fingerprint import affects_fingerprint
from runtree.records.compare.configurations import RankingMetric
from runtree.records.index import RunIndex

SPLIT_KEYS = ("data.split", "data.test_size", "data.validation_size", "data.group", "data.time")
POSITIVE_KEY = "data.positive"
# of two classes these are equal whichever is the positive one; plugins' metrics may not be
SYMMETRIC_METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "brier", "mcc")
HARMLESS_KEYS = ("evaluator.metrics",)  # additional metrics do not change the others
FINGERPRINT_CHARACTERS = 64


@dataclass(frozen=True)
class Mismatch:
    """One respect in which runs differ, and the runs of each value."""

    reason: str
    sides: tuple[tuple[str, int, str], ...]  # value, number of runs, id of one of them

    @property
    def line(self) -> str:
        """Return it as one line."""
        shown = [f"{value} ({count:,} run{'s' * (count != 1)}, e.g. {run})" for value, count, run in self.sides[:3]]
        return f"{self.reason}: {'; '.join(shown)}{' …' if len(self.sides) > 3 else ''}"


def find_mismatches(
    runs: RunIndex, rows: Sequence[int], measure: RankingMetric, is_metric_named: bool
) -> list[Mismatch]:
    """Return why runs are not comparable; empty if they are. An unknown value is never a mismatch.

    Runs that are ranked by different metrics are not comparable, unless the user named the metric.
    """
    mismatches = [*_of_facts(runs, rows, measure, is_metric_named), *_of_config(runs, rows, measure)]
    return mismatches or list(_of_splits(runs, rows))


def refuse_mismatches(mismatches: Sequence[Mismatch]) -> None:
    """Refuse to compare.

    Raises
    ------
    RequestError
        With at most two mismatches.
    """
    if mismatches:
        more = f" (and {len(mismatches) - 2} more)" if len(mismatches) > 2 else ""
        raise RequestError(
            f"these runs are not comparable: {mismatches[0].line}",
            *[f"{mismatch.line}{more}" for mismatch in mismatches[1:2]],
            "select comparable runs, e.g. with --where, or compare them anyway: --force",
        )


def _of_facts(runs: RunIndex, rows: Sequence[int], measure: RankingMetric, is_metric_named: bool) -> Iterator[Mismatch]:
    ids = runs.column("id")
    for reason, key in (("another task", "task"), ("other data", "fingerprint:data")):
        column = runs.column(key)
        yield from _differences(reason, {row: column[row] for row in rows}, ids)
    scoring = runs.column("fingerprint:scoring")
    yield from _differences(
        "another version of a plugin scored them", {row: _scored_by(scoring[row], measure.metric) for row in rows}, ids
    )
    metrics, directions = runs.column("objective:metric"), runs.column("objective:direction")
    if not is_metric_named:
        yield from _differences("another objective", {row: metrics[row] for row in rows}, ids)
    same = {row: directions[row] if metrics[row] == measure.metric else None for row in rows}
    yield from _differences(f"direction of {measure.metric}", same, ids)


def _of_config(runs: RunIndex, rows: Sequence[int], measure: RankingMetric) -> Iterator[Mismatch]:
    ids = runs.column("id")
    if measure.metric not in SYMMETRIC_METRICS:
        labels = runs.column(f"config:{POSITIVE_KEY}")
        positive = {row: "null" if labels[row] is None else labels[row] for row in rows}
        yield from _differences("another positive class", positive, ids)
    scoring = {
        key
        for key in runs.keys("config")
        if key.startswith("evaluator.")
        and key not in HARMLESS_KEYS
        and affects_fingerprint(key)
        and not key.endswith("_target_")
    }
    keys = [f"config:{key}" for key in runs.keys("config") if key in scoring or key in SPLIT_KEYS]
    every, wanted = runs.rows(), set(rows)
    for name, column in runs.columns(keys):
        key = name.removeprefix("config:")
        pairs = ((row, value) for row, value in zip(every, column, strict=True) if row in wanted)
        values = {row: "null" if value is None else value for row, value in pairs}
        yield from _differences(f"another {'evaluator' if key in scoring else 'split'}, {key}", values, ids)


def _of_splits(runs: RunIndex, rows: Sequence[int]) -> Iterator[Mismatch]:
    """Yield a mismatch if runs of one seed and one config have different splits all the same."""
    seeds, splits = runs.column("config:seed"), runs.column("fingerprint:split")
    first: dict[str, Any] = {}
    for row in rows:
        seed, split = seeds[row], splits[row]
        if split is not None and first.setdefault(repr(seed), split) != split:
            same = {other: splits[other] if seeds[other] == seed else None for other in rows}
            yield from _differences(f"another split of the rows with seed {seed}", same, runs.column("id"))
            return


def _scored_by(providers: Any, metric: str) -> str | None:
    """Return those of a run's scoring plugins that a metric depends on, None if there are none."""
    kept = [text for text in str(providers or "").split("; ") if text.startswith((f"{metric}: ", "evaluator: "))]
    return "; ".join(kept) or None


def _differences(reason: str, values: Mapping[int, Any], ids: Mapping[int, str]) -> Iterator[Mismatch]:
    every = list(values.values())
    if every.count(every[0]) == len(every):
        return  # the usual case, which needs no text of each value
    counts_by_text = Counter(_shorten(value) for value in values.values() if value is not None)
    if len(counts_by_text) > 1:
        example: dict[str, str] = {}
        for row, value in values.items():
            example.setdefault(_shorten(value), ids[row])
        yield Mismatch(reason, tuple((text, count, example[text]) for text, count in counts_by_text.most_common()))


def _shorten(value: Any) -> str:
    text = str(value)
    return text[:8] if len(text) == FINGERPRINT_CHARACTERS else text
