"""Which runs may be ranked together: of one task, one table, one split and one way of scoring.

Whatever ranks runs asks here: `compare` and `best` for the reasons, `runs --sort` for a note, `clean` for the groups
that each have a best, a sweep for the swept keys that give each of their values a ranking of its own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtree.contract.errors import RequestError
from runtree.contract.fingerprint import affects_fingerprint
from runtree.records.compare.configurations import RankingMetric, RunColumns
from runtree.records.index import FINGERPRINT
from runtree.records.tables import table_names

SPLIT_KEYS = ("data.split", "data.test_size", "data.validation_size", "data.group", "data.time")
POSITIVE_KEY = "data.positive"
# of two classes these are equal whichever is the positive one; plugins' metrics may not be
SYMMETRIC_METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "brier", "mcc")
HARMLESS_KEYS = ("evaluator.metrics",)  # additional metrics do not change the others
FINGERPRINT_CHARACTERS = 64
OTHER_DATA = "other data"


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


def decides_scores(key: str, metric: str) -> bool:
    """Return whether runs with other values at a config key, or of another option of a group, have scores of their own.

    Such a key says how rows are split or scored. Data is compared by its fingerprint, as paths do not tell.
    """
    if key == POSITIVE_KEY:
        return metric not in SYMMETRIC_METRICS
    if key == "evaluator" or key in SPLIT_KEYS:
        return True
    is_evaluator = key.startswith("evaluator.") and not key.endswith("_target_")
    return is_evaluator and key not in HARMLESS_KEYS and affects_fingerprint(key)


def scored_by(providers: Any, metric: str) -> str | None:
    """Return those of a run's scoring plugins that a metric depends on, None if there are none."""
    kept = [text for text in str(providers or "").split("; ") if text.startswith((f"{metric}: ", "evaluator: "))]
    return "; ".join(kept) or None


def find_mismatches(
    runs: RunColumns, rows: Sequence[int], measure: RankingMetric, is_metric_named: bool
) -> list[Mismatch]:
    """Return why runs are not comparable; empty if they are. An unknown value is never a mismatch.

    Runs that are ranked by different metrics are not comparable, unless the user named the metric.
    """
    ids, facts = runs.column("id"), _facts(runs, rows, measure, is_metric_named)
    names = table_names(runs)
    mismatches: list[Mismatch] = []
    for reason, values in facts:
        if reason == OTHER_DATA and len(set(values.values()) - {None}) > 1:
            # a table is called by its name; the fingerprint tells its versions apart
            values = {
                row: None if value is None else f"{names.get(row, '')} {_shorten(value)}".lstrip()
                for row, value in values.items()
            }
        mismatches += _differences(reason, values, ids)
    return mismatches or list(_of_splits(runs, rows))


def group_comparable(runs: RunColumns, rows: Sequence[int], measure: RankingMetric) -> list[list[int]]:
    """Return the rows that may be ranked together by a metric; an unknown value is a group of its own."""
    keys: dict[int, list[str]] = {row: [] for row in rows}
    for _, values in _facts(runs, rows, measure, is_metric_named=True):
        for row, value in values.items():
            keys[row].append(str(value))
    seeds, splits = runs.column("config:seed"), runs.column("fingerprint:split")
    variants: dict[str, list[Any]] = {}  # of one seed; runs of different seeds have different splits on purpose
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        known = variants.setdefault(str([seeds[row], *keys[row]]), [])
        if splits[row] not in known:
            known.append(splits[row])
        groups.setdefault((*keys[row], str(known.index(splits[row]))), []).append(row)
    return list(groups.values())


def refuse_mismatches(mismatches: Sequence[Mismatch]) -> None:
    """Refuse to compare.

    Raises
    ------
    RequestError
        With at most two mismatches.
    """
    if mismatches:
        example = "--where"
        if mismatches[0].reason == OTHER_DATA:
            example = f"--where {select_table(mismatches[0])}"
        more = f" (and {len(mismatches) - 2} more)" if len(mismatches) > 2 else ""
        raise RequestError(
            f"these runs are not comparable: {mismatches[0].line}",
            *[f"{mismatch.line}{more}" for mismatch in mismatches[1:2]],
            f"select comparable runs, e.g. with {example}, or compare them anyway: --force",
        )


def select_table(mismatch: Mismatch) -> str:
    """Return the condition that selects the runs on the first of several tables."""
    return f"{FINGERPRINT}.data~{mismatch.sides[0][0].rpartition(' ')[2]}"


def _facts(
    runs: RunColumns, rows: Sequence[int], measure: RankingMetric, is_metric_named: bool
) -> Iterator[tuple[str, Mapping[int, Any]]]:
    """Yield (reason, values by row): rows may be ranked together if they have the same values."""
    for reason, key in (("another task", "task"), (OTHER_DATA, "fingerprint:data")):
        column = runs.column(key)
        yield reason, {row: column[row] for row in rows}
    scoring = runs.column("fingerprint:scoring")
    providers = {row: scored_by(scoring[row], measure.metric) or "built in" for row in rows}
    yield "another plugin, or version of one, scored them", providers
    metrics, directions = runs.column("objective:metric"), runs.column("objective:direction")
    if not is_metric_named:
        yield "another objective", {row: metrics[row] for row in rows}
    same = {row: directions[row] if metrics[row] == measure.metric else None for row in rows}
    yield f"direction of {measure.metric}", same
    keys = [key for key in runs.keys("config") if decides_scores(key, measure.metric)]
    every, wanted = runs.rows(), set(rows)
    for name, settings in runs.columns([f"config:{key}" for key in keys]):
        key = name.removeprefix("config:")
        pairs = ((row, value) for row, value in zip(every, settings, strict=True) if row in wanted)
        kind = "evaluator" if key.startswith("evaluator.") else "split"
        reason = "another positive class" if key == POSITIVE_KEY else f"another {kind}, {key}"
        yield reason, {row: "null" if value is None else value for row, value in pairs}


def _of_splits(runs: RunColumns, rows: Sequence[int]) -> Iterator[Mismatch]:
    """Yield a mismatch if runs of one seed and one config have different splits all the same."""
    seeds, splits = runs.column("config:seed"), runs.column("fingerprint:split")
    first: dict[str, Any] = {}
    for row in rows:
        seed, split = seeds[row], splits[row]
        if split is not None and first.setdefault(repr(seed), split) != split:
            same = {other: splits[other] if seeds[other] == seed else None for other in rows}
            yield from _differences(f"another split of the rows with seed {seed}", same, runs.column("id"))
            return


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
