"""The comparison: configurations from the best on, each against the best and against a baseline."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from runtree.contract.errors import NotFoundError, RequestError, unknown
from runtree.contract.types import Metric
from runtree.records.compare.comparability import find_mismatches, refuse_mismatches
from runtree.records.compare.configurations import (
    SEED,
    Configuration,
    RankingMetric,
    choose_metric,
    completed_rows,
    group_configurations,
    scored_rows,
)
from runtree.records.compare.pairwise_test import PairwiseTest, measure_dispersion, run_pairwise_test
from runtree.records.compare.run_data import RunData, count_test_accesses
from runtree.records.compare.table import CompareRequest, ComparisonRow, ComparisonTable, Correction, KnownMetrics
from runtree.records.index import RunIndex
from runtree.records.query import RunQuery, matching_rows
from runtree.records.selectors import select_rows

DUMMY = "dummy"


def compare_runs(runs: RunIndex, request: CompareRequest, known: KnownMetrics) -> ComparisonTable:
    """Compare the runs that are asked for.

    Raises
    ------
    NotFoundError, RequestError
        Words that mean no run, runs that do not compare, a metric or a baseline that is not there.
    """
    rows = _meant(runs, request)
    measure = choose_metric(runs, rows, request.metric, known.directions)
    done = completed_rows(runs, rows)
    counted = scored_rows(runs, done, measure)
    if not counted:
        raise NotFoundError(f"none of these runs is completed and has {measure.name}", "see: runtree runs")
    differ = find_mismatches(runs, done, measure, bool(request.metric))
    if not request.force:
        refuse_mismatches(differ)
    found = group_configurations(runs, counted, measure)
    base = _baseline(runs, found, request.baseline)
    lines = tuple(_lines(runs, found, base, measure, known.metrics, request))
    if not lines:
        raise NotFoundError("the records of these runs cannot be read any more", "see: runtree runs")
    shown = [record for line in lines for record in line.records]
    return ComparisonTable(
        request=request,
        measure=measure,
        lines=lines,
        total=len(found),
        runs=len(counted),
        unfinished=len(rows) - len(done),
        unscored=len(done) - len(counted),
        obstacles=tuple(differ),
        test_looks=count_test_accesses(runs.outputs, shown) if measure.part == "test" else None,
    )


def _meant(runs: RunIndex, request: CompareRequest) -> list[int]:
    rows = select_rows(runs, request.words)
    if request.where:
        matching = set(matching_rows(runs, RunQuery(where=request.where)))
        rows = [row for row in rows if row in matching]
    if request.baseline and not _named(runs, rows, request.baseline):
        rows = list(dict.fromkeys([*rows, *select_rows(runs, [request.baseline])]))
    return rows


def _named(runs: RunIndex, rows: Sequence[int], name: str) -> list[int]:
    """Return the runs whose algorithm has a name."""
    names = runs.column("config:algorithm.name")
    return [row for row in rows if names[row] == name]


def _baseline(runs: RunIndex, found: Sequence[Configuration], asked: str | None) -> Configuration | None:
    """Return the configuration to be better than: the one that was named, else one that only guesses."""
    every = [row for one in found for row in one.rows]
    wanted = set(_named(runs, every, asked or DUMMY))
    if asked and not wanted:
        wanted = set(select_rows(runs, [asked]))
    chosen = [one for one in found if wanted & set(one.rows)]
    if asked and not chosen:
        raise unknown("baseline", asked, {str(name) for name in runs.column("config:algorithm.name").values()})
    if asked and len(chosen) > 1:
        raise RequestError(f"--baseline: '{asked}' names {len(chosen)} configurations", "name one run of it")
    return chosen[0] if chosen else None


def _lines(
    runs: RunIndex,
    found: Sequence[Configuration],
    base: Configuration | None,
    measure: RankingMetric,
    metrics: Mapping[str, Metric],
    request: CompareRequest,
) -> Iterator[ComparisonRow]:
    """Test the first configurations against the best and against the baseline, which is shown in any case."""
    chosen = [pair for pair in enumerate(found, 1) if pair[0] <= (request.most or len(found)) or pair[1] is base]
    evidence = read_run_data(runs, [one for _, one in chosen], measure)
    shown = [(rank, one, own) for (rank, one), own in zip(chosen, evidence, strict=True) if own]
    level = 1 - request.alpha
    of_base = next((own for _, one, own in shown if one is base), None)
    best = [None, *(run_pairwise_test(own, shown[0][2], metrics, level) for _, _, own in shown[1:])]
    against = [
        None if own is of_base or not of_base else run_pairwise_test(own, of_base, metrics, level)
        for _, _, own in shown
    ]
    ps, base_ps = (correct_p_values(duels, request.correction) for duels in (best, against))
    for number, (rank, one, own) in enumerate(shown):
        p = ps[number]
        yield ComparisonRow(
            rank=rank,
            records=tuple(run.record for run in own),
            followers=one.followers | {SEED},
            repeated=one.repeated,
            spread=measure_dispersion(own, metrics, level),
            best=best[number],
            baseline=against[number],
            p=p,
            p_baseline=base_ps[number],
            tied=True if number == 0 else None if p is None else p >= request.alpha,
            is_baseline=one is base,
        )


def read_run_data(runs: RunIndex, found: Sequence[Configuration], measure: RankingMetric) -> list[list[RunData]]:
    """Read the records of configurations; one that cannot be read any more was told of, and is left out."""
    records = {record.folder: record for record in runs.read_records([row for one in found for row in one.rows])}
    places = [[runs.outputs / runs.folder(row) for row in one.rows] for one in found]
    return [[RunData(records[path], measure) for path in own if path in records] for own in places]


def correct_p_values(duels: Sequence[PairwiseTest | None], correction: Correction) -> list[float | None]:
    """Return the p values of duels, corrected for being several; None where there is none."""
    from runtree.statistics.comparison import benjamini_hochberg, holm

    ways: Mapping[Correction, Callable[[Sequence[float]], list[float]]] = {
        "holm": holm,
        "bh": benjamini_hochberg,
        "none": list,
    }
    found = ways[correction]([float("nan") if one is None else one.p for one in duels])
    return [None if p != p else p for p in found]
